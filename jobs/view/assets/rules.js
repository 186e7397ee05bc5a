// What if: sliders on the thresholds of the rules; the funnel, the hours and the clips at the edge follow.
import { $, count, el, get, later, post, short, toast } from "./core.js";
import { on, show, state, tried } from "./state.js";

const root = () => $("#tab-rules");
let rules = null, where = {}, before = {}, edge = null, busy = null;

export function setUp() {
  on("shown", () => { if (state.tab === "rules" && !rules) load(); });
}

async function load() {
  const found = await tried(() => get("/api/rules"));
  if (!found) return;
  rules = found.rules;
  before = Object.fromEntries(rules.map(({ reason, text }) => [reason, text]));
  where = { ...before };
  edge = rules.find((rule) => rule.bounds.length) ? { reason: rules.find((rule) => rule.bounds.length).reason, number: 0 } : null;
  root().replaceChildren(
    el("div", { class: "card", id: "rules" }, el("h1", { text: "What if" }), el("p", { class: "soft", text: "Move a threshold. Nothing is written until you apply it." }), el("div", { id: "rule-list" }, rules.map(draw), !rules.length && el("p", { text: "This folder's recipe has no rules. Add one:" })), adder()),
    el("div", { class: "card", id: "outcome", "aria-live": "polite" }),
    el("div", { class: "card", id: "edge" }));
  ask(true);
}

function draw(rule) {
  const text = el("input", { type: "text", class: "mono", value: rule.text, spellcheck: "false", "aria-label": `Rule ${rule.reason}`, onchange: () => retype(rule, text.value, node) });
  const node = el("div", { class: "rule", data: { reason: rule.reason } }, el("h2", { text: rule.reason.replaceAll("_", " ") }), text,
    rule.bounds.map((bound, number) => slider(rule, bound, number, text)));
  return node;
}

function slider(rule, bound, number, text) {
  const said = el("output", { class: "num", text: short(bound.threshold) });
  const steps = 400, curve = 3; // finer near the low end, where most thresholds lie
  const place = (value) => Math.round(steps * Math.cbrt(Math.max(0, (value - bound.low) / (bound.high - bound.low || 1))));
  const value = (at) => bound.low + (bound.high - bound.low) * (at / steps) ** curve;
  const input = el("input", { type: "range", min: 0, max: steps, value: place(bound.threshold), "aria-label": `${bound.column} ${bound.op}`, "aria-valuetext": short(bound.threshold) });
  input.addEventListener("input", () => {
    const now = Number(value(Number(input.value)).toPrecision(3));
    rule.text = replaceNumber(rule.text, bound, now);
    bound.threshold = now;
    text.value = where[rule.reason] = rule.text;
    said.textContent = short(now);
    input.setAttribute("aria-valuetext", short(now));
    edge = { reason: rule.reason, number };
    ask();
  });
  return el("label", { class: "bound" }, el("span", { class: "small", text: `${bound.column.replaceAll("_", " ")} ${bound.op}` }), input, said);
}

/** The text of a rule with the number of one threshold replaced, wherever it stands. */
export function replaceNumber(text, bound, now) {
  const number = "[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?";
  const mirror = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" }[bound.op];
  const same = (found) => Math.abs(Number(found) - bound.threshold) <= 1e-9 * Math.max(1, Math.abs(bound.threshold));
  for (const [pattern, group] of [[`(\\b${bound.column}\\b\\s*${bound.op}\\s*)(${number})`, 2], [`(${number})(\\s*${mirror}\\s*${bound.column}\\b)`, 1]]) {
    let done = false;
    const next = text.replace(new RegExp(pattern, "gi"), (whole, a, b) => {
      if (done || !same(group === 2 ? b : a)) return whole;
      done = true;
      return group === 2 ? a + now : now + b;
    });
    if (done) return next;
  }
  return text.replace(new RegExp(`(\\b${bound.column}\\b.*?)(${number})`, "i"), (whole, a, b) => (same(b) ? a + now : whole));
}

async function retype(rule, text, node) {
  const found = await tried(() => post("/api/rules/bounds", { reason: rule.reason, text }));
  if (!found) return;
  Object.assign(rule, found);
  where[rule.reason] = text;
  node.replaceWith(draw(rule));
  ask();
}

function adder() {
  const reason = el("input", { type: "text", placeholder: "reason, e.g. too_dark", "aria-label": "Reason of a new rule", pattern: "[a-z][a-z0-9_]*" });
  const text = el("input", { type: "text", class: "mono", placeholder: "luma_mean > 0.05", "aria-label": "Condition of a new rule", spellcheck: "false" });
  return el("form", { class: "row adder", onsubmit: async (event) => {
    event.preventDefault();
    const found = await tried(() => post("/api/rules/bounds", { reason: reason.value, text: text.value }));
    if (!found) return;
    rules.push(found);
    where[found.reason] = found.text;
    $("#rule-list").append(draw(found));
    reason.value = text.value = "";
    ask();
  } }, el("div", { class: "grow" }, reason), el("div", { class: "grow" }, text), el("button", { text: "Add rule" }));
}

const exactly = later(() => run(true), 700);
const ask = later(() => { run(false); exactly(); if (edge) nearest(); }, 40);

async function run(exact) {
  if (exact && state.info.clips > 300_000) return;
  busy?.abort();
  busy = new AbortController();
  const found = await tried(() => post("/api/what-if", { where, exact }, busy.signal));
  if (found) outcome(found);
}

function outcome({ funnel, kept, hours, gone, back, exact, toml }) {
  const most = Math.max(1, funnel[0]?.clips ?? 1);
  const same = JSON.stringify(where) === JSON.stringify(before);
  const big = (value, label, mood = "") => el("div", { class: `big ${mood}` }, el("b", { class: "num", text: value }), el("span", { class: "soft small", text: label }));
  const bar = (row) => { const node = el("i", { class: "left" }); node.style.width = `${(100 * row.clips) / most}%`; return el("span", { class: "meter wide", "aria-hidden": "true" }, node); };
  $("#outcome").replaceChildren(
    el("div", { class: "bigs" }, big(count(kept), "clips kept"), big(hours >= 1 ? hours.toFixed(1) : hours.toFixed(3), "hours kept"), big(`−${count(gone)}`, "would go", gone ? "bad" : ""), big(`+${count(back)}`, "would come back", back ? "good" : "")),
    el("div", { class: "scroll" }, el("table", { class: "funnel" }, el("thead", {}, el("tr", {}, ["step", "removes", "only this", "left"].map((name, i) => el("th", { class: i ? "num" : "", scope: "col", text: name })), el("td"))),
      el("tbody", {}, funnel.map((row) => el("tr", {}, el("th", { scope: "row", text: row.step.replaceAll("_", " ") }), ...[row.removes, row.only, row.clips].map((n) => el("td", { class: "num", text: count(n) })), el("td", {}, bar(row))))))),
    el("p", { class: "soft small", text: exact ? "As select would decide it." : "Duplicates and shares as at the last select; counted exactly in a moment." }),
    el("div", { class: "row" }, el("button", { type: "button", class: "primary", disabled: same, text: "Write to recipe and select", onclick: () => apply(toml) }),
      el("button", { type: "button", disabled: same, text: "Copy the TOML", onclick: () => navigator.clipboard?.writeText(toml).then(() => toast("Copied")) }),
      el("button", { type: "button", class: "quiet", disabled: same, text: "Back to the recipe", onclick: () => { rules = null; load(); } })),
    toml ? el("pre", { tabindex: "0", "aria-label": "Lines of the recipe", text: toml }) : "");
}

async function apply() {
  toast("Select runs…");
  const found = await tried(() => post("/api/what-if/apply", { where }));
  if (!found) return;
  toast(`Recipe written; select keeps ${count(found.kept)} clips`);
  setTimeout(() => location.reload(), 900);
}

const nearest = later(async () => {
  const found = await tried(() => post("/api/what-if/edge", { where, ...edge }));
  if (!found) return;
  const row = (title, clips, kept) => el("div", {}, el("h3", {}, title, el("span", { class: kept ? "chip good" : "chip bad", text: kept ? "kept" : "rejected" })),
    el("div", { class: "reel" }, clips.map((clip) => el("button", { type: "button", class: "thumb", "aria-label": `Clip ${clip.id}, ${found.column} ${short(clip.v)}`, onclick: () => show({ clip: clip.id }) }, el("img", { src: `/still/${clip.id}?w=160`, alt: "" }), el("span", { class: "num small", text: short(clip.v) })))), !clips.length && el("p", { class: "soft small", text: "None that the other rules keep." }));
  $("#edge").replaceChildren(el("h2", { text: `At the edge of ${found.column.replaceAll("_", " ")}` }), row("Just above", found.above, found.keeps_above), row("Just below", found.below, !found.keeps_above));
}, 120);
