// Captions of all kinds beside the clip, each assertion coloured by how the frames support it, and corrected in place.
import { el, get } from "./core.js";
import { edit } from "./edit.js";
import { state, tried } from "./state.js";

const GOOD = 1, FAIR = 0; // deviations above what other clips would get (captioner/truth/grounding.py)

export function captions(clip) {
  const kinds = new Map(clip.captions.map((each) => [each.kind, each]));
  const missing = state.info.caption_kinds.filter((kind) => !kinds.has(kind) && kind !== "structured" && kind !== "facts" && kind !== "original");
  return el("section", { class: "captions" }, el("h2", { text: "Captions" }),
    clip.captions.map((each) => one(clip, each)),
    missing.map((kind) => el("button", { type: "button", class: "quiet small", text: `Write a ${kind} caption`, onclick: (event) => event.target.replaceWith(writer(clip, { kind, text: "" })) })));
}

function one(clip, caption) {
  const { kind, outcome, checks = [], truth } = caption;
  const text = caption.by_hand ?? caption.text;
  const words = el("p", { class: "words", lang: "en", text: text || "no caption" });
  const marks = [
    outcome && outcome !== "ok" && el("span", { class: "chip bad", text: outcome }),
    caption.by_hand && el("span", { class: "chip", text: "by hand" }),
    ...[...checks, ...(truth?.checks ?? [])].map((each) => el("span", { class: "chip fair", text: each })),
    truth?.min !== null && truth?.min !== undefined && el("span", { class: `chip ${graded(truth.min)}`, title: `Worst assertion: ${truth.worst ?? ""}`, text: `worst ${truth.min.toFixed(1)}` }),
  ];
  const box = el("article", { class: "caption", data: { kind } },
    el("header", {}, el("h3", { text: kind }), marks),
    words,
    el("footer", { class: "row" },
      el("button", { type: "button", class: "quiet small edit", text: "Correct", title: "Correct the caption (e)", onclick: () => box.replaceWith(writer(clip, caption)) }),
      caption.by_hand && el("button", { type: "button", class: "quiet small", text: "Take back", onclick: () => edit(clip.id, "caption", { kind, text: null }, { said: "The model's caption is back" }) }),
      state.info.has.search && text && kind !== "facts" && el("button", { type: "button", class: "quiet small check", text: "Check against the frames", onclick: (event) => colour(clip, kind, words, event.target) }),
      caption.model && el("span", { class: "soft small", text: caption.model })));
  if (caption.by_hand && caption.text) box.append(el("details", { class: "soft small" }, el("summary", { text: "What the model said" }), el("p", { text: caption.text })));
  if (truth?.worst && text) mark(words, text, [[truth.worst, truth.min]]);
  return box;
}

const graded = (score) => (score >= GOOD ? "good" : score >= FAIR ? "fair" : "bad");

async function colour(clip, kind, words, button) {
  button.disabled = true;
  button.textContent = "Looking…";
  const found = await tried(() => get(`/api/clip/${clip.id}/support`, { kind }));
  button.remove();
  if (!found) return;
  mark(words, found.text, found.assertions, found.calibrated);
  const legend = found.calibrated && ["good", "fair", "bad"].map((name) => el("span", { class: `chip ${name}`, text: { good: "supported", fair: "weak", bad: "not seen" }[name] }));
  words.after(el("p", { class: "legend small" }, legend, el("span", { class: "soft", text: found.calibrated ? "against other clips of this set" : "cosines only, without colours: there are too few clips to compare with" })));
}

/** Colour the parts of a text that are assertions; those that were reworded follow as a list. */
function mark(words, text, assertions, calibrated = true) {
  const level = (score) => (calibrated ? graded(score) : "plain");
  const spans = [], reworded = [];
  for (const [assertion, score] of assertions) {
    let part = assertion, at = text.indexOf(part);
    if (at < 0) { // a clause was given the subject of its sentence
      for (const tail of assertion.split(" ").map((_, i, all) => all.slice(i).join(" "))) {
        if (tail.length > 8 && (at = text.indexOf(tail)) >= 0) { part = tail; break; }
      }
    }
    if (at < 0) reworded.push([assertion, score]); else spans.push([at, at + part.length, score]);
  }
  spans.sort((a, b) => a[0] - b[0]);
  const nodes = [];
  let end = 0;
  for (const [from, to, score] of spans) {
    if (from < end) continue;
    nodes.push(text.slice(end, from), el("mark", { class: level(score), title: `support ${score.toFixed(2)}`, text: text.slice(from, to) }));
    end = to;
  }
  words.replaceChildren(...nodes, text.slice(end));
  for (const [assertion, score] of reworded) words.append(" ", el("mark", { class: level(score), title: `support ${score.toFixed(2)}`, text: `(${assertion})` }));
}

function writer(clip, caption) {
  const { kind } = caption;
  const area = el("textarea", { rows: 5, "aria-label": `Text of the ${kind} caption` });
  area.value = caption.by_hand ?? caption.text ?? "";
  const why = el("input", { type: "text", placeholder: "Why (optional)", "aria-label": "Why" });
  const send = async () => {
    if (area.value.trim()) await edit(clip.id, "caption", { kind, text: area.value.trim() }, { why: why.value.trim(), said: "Caption corrected" });
  };
  const form = el("form", { class: "caption writer", data: { kind }, onsubmit: (event) => { event.preventDefault(); send(); } },
    el("h3", { text: kind }), area, why,
    el("div", { class: "row" }, el("button", { class: "primary", text: "Save", title: "Save (Ctrl+Enter)" }),
      el("button", { type: "button", text: "Cancel", onclick: () => form.replaceWith(one(clip, caption)) })));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
    if (event.key === "Escape") { event.stopPropagation(); event.preventDefault(); form.replaceWith(one(clip, caption)); }
  });
  setTimeout(() => area.focus());
  return form;
}
