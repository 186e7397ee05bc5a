// The status page: asks again every few seconds, and redraws what changed.
import { $, count, el, get, short, toast } from "/assets/core.js";

const TONES = { done: "good", stale: "fair", incomplete: "fair", locked: "fair", missing: "" };
let before = "";

function time(seconds) {
  const s = Math.round(seconds);
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

function stage(line, progress) {
  const told = [];
  if (progress?.running) {
    told.push(`${count(progress.done)}${progress.total === null ? "" : ` of ${count(progress.total)}`} ${progress.unit}`);
    if (progress.per_s) told.push(`${short(progress.per_s)} a second`);
    if (progress.left_s !== null) told.push(`${time(progress.left_s)} left`);
    told.push(...progress.inside.slice(0, 8));
  } else if (line.note) told.push(line.note);
  const running = progress?.running || line.state === "locked";
  return el("div", { class: "stage" },
    el("strong", { text: line.stage }), el("span", { class: `chip ${running ? "fair" : TONES[line.state]}`, text: running ? "running" : line.state }),
    el("p", {}, told.join(", "), line.command ? el("code", { text: `${told.length ? "  " : ""}${line.command}` }) : null),
    progress?.running && progress.total ? el("progress", { max: progress.total, value: progress.done, "aria-label": `${line.stage}, progress` }) : null);
}

const SVG = "http://www.w3.org/2000/svg";

function curve(name, points) {
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "polyline");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name} from ${short(ys[0])} to ${short(ys.at(-1))}`);
  line.setAttribute("points", points.map(([x, y]) => `${(4 + 92 * (x - x0) / (x1 - x0 || 1)).toFixed(2)},${(94 - 88 * (y - y0) / (y1 - y0 || 1)).toFixed(2)}`).join(" "));
  svg.append(line);
  return el("figure", { class: "curve" }, el("figcaption", {}, el("span", { text: name.replaceAll("_", " ") }), el("span", { text: `${short(y0)} … ${short(y1)}, now ${short(ys.at(-1))}` })), svg,
    el("figcaption", {}, el("span", { text: `step ${count(x0)}` }), el("span", { text: count(x1) })));
}

function training(one, number) {
  const told = [`step ${count(one.step)}${one.steps ? ` of ${count(one.steps)}` : ""}`];
  if (one.steps_per_s) told.push(`${short(one.steps_per_s)} steps a second`);
  if (one.left_s !== null) told.push(`${time(one.left_s)} left`);
  return el("section", { class: "card" },
    el("h2", {}, `${one.command} `, el("span", { class: "soft", text: one.folder.split("/").at(-1) }), " ", el("span", { class: `chip ${one.running ? "fair" : ""}`, text: one.running ? "running" : "stopped or done" })),
    el("p", { class: "soft", text: told.join(", ") }),
    one.share !== null ? el("progress", { max: 1, value: one.share, "aria-label": `${one.command}, progress` }) : null,
    el("div", { class: "curves" }, Object.entries(one.curves).filter(([, points]) => points.length > 1).map(([name, points]) => curve(name, points))),
    el("div", { class: "sheets" }, one.samples.map((name) => el("figure", {}, el("img", { src: `/api/status/sample/${number}/${name}`, alt: `Samples, ${name}`, loading: "lazy" }), el("figcaption", { text: name })))));
}

async function refresh() {
  try {
    const now = await get("/api/status"), text = JSON.stringify(now);
    if (text !== before) {
      before = text;
      const progress = Object.fromEntries(now.progress_of ?? []);
      $("#stages").replaceChildren(...now.stages.map((line) => stage(line, progress[line.stage])));
      $("#next").textContent = now.next ? `next: ${now.next}` : "nothing is left to do, or something is running";
      $("#failed").hidden = !now.failures.length;
      $("#failures").replaceChildren(...now.failures.map(([what, kind, n]) => el("tr", {}, el("td", { text: what }), el("td", { text: kind }), el("td", { class: "num", text: count(n) }))));
      $("#trainings").replaceChildren(...now.trainings.map(training));
    }
  } catch (error) {
    if (before !== "lost") toast(`the server does not answer: ${error.message}`, { bad: true });
    before = "lost";
  }
  setTimeout(refresh, document.hidden ? 10000 : 2500);
}

refresh();
