// Asks a running server what graphql-http's audit asks, and prints each check's id, name and outcome as JSON.
// Words: the folder of npm packages, the server's GraphQL address, a token.
import { createRequire } from "node:module";

const [packages, url, token] = process.argv.slice(2);
const { serverAudits } = createRequire(`${packages}/`)("graphql-http");

function fetchFn(address, request = {}) {
  return fetch(address, { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });
}

const outcomes = [];
for (const { id, name, fn } of serverAudits({ url, fetchFn })) {
  const { status, reason } = await fn();
  outcomes.push({ id, name, status, reason: reason ?? "" });
}
console.log(JSON.stringify(outcomes));
