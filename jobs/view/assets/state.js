// What is asked for and shown: kept in the address, so that a page can be shared and "back" works.
import { get, toast } from "./core.js";

export const state = { info: null, question: {}, tab: "clips", clip: null, total: 0, version: 0 };
const listeners = new Map();

export function on(event, run) {
  if (!listeners.has(event)) listeners.set(event, []);
  listeners.get(event).push(run);
}

export function emit(event, value) {
  for (const run of listeners.get(event) ?? []) run(value);
}

/** Change fields of the question; empty values drop a field. */
export function ask(changes) {
  const next = { ...state.question, ...changes };
  for (const [name, value] of Object.entries(next)) {
    if (value === null || value === undefined || value === "" || value === false || (Array.isArray(value) && !value.length)) delete next[name];
  }
  if (JSON.stringify(next) === JSON.stringify(state.question)) return;
  state.question = next;
  write(false);
  emit("question");
}

export function show({ tab = state.tab, clip = null }) {
  state.tab = tab;
  state.clip = clip;
  write(true);
  emit("shown");
}

function write(push) {
  const hash = new URLSearchParams();
  hash.set("tab", state.tab);
  if (Object.keys(state.question).length) hash.set("q", JSON.stringify(state.question));
  if (state.clip) hash.set("clip", state.clip);
  const address = `#${hash}`;
  if (address === location.hash) return;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

export function read() {
  const hash = new URLSearchParams(location.hash.slice(1));
  state.tab = hash.get("tab") ?? "clips";
  state.clip = hash.get("clip");
  if (hash.has("q")) {
    try { state.question = JSON.parse(hash.get("q")); } catch { state.question = {}; }
  }
}

addEventListener("popstate", () => {
  const before = JSON.stringify(state.question);
  read();
  if (JSON.stringify(state.question) !== before) emit("question");
  emit("shown");
});
addEventListener("hashchange", () => { read(); emit("shown"); });

export const q = () => JSON.stringify(state.question);

export async function loadInfo() {
  state.info = await get("/api/info");
  state.version = state.info.version;
}

/** Run, and show what goes wrong. */
export async function tried(run) {
  try { return await run(); } catch (error) {
    if (error.name !== "AbortError") toast(error.message, { bad: true });
    return undefined;
  }
}

export const me = () => localStorage.getItem("who") || state.info?.who || "";
