// mercurius with its JIT and loaders, over the statements of rivals/sql, run by Node's own SQLite.
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import Fastify from "fastify";
import mercurius from "mercurius";

const [path, port] = process.argv.slice(2);
const database = new DatabaseSync(path, { readOnly: true });
const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");

function prepared(name) {
  const sql = here(`../sql/${name}.sql`);
  const statement = database.prepare(sql);
  const names = new Set(sql.match(/:[a-z_]+/g));
  return (given) => statement.all(Object.fromEntries([...names].map((name) => [name.slice(1), given[name.slice(1)]])));
}

const select = Object.fromEntries(
  ["organization", "team", "teams", "learner", "learners", "windows", "counts"].map((name) => [name, prepared(name)]),
);

// ------------------------------------------------------------------------------------------- ids, days, cursors

const encoded = (...parts) => Buffer.from(parts.join(":")).toString("base64url");
const decoded = (id) => Buffer.from(id, "base64url").toString().split(":");
const formats = new Map();

function format(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...options }));
  return formats.get(key);
}

const dayOf = (us, zone) => format(zone, { dateStyle: "short" }).format(us / 1000);
const instant = (us) => (us === null ? null : new Date(us / 1000).toISOString().replace(".000Z", "Z"));

// The instant at which a day begins in a zone, in microseconds.
function startOf(day, zone) {
  const wall = Date.parse(`${day}T00:00:00Z`);
  const there = format(zone, { dateStyle: "short", timeStyle: "medium" }).format(wall);
  return (wall - (Date.parse(`${there.replace(" ", "T")}Z`) - wall)) * 1000;
}

function dayAfter(day) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

// A cursor of ours is a JSON list; its last two are the name and the learner, which JavaScript's numbers do not hold.
function beyond(after) {
  if (!after) return { after_name: "", after_learner: 0n };
  const [, name, learner] = /^\["[^"]*",("(?:[^"\\]|\\.)*"),(-?\d+)\]$/.exec(Buffer.from(after, "base64url").toString());
  return { after_name: JSON.parse(name), after_learner: BigInt(learner) };
}

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(row[key]);
    if (group) group.push(row);
    else groups.set(row[key], [row]);
  }
  return groups;
}

// ------------------------------------------------------------------------------------------------------ the graph

const learnerOf = (organization, row) => ({
  organization,
  key: row.id,
  id: encoded("Learner", organization.key, row.id),
  name: row.name || null,
  email: row.email || null,
  externalId: row.external_id || null,
  department: row.department || null,
});

const teamOf = (organization, row) => ({
  organization,
  key: row.id,
  id: encoded("Team", organization.key, row.id),
  name: row.name,
});

function organizationBy(key) {
  const [row] = select.organization({ organization: BigInt(key) });
  return row && { key, id: encoded("Organization", key), name: row.name, zone: row.zone };
}

// Once a request, for whichever field asks first.
function windowsOf(learners, context) {
  context.windows ??= new Map();
  const missing = learners.filter((learner) => !context.windows.has(learner.id));
  if (missing.length) {
    const organization = BigInt(missing[0].organization.key);
    const found = grouped(select.windows({ organization, learners: `[${missing.map((one) => one.key)}]` }), "learner");
    for (const learner of missing) context.windows.set(learner.id, found.get(learner.key) ?? []);
  }
  return learners.map((learner) => context.windows.get(learner.id));
}

// Lists that are asked for with the same arguments, of many teams at once.
function alike(queries) {
  const groups = new Map();
  queries.forEach((query, place) => {
    const key = JSON.stringify(query.params);
    groups.set(key, [...(groups.get(key) ?? []), { ...query, place }]);
  });
  return groups.values();
}

function learnersOf(queries) {
  const pages = new Array(queries.length);
  for (const group of alike(queries)) {
    const { params } = group[0];
    const { organization } = group[0].obj;
    const { from, through } = params.activity.activeDuring.dates;
    const rows = select.learners({
      organization: BigInt(organization.key),
      teams: `[${group.map(({ obj }) => obj.key)}]`,
      since: startOf(from, organization.zone),
      until: startOf(dayAfter(through), organization.zone),
      most: params.first + 1,
      ...beyond(params.after),
    });
    const found = grouped(rows, "team");
    for (const { obj, place } of group) {
      const listed = found.get(obj.key) ?? [];
      const nodes = listed.slice(0, params.first).map((row) => learnerOf(organization, row));
      pages[place] = { nodes, pageInfo: { hasNextPage: listed.length > params.first } };
    }
  }
  return pages;
}

function countsOf(queries) {
  const counts = new Array(queries.length);
  for (const group of alike(queries)) {
    const { organization } = group[0].obj;
    const at = startOf(group[0].params.activity.activeAt.cutoffOf, organization.zone);
    const teams = `[${group.map(({ obj }) => obj.key)}]`;
    const rows = new Map(
      select.counts({ organization: BigInt(organization.key), teams, at }).map((row) => [row.team, row]),
    );
    for (const { obj, place } of group) {
      const { exact, surely, perhaps } = rows.get(obj.key);
      counts[place] = { exact: surely === perhaps ? exact + surely : null, min: exact + surely, max: exact + perhaps };
    }
  }
  return counts;
}

const nodes = {
  Organization: organizationBy,
  Team(organization, key) {
    const [row] = select.team({ organization: BigInt(organization), team: BigInt(key) });
    return row && teamOf(organizationBy(organization), row);
  },
  Learner(organization, key) {
    const [row] = select.learner({ organization: BigInt(organization), learner: BigInt(key) });
    return row && learnerOf({ key: organization }, row);
  },
};

const resolvers = {
  Query: {
    node(_, { id }) {
      const [kind, ...keys] = decoded(id);
      const found = nodes[kind](...keys);
      return found ? { __typename: kind, ...found } : null;
    },
    organization: (_, { by }) => organizationBy(decoded(by.id)[1]),
  },
  Organization: {
    teams: (organization, { first }) => ({
      nodes: select.teams({ organization: BigInt(organization.key), most: first }).map((row) => teamOf(organization, row)),
    }),
  },
};

const loaders = {
  Team: { learners: async (queries) => learnersOf(queries), activeCount: async (queries) => countsOf(queries) },
  Learner: {
    windows: async (queries, context) =>
      windowsOf(queries.map(({ obj }) => obj), context).map((rows, place) => ({
        nodes: rows
          .slice(0, queries[place].params.first)
          .map((row) => ({ from: instant(row.from_at), to: instant(row.to_at) })),
      })),
    activatedOn: async (queries, context) =>
      windowsOf(queries.map(({ obj }) => obj), context).map((rows, place) => {
        const latest = rows.at(-1);
        return latest?.from_at == null ? null : dayOf(latest.from_at, queries[place].obj.organization.zone);
      }),
  },
};

const app = Fastify();
app.register(mercurius, { schema: here("../schema.graphql"), resolvers, loaders, jit: 1, graphiql: false });
await app.listen({ host: "127.0.0.1", port: Number(port) });
