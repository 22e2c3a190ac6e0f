import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from "@graphiql/plugin-doc-explorer";
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { HISTORY_PLUGIN, HistoryStore } from "@graphiql/plugin-history";
import { GraphiQLProvider } from "@graphiql/react";
import { GraphiQL, GraphiQLInterface } from "graphiql";
import { useEffect, useMemo, useRef, useState } from "react";
import { Explain, ExplainSwitch } from "./Explain.jsx";
import { OPERATIONS_PLUGIN } from "./OperationsPanel.jsx";
import { Operations, asText } from "./operations.js";
import { connect, loadViewer } from "./server.js";

const QUERY_BUILDER = { ...explorerPlugin({ showAttribution: false }), title: "Query builder" };
// Made once: GraphiQL closes the open panel whenever this list is a new one.
const PLUGINS = [OPERATIONS_PLUGIN, QUERY_BUILDER, DOC_EXPLORER_PLUGIN, HISTORY_PLUGIN];

function Header({ viewer, children }) {
  return (
    <header className="cs-header">
      <strong>Countersign</strong>
      <span>Explorer</span>
      <nav aria-label="Countersign">
        {children}
        {viewer && <span className="cs-viewer">{[viewer.name, viewer.role?.toLowerCase()].filter(Boolean).join(" · ")}</span>}
        <a href="/admin">Pages</a>
      </nav>
    </header>
  );
}

function SignInBanner() {
  const here = encodeURIComponent(location.pathname + location.search);
  return (
    <p className="cs-banner" role="alert">
      The server does not know who you are. <a href={`/sign-in?next=${here}`}>Sign in</a>, and ask again.
    </p>
  );
}

// The parts of GraphiQL are put together here, not by its <GraphiQL>, because that always shows the docs first.
function Workbench({ fetcher, opening }) {
  const { operation, variables } = opening;
  return (
    <GraphiQLProvider fetcher={fetcher} plugins={PLUGINS} referencePlugin={DOC_EXPLORER_PLUGIN}
      visiblePlugin={OPERATIONS_PLUGIN} shouldPersistHeaders={false} defaultQuery=""
      inputValueDeprecation schemaDescription
      initialQuery={operation?.query} initialVariables={operation && (variables ?? asText(operation.variables))}>
      <HistoryStore>
        <DocExplorerStore>
          <GraphiQLInterface defaultEditorToolsVisibility="variables" showPersistHeadersSettings={false}>
            <GraphiQL.Logo><></></GraphiQL.Logo>
          </GraphiQLInterface>
        </DocExplorerStore>
      </HistoryStore>
    </GraphiQLProvider>
  );
}

export function App({ operations, opening }) {
  const [signInNeeded, setSignInNeeded] = useState(false);
  const [viewer, setViewer] = useState(null);
  const [explain, setExplain] = useState(null);
  // Read when an operation is sent, by a fetcher that is made once: GraphiQL starts anew with another.
  const explains = useRef(false);
  const [explaining, setExplaining] = useState(false);
  const fetcher = useMemo(() => connect(setSignInNeeded, () => explains.current, setExplain), []);
  useEffect(() => void loadViewer(fetcher).then(setViewer), [fetcher]);
  function changeExplaining(on) {
    explains.current = on;
    setExplaining(on);
    setExplain(null);
  }
  return (
    <Operations value={operations}>
      <Header viewer={viewer}>
        {viewer?.role === "STAFF" && <ExplainSwitch on={explaining} onChange={changeExplaining} />}
      </Header>
      {signInNeeded && <SignInBanner />}
      {opening.notice && <p className="cs-banner" role="status">{opening.notice}</p>}
      <main className="cs-workbench"><Workbench fetcher={fetcher} opening={opening} /></main>
      {explain && <Explain explain={explain} />}
    </Operations>
  );
}
