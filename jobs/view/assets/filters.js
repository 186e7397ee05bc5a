// The bar above the grid: search by words, text or picture, order, and a chip for every filter that is on.
import { $, count, el, later, toast } from "./core.js";
import { ask, on, state, tried } from "./state.js";

export function setUp() {
  const { info } = state;
  const order = $("#f-by");
  order.append(el("option", { value: "", text: "Order of the files" }));
  for (const name of info.numbers) order.append(el("option", { value: name, text: name.replaceAll("_", " ") }));
  order.addEventListener("change", () => ask({ by: order.value, text: null, like: null, image: null }));
  $("#f-down").addEventListener("click", () => ask({ down: !state.question.down }));
  const typed = later((name, value) => ask({ [name]: value }), 250);
  $("#f-words").addEventListener("input", (event) => typed("words", event.target.value.trim()));
  $("#f-sql").addEventListener("change", (event) => ask({ sql: event.target.value.trim() }));
  $("#filters").addEventListener("submit", (event) => { event.preventDefault(); ask({ sql: $("#f-sql").value.trim() }); });
  const text = $("#f-text"), image = $("#f-image");
  if (!info.has.search) {
    text.disabled = image.disabled = true;
    text.placeholder = "Search needs CLIP embeddings";
    $("#search label").hidden = true;
  }
  $("#search").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ text: text.value.trim(), like: null, image: null });
  });
  text.addEventListener("search", () => { if (!text.value) ask({ text: null }); });
  image.addEventListener("change", () => tried(async () => {
    const [file] = image.files;
    image.value = "";
    if (!file) return;
    const response = await fetch("/api/image", { method: "POST", headers: { "Content-Type": file.type || "image/png" }, body: file });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    ask({ image: body.image, text: null, like: null });
    toast(`Ordered by likeness to ${file.name}`);
  }));
  on("question", draw);
  const counted = ({ total, hours }) => { $("#count").textContent = `${count(total)} clips · ${hours >= 1 ? hours.toFixed(1) : hours.toFixed(3)} h`; };
  on("counted", counted);
  if (state.counted) counted(state.counted);
  draw();
}

function draw() {
  const { question } = state;
  $("#f-by").value = question.by ?? "";
  $("#f-down").setAttribute("aria-pressed", String(Boolean(question.down)));
  $("#f-down").textContent = question.down ? "↓" : "↑";
  $("#f-down").disabled = !question.by;
  for (const [id, name] of [["#f-words", "words"], ["#f-sql", "sql"], ["#f-text", "text"]]) {
    if (document.activeElement !== $(id)) $(id).value = question[name] ?? "";
  }
  const chips = [];
  const chip = (label, change) => chips.push(el("button", { type: "button", class: "chip filter", "aria-label": `Remove the filter ${label}`, onclick: () => ask(change) }, label, el("span", { "aria-hidden": "true", text: "×" })));
  for (const word of question.decision ?? []) chip(word, { decision: question.decision.filter((each) => each !== word) });
  for (const [i, each] of (question.where ?? []).entries()) {
    const value = Array.isArray(each.value) ? each.value.join(" or ") : each.value ?? "";
    chip(`${each.column} ${each.op === "in" ? "is" : each.op} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`, { where: question.where.filter((_, j) => j !== i) });
  }
  if (question.reason) chip(`rejected: ${question.reason}`, { reason: null });
  if (question.source) chip(`source ${question.source}`, { source: null });
  if (question.tag) chip(`tag ${question.tag}`, { tag: null });
  if (question.edited) chip("edited by hand", { edited: null });
  if (question.words) chip(`says “${question.words}”`, { words: null });
  if (question.sql) chip(question.sql, { sql: null });
  if (question.text) chip(`shows “${question.text}”`, { text: null });
  if (question.like) chip("like a clip", { like: null });
  if (question.image) chip("like a picture", { image: null });
  if (chips.length > 1) chips.push(el("button", { type: "button", class: "quiet small", text: "Clear all", onclick: () => ask(Object.fromEntries(Object.keys(question).map((name) => [name, null]))) }));
  $("#chips").replaceChildren(...chips);
  $("#chips").hidden = !chips.length;
}

/** Put bounds on a column; null takes one away. */
export function bound(column, low, high) {
  const rest = (state.question.where ?? []).filter((each) => each.column !== column || !["<=", ">="].includes(each.op));
  if (low !== null) rest.push({ column, op: ">=", value: low });
  if (high !== null) rest.push({ column, op: "<=", value: high });
  ask({ where: rest });
}

/** One of the words of a column, or no more. */
export function word(column, value) {
  const { schema } = state.info;
  if (column === schema.decision) {
    const now = state.question.decision ?? [];
    ask({ decision: now.includes(value) ? now.filter((each) => each !== value) : [...now, value] });
  } else if (column === schema.reasons) {
    ask({ reason: state.question.reason === value ? null : value });
  } else {
    const where = state.question.where ?? [];
    const mine = where.find((each) => each.column === column && each.op === "in");
    const words = mine?.value ?? [];
    const next = words.includes(value) ? words.filter((each) => each !== value) : [...words, value];
    const rest = where.filter((each) => each !== mine);
    ask({ where: next.length ? [...rest, { column, op: "in", value: next }] : rest });
  }
}
