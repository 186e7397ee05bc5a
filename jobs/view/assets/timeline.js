// The source of a clip: its clips and what was dropped between them, and the frames on both sides of each cut.
import { clock, el, get } from "./core.js";
import { edit } from "./edit.js";

export function timeline(clip, open) {
  const root = el("section", { class: "timeline" }, el("h2", { text: "Source" }), el("p", { class: "soft small path", text: clip.source.uri ?? clip.source.id }));
  get(`/api/source/${encodeURIComponent(clip.source.id)}`).then((source) => draw(root, clip, source, open), () => {});
  return root;
}

function draw(root, clip, source, open) {
  const length = Math.max(source.length, 0.001);
  const strip = el("div", { class: "strip", role: "group", "aria-label": `Clips of this source, ${clock(length)}` });
  const put = (node, start, end) => { node.style.left = `${(100 * start) / length}%`; node.style.width = `max(2px, calc(${(100 * (end - start)) / length}% - 1px))`; strip.append(node); };
  for (const gap of source.dropped) put(el("span", { class: "gap", title: `${gap.why}, ${clock(gap.start)} to ${clock(gap.end_)}` }), gap.start, gap.end_);
  for (const each of source.clips) {
    const mine = each.id === clip.id;
    put(el("button", { type: "button", class: `block ${each.d}`, "aria-current": mine ? "true" : null, "aria-label": `Clip at ${clock(each.start)}, ${each.d || "undecided"}`, title: `${clock(each.start, 2)} to ${clock(each.end, 2)}`, onclick: () => open(each.id) }), each.start, each.end);
  }
  root.append(strip, el("div", { class: "ends num soft small" }, el("span", { text: "0:00" }), el("span", { text: `${source.clips.length} clips` }), el("span", { text: clock(length) })));
  const at = source.clips.findIndex((each) => each.id === clip.id);
  root.append(cuts(clip, source.clips[at - 1], source.clips[at + 1], source.clips[at]));
}

function cuts(clip, before, after, mine) {
  const frame = (each, number, label) => el("figure", { class: each ? "" : "nothing" }, each && el("img", { src: `/still/${each.id}?w=320&f=${number}`, alt: label, loading: "lazy" }), el("figcaption", { class: "small soft", text: label }));
  const moved = [...clip.by_hand.cut];
  const mover = (which, label) => {
    const said = el("output", { class: "num", text: signed(moved[which]) });
    const move = (by) => { moved[which] += by; said.textContent = signed(moved[which]); save.hidden = String(moved) === String(clip.by_hand.cut); };
    return el("div", { class: "mover row" }, el("span", { class: "label", text: label }),
      el("button", { type: "button", class: "quiet small", "aria-label": `${label} one frame earlier`, text: "−", onclick: () => move(-1) }), said,
      el("button", { type: "button", class: "quiet small", "aria-label": `${label} one frame later`, text: "+", onclick: () => move(1) }));
  };
  const save = el("button", { type: "button", class: "primary small", hidden: true, text: "Move the cut", onclick: () => edit(clip.id, "cut", { start: moved[0], end: moved[1] }, { said: "Cut moved: the next ingest or curate makes it" }) });
  const kind = (name) => mine?.cut?.[name];
  return el("div", { class: "cuts" },
    el("div", {}, el("h3", { text: `In: ${kind("transition_in") ?? "cut"}` }), el("div", { class: "pair" }, frame(before, (before?.n ?? 1) - 1, "last of the clip before"), frame(clip, 0, "first frame")), mover(0, "Start")),
    el("div", {}, el("h3", { text: `Out: ${kind("transition_out") ?? "cut"}` }), el("div", { class: "pair" }, frame(clip, clip.n - 1, "last frame"), frame(after, 0, "first of the next clip")), mover(1, "End")),
    save);
}

const signed = (n) => (n === 0 ? "as cut" : `${n > 0 ? "+" : "−"}${Math.abs(n)} ${Math.abs(n) === 1 ? "frame" : "frames"}`);
