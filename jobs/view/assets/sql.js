// A SQL box: one SELECT over the tables, read only, within limits; ids in the answer open their clips.
import { $, el, post } from "./core.js";
import { ask, on, show, state, tried } from "./state.js";

let drawn = false;

export function setUp() { on("shown", () => { if (state.tab === "sql" && !drawn) draw(); }); }

function draw() {
  drawn = true;
  const { columns } = state.info;
  const examples = [
    ["Kept hours by camera", "select camera, count(*) as clips, sum(end_s - start_s) / 3600 as hours\nfrom clips where decision = 'keep' group by all order by hours desc"],
    ["Why clips go", "select unnest(reasons) as reason, count(*) as clips from clips group by all order by clips desc"],
    ["The blurriest", "select clip_id, blur, motion_mean from clips where blur is not null order by blur limit 50"],
    ["Summary of every column", "summarize clips"],
  ].filter(([, text]) => !/camera|blur/.test(text) || (columns.camera && columns.blur));
  const box = el("textarea", { class: "mono", rows: 6, spellcheck: "false", "aria-label": "SQL" });
  box.value = examples[0]?.[1] ?? "select * from clips limit 20";
  const out = el("div", { class: "card scroll", id: "sql-answer", role: "region", "aria-label": "Answer", tabindex: "0", hidden: true });
  const run = () => tried(async () => {
    out.hidden = false;
    out.replaceChildren(el("p", { class: "soft", text: "Running…" }));
    try { answer(out, await post("/api/sql", { sql: box.value })); } catch (error) { out.replaceChildren(el("p", { class: "error mono", text: error.message })); }
  });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); } });
  $("#tab-sql").replaceChildren(el("div", { class: "card" }, el("h1", { text: "SQL" }),
    el("p", { class: "soft" }, "Tables: ", el("code", { text: "clips" }), ", ", el("code", { text: "captions" }), ", ", el("code", { text: "truth" }), ", ", el("code", { text: "sources" }), ", ", el("code", { text: "dropped" }), ", as far as they are here. One SELECT, read only, 10 seconds, 1,000 rows."),
    box, el("div", { class: "row" }, el("button", { type: "button", class: "primary", id: "sql-run", text: "Run", title: "Run (Ctrl+Enter)", onclick: run }),
      el("select", { "aria-label": "Examples", onchange: (event) => { if (event.target.value) box.value = event.target.value; } }, el("option", { value: "", text: "Examples" }), examples.map(([text, value]) => el("option", { value, text }))))), out);
}

function answer(out, { columns, rows, more }) {
  const id = columns.indexOf("clip_id");
  const cell = (value, i) => (i === id ? el("td", {}, el("button", { type: "button", class: "bare mono small", text: value, onclick: () => show({ clip: value }) })) : el("td", { class: typeof value === "number" ? "num" : "", text: value === null ? "–" : Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value) }));
  out.replaceChildren(el("p", { class: "row soft small" }, `${rows.length}${more ? "+" : ""} rows`,
    id >= 0 && rows.length > 0 && rows.length <= 1000 && el("button", { type: "button", class: "quiet small", text: "Show these clips", onclick: () => { ask({ where: [{ column: "clip_id", op: "in", value: rows.map((row) => row[id]) }] }); show({ tab: "clips" }); } })),
    el("table", {}, el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col", text: name })))), el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell))))));
}
