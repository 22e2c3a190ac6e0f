import { createGraphiQLFetcher } from "@graphiql/toolkit";

const JSON_TYPE = /^application\/(graphql-response\+)?json\b/i;

/** A fetcher for /graphql that says, after every answer, whether the server wants us to sign in; and, where it is to be
 * explained, how it was answered. */
export function connect(onSignInNeeded, isExplained, onExplained) {
  return createGraphiQLFetcher({
    url: "/graphql",
    enableIncrementalDelivery: false, // the server answers in one part
    async fetch(url, request) {
      const explain = isExplained() && !request.body.includes("IntrospectionQuery");
      const headers = explain ? { ...request.headers, "x-countersign-explain": "1" } : request.headers;
      const response = await fetch(url, { ...request, headers, credentials: "same-origin" });
      onSignInNeeded(response.status === 401);
      const answer = asGraphQL(response);
      if (explain) onExplained((await answer.clone().json()).extensions?.explain ?? null);
      return answer;
    },
  });
}

// A proxy's or an error page's HTML would show as "Unexpected token '<'", which helps nobody.
function asGraphQL(response) {
  if (JSON_TYPE.test(response.headers.get("content-type") ?? "")) return response;
  const message = `The server answered ${response.status} ${response.statusText}, and not in JSON.`;
  return Response.json({ errors: [{ message }] });
}

export async function loadOperations() {
  const response = await fetch("/explorer/operations.json", { credentials: "same-origin" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

/** Who is signed in, or null: the header is a courtesy, so nothing that goes wrong here may stop the explorer. */
export async function loadViewer(fetcher) {
  try {
    const { data } = await fetcher({ query: "{ viewer { name role } }" });
    return data?.viewer ?? null;
  } catch {
    return null;
  }
}
