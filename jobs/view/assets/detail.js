// One clip, large: player, captions, decision, tags, duplicates side by side, its source, its scores, its history.
import { $, clock, el, get, short } from "./core.js";
import { captions } from "./captions.js";
import { edit, undo } from "./edit.js";
import { Player } from "./player.js";
import { ask, on, show, state, tried } from "./state.js";
import { timeline } from "./timeline.js";

let player = null, clip = null, grid = null;
const dialog = () => $("#detail");

export function setUp(theGrid) {
  grid = theGrid;
  on("shown", () => { if (state.clip) draw(state.clip); else close(); });
  on("edited", ({ id }) => { if (clip?.id === id) refresh(); });
  on("undone", ({ clip: id }) => { if (clip && (!id || clip.id === id)) refresh(); });
  dialog().addEventListener("close", () => { player?.close(); player = clip = null; if (state.clip) show({ clip: null }); grid.go(grid.at, true); });
  dialog().addEventListener("click", (event) => { if (event.target === dialog()) dialog().close(); });
}

export const isOpen = () => dialog().open;
export const current = () => clip;
export const playing = () => player;

function close() { if (dialog().open) dialog().close(); }

async function refresh() {
  const top = $(".about", dialog())?.scrollTop, at = player?.frame;
  await draw(clip.id, true);
  if ($(".about", dialog())) $(".about", dialog()).scrollTop = top;
  if (at) player?.seek(at);
}

async function draw(id, again = false) {
  if (clip?.id === id && !again && dialog().open) return;
  const found = await tried(() => get(`/api/clip/${encodeURIComponent(id)}`));
  if (!found) { show({ clip: null }); return; }
  clip = found;
  const keep = again && player?.clip.id === id;
  if (!keep) { player?.close(); player = new Player(clip); }
  const head = el("header", { class: "head" },
    el("button", { type: "button", class: "quiet", "aria-label": "Previous clip", title: "Previous clip (j)", text: "←", onclick: () => turn(-1) }),
    el("button", { type: "button", class: "quiet", "aria-label": "Next clip", title: "Next clip (l)", text: "→", onclick: () => turn(1) }),
    el("h1", { class: "mono", text: clip.id }),
    el("span", { class: "soft num", text: `${clip.w}×${clip.h} · ${short(clip.fps)} fps · ${clock(clip.s, 2)}` }),
    el("button", { type: "button", class: "quiet close", "aria-label": "Close", title: "Close (Esc)", text: "✕", onclick: () => dialog().close() }));
  const left = el("div", { class: "look" }, player.node, decide(), alike());
  const right = el("div", { class: "about" }, captions(clip), timeline(clip, (other) => show({ clip: other })), scores(), past());
  $("#inside").replaceChildren(head, el("div", { class: "body" }, left, right));
  if (!dialog().open) dialog().showModal();
  dialog().focus(); // not its first button, which the space bar would press
  if (!keep) player.video.play().catch(() => {});
}

export async function turn(step) {
  const next = await grid.next(step);
  if (next) show({ clip: next });
}

export function decision(word) {
  const now = clip.by_hand.decision;
  const next = now === word ? null : word;
  return edit(clip.id, "decision", { decision: next }, { said: next ? `Decided: ${next}` : "Left to the rules again" });
}

function decide() {
  const now = clip.by_hand.decision;
  const button = (word, key, name) => el("button", { type: "button", class: `decide ${word}`, "aria-pressed": String(now === word), title: `${name} by hand (${key})`, text: name, onclick: () => decision(word) });
  const rules = clip.d ? `The rules: ${clip.d}${clip.reasons.length ? ` (${clip.reasons.join(", ")})` : ""}` : "Not decided by rules yet";
  const tag = el("input", { type: "text", id: "new-tag", placeholder: "Add a tag", "aria-label": "Add a tag", maxlength: 60, list: "known-tags" });
  return el("section", { class: "hand-box" },
    el("div", { class: "row" }, button("keep", "k", "Keep"), button("reject", "x", "Reject"), el("span", { class: "soft small grow", text: rules }),
      state.info.has.alike && el("button", { type: "button", class: "quiet small", text: "More like this", onclick: () => { ask({ like: clip.id, text: null, image: null }); dialog().close(); } })),
    el("form", { class: "row tags", onsubmit: (event) => { event.preventDefault(); if (tag.value.trim()) edit(clip.id, "tag", { tag: tag.value.trim() }, { said: `Tagged ${tag.value.trim()}` }); } },
      clip.by_hand.tags.map((name) => el("span", { class: "chip" }, el("button", { type: "button", class: "bare", text: name, title: "All clips with this tag", onclick: () => { ask({ tag: name }); dialog().close(); } }), el("button", { type: "button", class: "bare", "aria-label": `Remove the tag ${name}`, text: "×", onclick: () => edit(clip.id, "untag", { tag: name }, { said: `Tag ${name} removed` }) }))),
      tag));
}

function alike() {
  if (!clip.alike.length) return null;
  const films = clip.alike.map((each) => el("video", { src: `/video/${each.id}`, preload: "metadata", loop: true, playsinline: true, tabindex: "-1", "aria-label": each.keeper ? "kept" : "duplicate" }));
  for (const film of films) film.muted = true;
  const all = el("button", { type: "button", class: "quiet small", text: "Play all together", onclick: () => { for (const film of films) { film.currentTime = 0; film.play().catch(() => {}); } } });
  return el("section", { class: "alike" }, el("div", { class: "row" }, el("h2", { class: "grow", text: `Near duplicates: ${clip.alike.length}` }), all),
    el("div", { class: "side-by-side" }, clip.alike.map((each, i) => el("figure", { "aria-current": each.id === clip.id ? "true" : null }, films[i],
      el("figcaption", {}, el("button", { type: "button", class: "bare mono small", text: each.id.slice(0, 8), onclick: () => show({ clip: each.id }) }), el("span", { class: each.keeper ? "chip good" : "chip", text: each.keeper ? "kept instead" : each.d }))))));
}

function scores() {
  return el("details", { class: "scores" }, el("summary", {}, el("h2", { text: "Scores" })),
    el("table", {}, el("tbody", {}, clip.scores.map(([name, value]) => el("tr", {}, el("th", { scope: "row", text: name.replaceAll("_", " ") }), el("td", { class: "num", text: Array.isArray(value) ? value.join(", ") : short(value) }))))),
    el("p", { class: "soft small mono", text: clip.shard }));
}

export function says({ action, value, why }) {
  const what = {
    decision: () => (value.decision ? `decided ${value.decision}` : "left it to the rules"),
    caption: () => (value.text ? `${value.kind} caption: “${value.text}”` : `took the ${value.kind} correction back`),
    tag: () => `tagged ${value.tag}`, untag: () => `removed the tag ${value.tag}`,
    cut: () => `moved the start by ${value.start ?? 0} and the end by ${value.end ?? 0} frames`,
    verdict: () => `found the ${value.kind} caption ${value.right ? "true" : "wrong"}`,
    undo: () => "took an edit back",
  }[action]();
  return why ? `${what} (${why})` : what;
}

export function line(each, withClip = false) {
  return el("li", { class: each.undone ? "undone" : "" }, el("span", { class: "soft small num", text: `${each.when.slice(0, 16).replace("T", " ")} · ${each.who}` }), el("span", { class: "grow", text: says(each) }),
    withClip && each.clip && el("button", { type: "button", class: "bare mono small", text: each.clip.slice(0, 8), onclick: () => show({ clip: each.clip }) }),
    !each.undone && el("button", { type: "button", class: "quiet small", text: each.action === "undo" ? "Redo" : "Undo", onclick: () => undo(each.id, each.clip) }));
}

function past() {
  if (!clip.history.length) return null;
  return el("section", { class: "past" }, el("h2", { text: "By hand" }), el("ul", { class: "edits" }, clip.history.map((each) => line(each)).reverse()));
}
