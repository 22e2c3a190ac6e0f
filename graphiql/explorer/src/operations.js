import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { parse } from "graphql";
import { createContext } from "react";

/** The operations the server offers, in its order. */
export const Operations = createContext([]);

export function asText(variables) {
  return Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
}

/** Whether running it changes data: then its variables should be seen before, and one click must not be enough. */
export function changesData({ query }) {
  return parse(query).definitions.some((definition) => definition.operation === "mutation");
}

export function byTopic(operations) {
  const topics = new Map();
  for (const operation of operations) {
    topics.set(operation.topic, [...(topics.get(operation.topic) ?? []), operation]);
  }
  return [...topics];
}

/** Every word must be somewhere in the title, description, name or topic. */
export function matching(operations, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return operations.filter(({ title, description, name, topic }) => {
    const text = `${title} ${description} ${name} ${topic}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** `open(operation)` shows it in a tab of its own, or in the tab that already holds exactly it; `run` then runs it. */
export function useOperationTabs() {
  const { addTab, changeTab, setOperationName, run } = useGraphiQLActions();
  const [tabs, queryEditor, variableEditor] = useGraphiQL((s) => [s.tabs, s.queryEditor, s.variableEditor]);

  function open({ name, query, variables }) {
    const text = asText(variables);
    const index = tabs.findIndex((tab) => tab.query === query && (tab.variables ?? "") === text);
    if (index >= 0) {
      changeTab(index);
    } else {
      addTab();
      queryEditor.setValue(query);
      variableEditor.setValue(text);
    }
    // GraphiQL reads the name from the text only after a pause; a run before that would ask for the former tab's.
    setOperationName(name);
  }

  return {
    ready: Boolean(queryEditor && variableEditor),
    open,
    run(operation) {
      open(operation);
      run();
    },
  };
}
