// The stand-in for the explorer: no packages and no build, so it works wherever the server does.
const [select, description, query, variables, explain, run, result, statements] =
  ["operation", "description", "query", "variables", "explain", "run", "result", "statements"].map((id) =>
    document.getElementById(id));

const show = (text) => { result.textContent = text; };

async function main() {
  run.addEventListener("click", ask);
  const response = await fetch("/explorer/operations.json", { credentials: "same-origin" });
  const operations = await response.json();
  for (const { name, title, topic } of operations) select.append(new Option(`${topic}: ${title}`, name));
  select.addEventListener("change", () => open(operations.find(({ name }) => name === select.value)));
  openLink(operations);
}

function open(operation, given = operation?.variables) {
  select.value = operation?.name ?? "";
  description.textContent = operation?.description ?? "";
  query.value = operation?.query ?? "";
  variables.value = operation ? JSON.stringify(given, null, 2) : "";
}

// The same link as the explorer's. It names an operation and fills in variables; it never runs anything.
function openLink(operations) {
  const parameters = new URLSearchParams(location.search);
  const name = parameters.get("operation");
  const operation = name === null ? operations[0] : operations.find((each) => each.name === name);
  if (!operation && name !== null) return show(`There is no operation named “${name}”.`);
  try {
    open(operation, JSON.parse(parameters.get("variables") ?? "null") ?? operation?.variables);
  } catch {
    open(operation);
    show("The link's variables are no JSON; the operation's own are shown instead.");
  }
}

async function ask() {
  try {
    show(await answerTo({ query: query.value, variables: JSON.parse(variables.value || "{}") }));
  } catch (error) {
    show(error instanceof SyntaxError ? `The variables are no JSON: ${error.message}` : `No answer: ${error.message}`);
  }
}

// What ran on the database, where the server tells: it does so to staff.
function showStatements(explained) {
  statements.hidden = !explained;
  statements.replaceChildren();
  if (!explained) return;
  addRow(["Statement", "Keys", "Rows", "ms"]);
  for (const { sql, keys, rows, milliseconds } of explained.statements) addRow([sql, keys, rows, milliseconds]);
}

function addRow(cells) {
  const row = statements.insertRow();
  for (const cell of cells) row.insertCell().textContent = cell ?? "";
}

async function answerTo(request) {
  const response = await fetch("/graphql", {
    method: "POST",
    credentials: "same-origin",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json, application/json",
      ...(explain.checked && { "x-countersign-explain": "1" }),
    },
    body: JSON.stringify(request),
  });
  if (response.status === 401) return signIn();
  const text = await response.text();
  const isJSON = /json/.test(response.headers.get("content-type") ?? "");
  if (!isJSON) return `The server answered ${response.status}, not in JSON.`;
  const answer = JSON.parse(text);
  showStatements(answer.extensions?.explain);
  return JSON.stringify(answer, null, 2);
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Sign in";
  document.querySelector("nav").prepend(link, " ");
  return "The server does not know who you are. Sign in (above), and ask again.";
}

main().catch((error) => show(`The operations could not be loaded: ${error.message}`));
