// Monaco asks for its workers by label; each is an entry point of the same build, beside this file.
const FILES = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const file = FILES[label] ?? "editor.worker.js";
    return new Worker(new URL(`./${file}`, import.meta.url), { type: "module", name: label });
  },
};
