// The page of a server: forms made from the verbs' fields, the queue with progress, the gallery.
import { $, el, get, post, toast } from "/assets/core.js";

const state = { verbs: [], verb: null, values: {}, works: new Map(), active: new Set(), oldest: null };

// -- the form

function choose(name, values = {}) {
  state.verb = state.verbs.find((verb) => verb.name === name) ?? state.verbs[0];
  Object.assign(state.values, values);
  for (const button of $("#verbs").children) button.setAttribute("aria-pressed", String(button.dataset.verb === state.verb.name));
  $("#about").textContent = state.verb.about;
  const main = [], more = [];
  for (const field of state.verb.fields) (field.group === "sampler" ? more : main).push(control(field));
  $("#fields").replaceChildren(...main);
  $("#sampler").replaceChildren(...more);
}

function control(field) {
  const id = `f-${field.name}`, label = field.name.replaceAll("_", " ");
  const value = state.values[field.name] ?? field.default ?? "";
  const keep = (input, read) => input.addEventListener("input", () => { state.values[field.name] = read(); input.classList.remove("wrong"); });
  let input, wide = false;
  if (field.name === "prompt") {
    input = el("textarea", { id, rows: 4, maxlength: 4000, title: field.about });
    input.value = value; wide = true;
    keep(input, () => input.value);
    input.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("#form").requestSubmit(); });
  } else if (field.kind === "choice") {
    input = el("select", { id, title: field.about }, field.choices.map((name) => el("option", { value: name, text: name })));
    input.value = value;
    keep(input, () => input.value);
  } else if (field.kind === "boolean") {
    input = el("input", { id, type: "checkbox", title: field.about });
    input.checked = Boolean(value);
    keep(input, () => input.checked);
    return el("label", { class: "check wide" }, input, label);
  } else if (field.kind === "pair") {
    const ends = [0, 1].map((at) => el("input", { type: "number", min: 0, max: 1, step: "any", "aria-label": `${label}, ${at ? "high" : "low"}`, title: field.about }));
    ends.forEach((end, at) => { end.value = (value || [0, 1])[at]; end.addEventListener("input", () => { state.values[field.name] = ends.map((e) => Number(e.value)); }); });
    return el("div", {}, el("span", { class: "label", text: label }), el("div", { class: "pair" }, ends));
  } else if (field.kind === "video" || field.kind === "picture") {
    return source(field, id, label);
  } else {
    const number = field.kind === "integer" || field.kind === "number";
    input = el("input", { id, type: number ? "number" : "text", title: field.about, min: field.least, max: field.most, step: field.kind === "integer" ? 1 : "any", placeholder: field.kind === "region" ? "16,16,32x32" : null });
    input.value = value;
    keep(input, () => (number ? (input.value === "" ? null : Number(input.value)) : input.value));
  }
  return el("label", { class: wide ? "wide" : null, for: id }, el("span", { class: "label", text: label }), input);
}

function source(field, id, label) {
  const told = el("span", { class: "soft", text: named(state.values[field.name]) });
  const file = el("input", { id, type: "file", accept: field.kind === "picture" ? "image/*,video/*" : "video/*,image/gif" });
  const box = el("div", { class: "drop wide" }, el("label", { for: id }, el("span", { class: "label", text: label })), file, told);
  const give = async (data) => {
    told.textContent = "sending …";
    try {
      const answer = await fetch("/api/inputs", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: data });
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error);
      state.values[field.name] = body.input;
      told.textContent = named(body.input);
    } catch (error) { told.textContent = "nothing chosen"; toast(error.message, { bad: true }); }
  };
  file.addEventListener("change", () => file.files[0] && give(file.files[0]));
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => { event.preventDefault(); box.classList.remove("over"); if (event.dataTransfer.files[0]) give(event.dataTransfer.files[0]); });
  return box;
}

function named(value) {
  if (!value) return "choose a file, drop one here, or press Use in the gallery";
  const [kind, key] = value.split(":");
  return kind === "result" ? `the video ${key.slice(0, 8)} of the gallery` : `upload ${key.slice(0, 8)}`;
}

async function ask(event) {
  event.preventDefault();
  const body = { verb: state.verb.name, expand: $("#expand").checked };
  for (const field of state.verb.fields) {
    const value = state.values[field.name] ?? field.default;
    if (value !== null && value !== undefined && value !== "") body[field.name] = value;
  }
  const go = $("#go");
  go.disabled = true;
  try {
    const job = await post("/api/jobs", body);
    show(job);
    $("#wait").textContent = job.place ? `${job.place} before it` : "";
  } catch (error) {
    $("#wait").textContent = error.message;
    const name = error.message.split(" ")[0].replace(":", "");
    $(`#f-${CSS.escape(name)}`)?.classList.add("wrong");
  } finally { go.disabled = false; }
}

function dice() {
  const seed = Math.floor(Math.random() * 1e6), input = $("#f-seed");
  state.values.seed = seed;
  if (input) input.value = seed;
}

// -- the queue and the gallery

function show(job) {
  state.works.set(job.id, job);
  const ended = !["queued", "running"].includes(job.state);
  const old = document.getElementById(`job-${job.id}`), was = old?.dataset.state;
  if (ended) {
    state.active.delete(job.id);
    if (was === job.state) return;
    const card = job.state === "done" ? work(job) : lost(job);
    old?.remove();
    place($("#gallery"), card, job);
  } else {
    state.active.add(job.id);
    if (old) renew(old, job); else place($("#running"), row(job), job);
  }
  $("#empty").hidden = state.works.size > 0;
}

function place(parent, node, job) {
  node.dataset.when = job.submitted_s;
  const next = [...parent.children].find((child) => Number(child.dataset.when) < job.submitted_s);
  parent.insertBefore(node, next ?? null);
}

function row(job) {
  const node = el("article", { class: "card job", id: `job-${job.id}`, "aria-label": `Job ${job.prompt}` },
    el("div", { class: "blank" }),
    el("div", {}, el("p", { text: job.expanded || job.prompt || job.verb }), el("progress", { max: 1, value: 0, "aria-label": "Progress" }), el("span", { class: "soft num" })),
    el("button", { type: "button", class: "danger", text: "Cancel", onclick: () => cancel(job.id) }));
  renew(node, job);
  return node;
}

function renew(node, job) {
  node.dataset.state = job.state;
  $("progress", node).value = job.done;
  const queued = job.state === "queued";
  $("span", node).textContent = queued ? `${job.verb}: queued, ${job.place ?? 0} before it` : `${job.verb}: step ${job.step} of ${job.steps || "…"}`;
  if (job.links.preview && node.dataset.step !== String(job.step)) {
    node.dataset.step = job.step;
    const picture = el("img", { alt: "The video as it is guessed now", src: `${job.links.preview}?step=${job.step}` });
    picture.addEventListener("load", () => ($("img", node) ?? $(".blank", node)).replaceWith(picture), { once: true });
  }
}

function work(job) {
  const chips = [el("span", { class: "chip", text: job.verb }), el("span", { class: "chip num", text: `seed ${job.settings.seed}` }),
    el("span", { class: "chip num", text: `${job.result.frames} frames ${job.result.width}×${job.result.height}` }), el("span", { class: "chip num", text: `${job.seconds.toFixed(1)} s` })];
  const judge = job.result.judge;
  if (judge) {
    const share = judge.right_frames;
    chips.push(el("span", { class: `chip ${share > .9 ? "good" : share > .5 ? "fair" : "bad"}`, text: `judge: ${Math.round(100 * share)} % of frames right` }));
    for (const [name, right] of Object.entries(judge.marks)) if (!right) chips.push(el("span", { class: "chip bad", text: `${name} wrong` }));
  }
  const video = el("video", { src: job.links.video, poster: job.links.poster, loop: true, muted: true, playsinline: true, preload: "none", controls: true, "aria-label": job.prompt || job.verb });
  video.muted = true;
  video.addEventListener("pointerenter", () => video.play().catch(() => {}));
  video.addEventListener("pointerleave", () => video.pause());
  const inputs = state.verbs.filter((verb) => verb.fields.some((field) => ["video", "picture"].includes(field.kind)));
  const use = el("select", { "aria-label": "Use this video" }, el("option", { value: "", text: "Use …" }), inputs.map((verb) => el("option", { value: verb.name, text: verb.name })));
  use.addEventListener("change", () => {
    const verb = state.verbs.find((each) => each.name === use.value);
    if (!verb) return;
    const field = verb.fields.find((each) => ["video", "picture"].includes(each.kind));
    choose(verb.name, { [field.name]: `result:${job.id}`, prompt: job.prompt });
    use.value = "";
    $("#ask-title").scrollIntoView({ block: "nearest" });
  });
  return el("article", { class: "card work", id: `job-${job.id}`, data: { state: job.state } },
    video, el("p", { text: job.prompt || "no caption" }), job.expanded ? el("p", { class: "expanded", text: job.expanded }) : null,
    el("div", { class: "facts" }, chips),
    el("details", {}, el("summary", { text: "Settings" }), el("pre", { text: JSON.stringify(job.settings, null, 1), tabindex: 0 })),
    el("div", { class: "row" }, el("button", { type: "button", text: "Again", title: "Put these settings into the form", onclick: () => again(job) }), el("div", { class: "grow" }, use)));
}

function lost(job) {
  return el("article", { class: "card work", id: `job-${job.id}`, data: { state: job.state } },
    el("span", { class: job.state === "failed" ? "chip bad" : "chip", text: job.state }), el("p", { text: job.prompt || job.verb }),
    job.why ? el("p", { class: "soft", text: job.why }) : null,
    el("div", { class: "row" }, el("button", { type: "button", text: "Again", onclick: () => again(job) })));
}

function again(job) {
  $("#expand").checked = Boolean(job.expanded);
  choose(job.verb, structuredClone(job.settings));
  $("#ask-title").scrollIntoView({ block: "nearest" });
}

async function cancel(key) {
  try { show(await post(`/api/jobs/${key}/cancel`)); } catch (error) { toast(error.message, { bad: true }); }
}

async function refresh() {
  try {
    const found = await get("/api/jobs", { limit: 60 });
    for (const job of found.jobs.reverse()) show(job);
    for (const key of [...state.active]) if (!found.jobs.some((job) => job.id === key)) show(await get(`/api/jobs/${key}`));
    $("#wait").dataset.lost = "";
  } catch (error) {
    if (!$("#wait").dataset.lost) toast(`the server does not answer: ${error.message}`, { bad: true });
    $("#wait").dataset.lost = "yes";
  }
  setTimeout(refresh, document.hidden ? 3000 : state.active.size ? 500 : 2000);
}

async function older() {
  const last = [...state.works.values()].reduce((a, b) => (a.submitted_s <= b.submitted_s ? a : b));
  const found = await get("/api/jobs", { limit: 60, before: last.id });
  found.jobs.forEach(show);
  $("#older").hidden = found.jobs.length < 60;
}

state.verbs = (await get("/api/verbs")).verbs;
$("#verbs").replaceChildren(...state.verbs.map((verb) => el("button", { type: "button", text: verb.name, title: verb.about, data: { verb: verb.name }, onclick: () => choose(verb.name) })));
choose("sample");
$("#form").addEventListener("submit", ask);
$("#dice").addEventListener("click", dice);
$("#older").addEventListener("click", older);
document.addEventListener("keydown", (event) => {
  if (event.key === "r" && !event.ctrlKey && !event.metaKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) dice();
});
await refresh();
$("#older").hidden = state.works.size < 60;
