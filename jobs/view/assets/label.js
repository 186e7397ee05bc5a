// Judge captions: the worst grounded first, or drawn at random for an estimate of the share of wrong ones.
import { $, count, el, get, post } from "./core.js";
import { undoable } from "./edit.js";
import { Player } from "./player.js";
import { me, on, show, state, tried } from "./state.js";

const root = () => $("#tab-label");
let queue = [], which = "audit", kind = null, player = null, drawn = false;

export function setUp() {
  on("shown", () => {
    if (state.tab === "label" && !drawn) start();
    if (state.tab !== "label") player?.video.pause();
  });
  on("undone", () => { if (state.tab === "label") refill(); });
}

async function start() {
  drawn = true;
  kind = state.info.kinds.includes("dense") ? "dense" : state.info.kinds[0];
  if (!kind) { root().replaceChildren(el("p", { class: "card", text: "There are no captions to judge yet." })); return; }
  const choose = (label, values, now, pick) => el("label", {}, el("span", { class: "label", text: label }), el("select", { onchange: (event) => { pick(event.target.value); refill(); } }, values.map(([value, text]) => el("option", { value, text, selected: value === now }))));
  root().replaceChildren(
    el("div", { class: "row" }, el("h1", { class: "grow", text: "Judge captions" }),
      choose("Queue", [["audit", "Random audit"], ["worst", "Worst grounded first"]], which, (value) => { which = value; }),
      choose("Kind", state.info.kinds.map((each) => [each, each]), kind, (value) => { kind = value; })),
    el("div", { class: "card", id: "estimate", role: "status" }), el("div", { class: "card judge", id: "judge" }));
  refill();
}

async function refill() {
  queue = [];
  const found = await tried(() => get("/api/label/queue", { queue: which, kind }));
  queue = found?.captions ?? [];
  estimate();
  draw();
}

async function estimate() {
  const found = await tried(() => get("/api/label/estimate", { kind }));
  if (!found) return;
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const scale = el("div", { class: "interval", "aria-hidden": "true" }, el("i"), el("b"));
  scale.children[0].style.left = `${100 * found.low}%`;
  scale.children[0].style.width = `${100 * (found.high - found.low)}%`;
  scale.children[1].style.left = `${(100 * found.wrong) / Math.max(1, found.judged)}%`;
  scale.children[1].hidden = !found.judged;
  $("#estimate").replaceChildren(
    el("p", {}, found.judged ? el("b", { class: "num", text: `${percent(found.wrong / found.judged)} of ${found.kind} captions are wrong` }) : el("b", { text: "Nothing audited yet" }),
      el("span", { class: "soft num", text: found.judged ? ` · 95 % interval ${percent(found.low)} to ${percent(found.high)} · ${found.wrong} of ${found.judged} judged, ${count(found.total)} captions` : ` · ${count(found.total)} ${found.kind} captions` })), scale);
}

function draw() {
  player?.close();
  const [now] = queue;
  if (!now) { $("#judge").replaceChildren(el("p", { text: "Nothing left in this queue." })); return; }
  player = new Player(now);
  $("#judge").replaceChildren(player.node, el("div", { class: "said" },
    el("p", { class: "words large", lang: "en", text: now.text }),
    now.by_hand && el("p", { class: "small" }, el("b", { text: "Corrected since; judge the words above, which the model wrote. " }), now.by_hand),
    now.worst && el("p", { class: "small" }, "Least supported: ", el("mark", { class: "bad", text: now.worst }), el("span", { class: "soft num", text: ` ${now.score?.toFixed(2)}` })),
    (now.checks ?? []).map((each) => el("span", { class: "chip fair", text: each })),
    el("div", { class: "row" },
      el("button", { type: "button", class: "decide keep", id: "right", title: "Right (y)", text: "Right", onclick: () => verdict(true) }),
      el("button", { type: "button", class: "decide reject", id: "wrong", title: "Wrong (n)", text: "Wrong", onclick: () => verdict(false) }),
      el("button", { type: "button", class: "quiet", title: "Skip (s)", text: "Skip", onclick: skip }),
      el("button", { type: "button", class: "quiet", title: "Open and correct (e)", text: "Open", onclick: () => show({ clip: now.id }) }))));
  player.video.play().catch(() => {});
}

export function skip() { queue.shift(); if (queue.length) draw(); else refill(); }

export async function verdict(right) {
  const [now] = queue;
  if (!now) return;
  const made = await tried(() => post("/api/edit", { clip: now.id, action: "verdict", value: { kind, right, queue: which }, who: me() }));
  if (!made) return;
  state.version = made.version;
  undoable.push({ id: made.id, clip: now.id });
  queue.shift();
  if (queue.length) { draw(); estimate(); } else refill();
}

export const judging = () => state.tab === "label" && queue.length > 0;
export const film = () => player;
export const now = () => queue[0];
