import { asText } from "./operations.js";

const GRAPHIQL_TABS = "graphiql:tabState"; // where GraphiQL remembers its tabs

/**
 * What to open first: `{ operation, variables, notice }`.
 *
 * A link `?operation=<name>&variables=<json>` opens that operation, and never runs it: a link from a stranger must
 * not change anything. It only names one of the server's own operations; it cannot carry a query. The address is
 * then cleaned, so that reloading keeps the person's own edits instead of opening the link again.
 */
export function openingFrom(location, operations) {
  const parameters = new URLSearchParams(location.search);
  const name = parameters.get("operation");
  if (name === null) return { operation: firstVisit() ? operations[0] : undefined };
  const operation = operations.find((each) => each.name === name);
  if (!operation) return { notice: `There is no operation named “${name}”. The Operations panel lists those there are.` };
  return { operation, ...variablesFrom(parameters.get("variables")) };
}

export function cleanAddress() {
  if (location.search) history.replaceState(null, "", location.pathname);
}

export function linkTo(operation) {
  return `/explorer?${new URLSearchParams({ operation: operation.name })}`;
}

function firstVisit() {
  return localStorage.getItem(GRAPHIQL_TABS) === null;
}

function variablesFrom(json) {
  if (json === null) return {};
  try {
    const variables = JSON.parse(json);
    if (isObject(variables)) return { variables: asText(variables) };
  } catch {
    // said below, together with JSON that is no object
  }
  return { notice: "The link's variables are not a JSON object; the operation's own are shown instead." };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
