// Histograms of every score and counts of words. Each is asked for when it comes into sight, and drawn as plain SVG.
import { $, count, el, get, later, short } from "./core.js";
import { bound, word } from "./filters.js";
import { on, q, state } from "./state.js";

const NS = "http://www.w3.org/2000/svg";
const svg = (tag, attrs) => {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  return node;
};
const seen = new Set();
let sight;

export function setUp() {
  const root = $("#facets");
  const { info } = state;
  sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) { seen.add(target); load(target); } else seen.delete(target);
    }
  }, { root: $("#side"), rootMargin: "200px" });
  for (const column of [...info.words, ...info.numbers]) {
    const words = info.words.includes(column);
    const node = el("section", { class: words ? "facet words" : "facet numbers", data: { column } },
      el("h2", {}, column.replaceAll("_", " "), el("span", { class: "soft num note" })),
      el("div", { class: "bars" }));
    root.append(node);
    sight.observe(node);
  }
  const again = later(() => { for (const node of seen) load(node); }, 120);
  on("question", () => { for (const node of root.children) node.dataset.asked = ""; again(); });
  on("edited", () => { for (const node of root.children) if (node.dataset.column === info.schema.decision) { node.dataset.asked = ""; if (seen.has(node)) load(node); } });
}

async function load(node) {
  const mine = q();
  if (node.dataset.asked === mine + state.version) return;
  node.dataset.asked = mine + state.version;
  try {
    const found = await get(`/api/facet/${encodeURIComponent(node.dataset.column)}`, { q: mine });
    if (q() === mine) (found.values ? drawWords : drawNumbers)(node, found);
  } catch { node.dataset.asked = ""; }
}

function drawWords(node, { column, values }) {
  const most = Math.max(1, ...values.map(([, n]) => n));
  const { question, info } = state;
  const chosen = column === info.schema.decision ? question.decision ?? []
    : column === info.schema.reasons ? [question.reason]
      : (question.where ?? []).find((each) => each.column === column && each.op === "in")?.value ?? [];
  node.hidden = values.length === 0;
  $(".bars", node).replaceChildren(...values.map(([value, all, some]) => {
    const meter = el("span", { class: "meter", "aria-hidden": "true" }, el("i"), el("b"));
    meter.children[0].style.width = `${(100 * all) / most}%`;
    meter.children[1].style.width = `${(100 * some) / most}%`;
    return el("button", { type: "button", class: "word", "aria-pressed": String(chosen.includes(value)), onclick: () => word(column, value) },
      el("span", { text: value }), meter, el("span", { class: "num", text: count(some) }));
  }));
}

function drawNumbers(node, found) {
  const { column, low, high, all, some, missing, least, most } = found;
  const total = all.reduce((a, b) => a + b, 0);
  node.classList.toggle("unmeasured", total === 0);
  $(".note", node).textContent = total === 0 ? "not measured" : missing ? `${count(missing)} without` : "";
  if (total === 0) { $(".bars", node).replaceChildren(); return; }
  const tallest = Math.max(...all), width = 240, height = 44, step = width / all.length;
  const tall = (n) => (n ? Math.max(1.5, (height * Math.sqrt(n)) / Math.sqrt(tallest)) : 0);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const bar = (n, i, name) => n && picture.append(svg("rect", { class: name, x: i * step + 0.4, y: height - tall(n), width: step - 0.8, height: tall(n) }));
  all.forEach((n, i) => bar(n, i, "every"));
  some.forEach((n, i) => bar(n, i, "some"));
  const mine = (state.question.where ?? []).filter((each) => each.column === column);
  const from = mine.find((each) => each.op === ">=")?.value ?? null, to = mine.find((each) => each.op === "<=")?.value ?? null;
  const place = (value) => ((value - low) / (high - low)) * width;
  if (from !== null || to !== null) {
    const a = from === null ? 0 : place(from), b = to === null ? width : place(to);
    picture.append(svg("rect", { class: "chosen", x: a, y: 0, width: Math.max(1, b - a), height }));
  }
  const set = later(bound, 200);
  const slider = (label, value, pick) => el("input", { type: "range", min: low, max: high, step: (high - low) / 200, value, "aria-label": `${label} of ${column}`, oninput: (event) => pick(Number(event.target.value)) });
  let a = from, b = to;
  const edge = (high - low) / 200;
  const range = el("div", { class: "range" },
    slider("least", from ?? low, (value) => { a = value <= low + edge ? null : value; set(column, a, b); }),
    slider("most", to ?? high, (value) => { b = value >= high - edge ? null : value; set(column, a, b); }));
  $(".bars", node).replaceChildren(picture, range, el("div", { class: "ends num soft" }, el("span", { text: short(least) }), el("span", { text: short(most) })));
}
