/** For staff: sends each operation with the wish to have it explained. */
export function ExplainSwitch({ on, onChange }) {
  return (
    <label className="cs-explain-switch">
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.target.checked)} /> Explain
    </label>
  );
}

/** What ran the operation shown above, and what that ran on the database. */
export function Explain({ explain }) {
  const { ran, plan, milliseconds, statementCount, statements } = explain;
  return (
    <section className="cs-explain" aria-label="Explain">
      <p>Ran: {ran} · {statementCount} {statementCount === 1 ? "statement" : "statements"} · {milliseconds} ms in all</p>
      {plan && <pre>{plan}</pre>}
      <table>
        <thead>
          <tr><th>Statement</th><th>Keys</th><th>Rows</th><th>ms</th></tr>
        </thead>
        <tbody>
          {statements.map(({ sql, keys, rows, milliseconds }, place) => (
            <tr key={place}><td><code>{sql}</code></td><td>{keys}</td><td>{rows}</td><td>{milliseconds}</td></tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
