import "./workers.js"; // before anything that loads Monaco
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./style.css";
import { createRoot } from "react-dom/client";
import { App } from "./App.jsx";
import { cleanAddress, openingFrom } from "./link.js";
import { loadOperations } from "./server.js";

// Without its operations the explorer is still an explorer: say what is missing and go on.
async function start() {
  let operations = [];
  let failure;
  try {
    operations = await loadOperations();
  } catch (error) {
    failure = { notice: `The operations could not be loaded: ${error.message}.` };
  }
  const opening = failure ?? openingFrom(location, operations);
  cleanAddress();
  createRoot(document.getElementById("explorer")).render(<App operations={operations} opening={opening} />);
}

start();
