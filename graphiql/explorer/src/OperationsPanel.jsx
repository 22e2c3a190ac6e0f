import { useContext, useState } from "react";
import { linkTo } from "./link.js";
import { Operations, byTopic, changesData, matching, useOperationTabs } from "./operations.js";

function OperationCard({ operation, tabs }) {
  // The title is a real link, so that it can be copied and sent; a plain click stays on this page.
  function openHere(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    tabs.open(operation);
  }
  return (
    <li className="cs-operation" data-operation={operation.name}>
      <a className="cs-operation-title" href={linkTo(operation)} onClick={openHere}>{operation.title}</a>
      {operation.description && <p>{operation.description}</p>}
      <div className="cs-operation-buttons">
        <button type="button" disabled={!tabs.ready} onClick={() => tabs.open(operation)}>Open</button>
        {changesData(operation) ? <span>Changes data: open it, then run it.</span> : (
          <button type="button" disabled={!tabs.ready} onClick={() => tabs.run(operation)} className="cs-run">Run</button>
        )}
      </div>
    </li>
  );
}

function OperationsPanel() {
  const operations = useContext(Operations);
  const tabs = useOperationTabs();
  const [search, setSearch] = useState("");
  const found = matching(operations, search);
  return (
    <section className="cs-operations" aria-label="Operations">
      <h2>Operations</h2>
      <input type="search" value={search} onChange={(event) => setSearch(event.target.value)}
        placeholder="Search by title or words" aria-label="Search operations" />
      {byTopic(found).map(([topic, members]) => (
        <section key={topic}>
          <h3>{topic}</h3>
          <ul>{members.map((each) => <OperationCard key={each.name} operation={each} tabs={tabs} />)}</ul>
        </section>
      ))}
      {found.length === 0 && <p className="cs-none">{search ? "No operation has all these words." : "No operations."}</p>}
    </section>
  );
}

function OperationsIcon(props) {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" {...props}>
      <path d="M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01" />
    </svg>
  );
}

export const OPERATIONS_PLUGIN = { title: "Operations", icon: OperationsIcon, content: OperationsPanel };
