// Everything by keyboard, and a page that says how.
import { $, el } from "./core.js";
import { current, decision, isOpen, playing, turn } from "./detail.js";
import { undoLast } from "./edit.js";
import { film, judging, now, skip, verdict } from "./label.js";
import { show, state } from "./state.js";

const HELP = [
  ["Anywhere", [["?", "this page"], ["/", "search"], ["f", "words in a caption"], ["1 … 5", "pages"], ["u", "undo your last edit"], ["d", "light or dark"]]],
  ["Grid", [["← ↑ → ↓", "move"], ["Enter", "open the clip"], ["PgUp PgDn Home End", "move far"]]],
  ["Clip", [["Space", "play or pause"], [", .", "a frame back or on"], ["j l", "previous or next clip"], ["k", "keep"], ["x", "reject"], ["t", "tag"], ["e", "correct the caption"], ["c", "check captions against the frames"], ["m", "sound"], ["Esc", "close"]]],
  ["Judge", [["y n", "right or wrong"], ["s", "skip"], ["e", "open"]]],
];

export function help() {
  const dialog = $("#help");
  dialog.replaceChildren(el("div", { class: "row" }, el("h1", { id: "help-title", class: "grow", text: "Keyboard" }), el("button", { type: "button", class: "quiet", "aria-label": "Close", text: "✕", onclick: () => dialog.close() })),
    el("div", { class: "keys" }, HELP.map(([title, keys]) => el("section", {}, el("h2", { text: title }), el("dl", {}, keys.map(([key, what]) => [el("dt", {}, key.split(" ").map((one) => (one === "…" ? " … " : el("kbd", { text: one })))), el("dd", { text: what })]))))));
  if (!dialog.open) dialog.showModal();
}

export function setUp() {
  $("#help-button").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input:not([type=range], [type=checkbox]), textarea, select");
    if (typing) { if (event.key === "Escape" && !isOpen()) event.target.blur(); return; }
    const run = (isOpen() ? clipKeys : judging() ? { ...judgeKeys, ...pageKeys } : pageKeys)[event.key] ?? anywhere[event.key];
    if (!run || $("#help").open) return;
    if (event.key === " " && event.target.closest?.("button, a, summary")) return;
    event.preventDefault();
    run();
  });
}

const anywhere = { "?": help, u: undoLast, d: () => dispatchEvent(new Event("flip-theme")) };
const tabs = () => [...document.querySelectorAll("[data-tab]")].map((link) => link.dataset.tab);
const pageKeys = {
  "/": () => { show({ tab: "clips" }); $("#f-text").disabled ? $("#f-words").focus() : $("#f-text").focus(); },
  f: () => { show({ tab: "clips" }); $("#side").classList.add("out"); $("#f-words").focus(); },
  ...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [String(n), () => tabs()[n - 1] && show({ tab: tabs()[n - 1] })])),
};
const judgeKeys = { y: () => verdict(true), n: () => verdict(false), s: skip, e: () => show({ clip: now().id }), " ": () => film()?.play(), ",": () => film()?.step(-1), ".": () => film()?.step(1) };
const clipKeys = {
  " ": () => playing()?.play(), ",": () => playing()?.step(-1), ".": () => playing()?.step(1), m: () => playing()?.sound.click(),
  j: () => turn(-1), l: () => turn(1), k: () => current() && decision("keep"), x: () => current() && decision("reject"),
  t: () => $("#new-tag")?.focus(), e: () => ($(".caption[data-kind=dense] .edit") ?? $(".caption .edit"))?.click(),
  c: () => { for (const button of document.querySelectorAll("#detail .check")) button.click(); },
};
