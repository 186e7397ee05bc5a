// Sets the page up: what there is, the parts, and the part that the address names.
import { $, toast } from "./core.js";
import * as detail from "./detail.js";
import * as facets from "./facets.js";
import * as filters from "./filters.js";
import { Grid } from "./grid.js";
import * as history from "./history.js";
import * as keys from "./keys.js";
import * as label from "./label.js";
import * as rules from "./rules.js";
import * as sql from "./sql.js";
import { emit, loadInfo, on, read, show, state } from "./state.js";

async function start() {
  read();
  const grid = new Grid((id) => show({ clip: id }));
  const first = grid.reload(); // the grid does not wait for the rest
  await loadInfo();
  detail.setUp(grid);
  filters.setUp();
  facets.setUp();
  rules.setUp();
  label.setUp();
  sql.setUp();
  history.setUp();
  keys.setUp();
  $("#side-button").addEventListener("click", () => {
    $("#side-button").setAttribute("aria-expanded", String($("#side").classList.toggle("out")));
  });
  on("shown", shown);
  emit("shown");
  await first;
  document.documentElement.dataset.ready = "true";
}

function shown() {
  const known = [...document.querySelectorAll("[data-tab]")];
  if (!known.some((link) => link.dataset.tab === state.tab)) state.tab = "clips";
  for (const link of known) {
    if (link.dataset.tab === state.tab) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    $(`#tab-${link.dataset.tab}`).hidden = link.dataset.tab !== state.tab;
  }
}

start().catch((error) => toast(error.message, { bad: true }));
