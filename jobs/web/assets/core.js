// What every page's modules share: elements whose text is never read as HTML, the API, short messages.

/** Element `tag`; `attrs` are attributes, `on…` listeners, or properties `text`, `class`, `data`; children are nodes or text. */
export function el(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** JSON of a GET; throws an Error with the server's own line. `signal` cancels. */
export async function get(path, params = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return answer(await fetch(text ? `${path}?${text}` : path, { signal }));
}

/** JSON of a POST of JSON. */
export async function post(path, body = {}, signal = undefined) {
  return answer(await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  }));
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `the server answered ${response.status}`);
  return body;
}

/** A short message at the foot of the page; an error stays longer. `action` is [label, function]. */
export function toast(text, { bad = false, action = null } = {}) {
  const node = el("div", { class: bad ? "toast bad" : "toast" }, el("span", { text }));
  if (action) node.append(el("button", { type: "button", text: action[0], onclick: () => { node.remove(); action[1](); } }));
  toasts().append(node);
  setTimeout(() => node.remove(), bad ? 9000 : 5000);
}

/** Where messages stand: in the open dialog, for all that lies outside of it cannot be clicked. */
function toasts() {
  const node = $("#toasts"), host = $("dialog[open]") ?? document.body;
  if (node.parentNode !== host) host.append(node);
  return node;
}
document.addEventListener("close", () => document.body.append($("#toasts")), true);

/** `run` once `wait` ms have passed without another call. */
export function later(run, wait) {
  let timer = 0;
  return (...args) => { clearTimeout(timer); timer = setTimeout(run, wait, ...args); };
}

/** Seconds as 1:02.5 or 1:02:03. */
export function clock(seconds, digits = 1) {
  const s = Math.max(0, seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const rest = (s % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${rest}` : `${m}:${rest}`;
}

export const count = (n) => n.toLocaleString("en");

/** A number in few characters: 0.0123, 4.56, 1,234. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return count(value);
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}
