// The journal: who did what, when and why; what needs a look; and your own name in it.
import { $, count, el, get } from "./core.js";
import { line } from "./detail.js";
import { ask, me, on, show, state, tried } from "./state.js";

export function setUp() {
  const draw = () => { if (state.tab === "edits") load(); };
  on("shown", draw);
  on("edited", draw);
  on("undone", draw);
}

async function load() {
  const found = await tried(() => get("/api/edits"));
  if (!found) return;
  const name = el("input", { type: "text", value: me(), maxlength: 100, "aria-label": "Your name", onchange: () => localStorage.setItem("who", name.value.trim()) });
  $("#tab-edits").replaceChildren(
    el("div", { class: "row" }, el("h1", { class: "grow", text: "Edits" }), el("label", {}, el("span", { class: "label", text: "Your name in the journal" }), name)),
    el("div", { class: "card" },
      el("p", { class: "soft", text: `${count(found.total)} edits in the journal. select, pack and train-captioner --captions edits read it.` }),
      found.disputed.length > 0 && el("p", {}, el("span", { class: "chip fair", text: "two opinions" }), ` ${found.disputed.length} clips: `, found.disputed.slice(0, 20).map((id) => el("button", { type: "button", class: "bare mono small", text: id.slice(0, 8), onclick: () => show({ clip: id }) }))),
      found.waiting > 0 && el("p", {}, el("span", { class: "chip fair", text: "waiting" }), ` ${found.waiting} edits are of clips that are not here now.`),
      found.damage.map((each) => el("p", { class: "error small", text: each })),
      el("div", { class: "row" }, el("button", { type: "button", text: "Show edited clips", onclick: () => { ask({ edited: true }); show({ tab: "clips" }); } }), found.tags.map((tag) => el("button", { type: "button", class: "chip", text: tag, onclick: () => { ask({ tag }); show({ tab: "clips" }); } })))),
    el("div", { class: "card" }, found.edits.length ? el("ul", { class: "edits" }, found.edits.map((each) => line(each, true))) : el("p", { class: "soft", text: "No edits yet. Open a clip and keep it, reject it, tag it or correct its caption." })));
}
