// A grid over any number of clips: only what is seen exists. Browsers cap an element's height near 30 million pixels, so
// a longer grid is split into stretches: small scrolls move within one, a dragged bar jumps between them.
import { $, clock, el, get, short } from "./core.js";
import { emit, on, q, state, tried } from "./state.js";

const PIECE = 60, TALLEST = 8_000_000, OVER = 2;

export class Grid {
  constructor(open) {
    this.root = $("#grid");
    this.space = $("#space");
    this.open = open;
    this.at = 0;
    this.cells = new Map();
    this.reset();
    this.root.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(this.root);
    this.space.addEventListener("click", (event) => this.clicked(event));
    this.space.addEventListener("keydown", (event) => this.key(event));
    on("question", () => this.reload());
    on("edited", (change) => this.edited(change));
  }

  reset() {
    this.pieces = new Map();
    this.asked = new Set();
    this.total = 0;
    this.aborter?.abort();
    this.aborter = new AbortController();
    for (const node of this.cells.values()) node.remove();
    this.cells.clear();
  }

  async reload() {
    this.reset();
    this.at = 0;
    this.offset = 0;
    this.root.scrollTop = 0;
    this.space.classList.add("busy");
    await tried(() => this.fetch(0));
    this.space.classList.remove("busy");
    this.measure();
  }

  async fetch(piece) {
    if (this.asked.has(piece)) return;
    this.asked.add(piece);
    const { signal } = this.aborter;
    try {
      const found = await get("/api/clips", { q: q(), from: piece * PIECE, count: PIECE }, signal);
      if (signal.aborted) return;
      this.pieces.set(piece, found.clips);
      if (this.pieces.size > 60) this.pieces.delete(this.farthest(piece));
      const changed = this.total !== found.total;
      this.total = state.total = found.total;
      state.counted = found;
      emit("counted", found);
      if (changed) this.measure(); else this.draw();
    } catch (error) {
      this.asked.delete(piece);
      throw error;
    }
  }

  farthest(piece) {
    const far = [...this.pieces.keys()].sort((a, b) => Math.abs(b - piece) - Math.abs(a - piece))[0];
    this.asked.delete(far);
    return far;
  }

  clip(index) { return this.pieces.get(Math.floor(index / PIECE))?.[index % PIECE]; }

  measure() {
    const width = this.root.clientWidth - 16;
    if (width <= 0) return;
    this.columns = Math.max(2, Math.round(width / 232));
    this.width = width / this.columns;
    this.height = Math.round(this.width * 0.6) + 38;
    this.rows = Math.ceil(this.total / this.columns);
    this.full = this.rows * this.height + 16;
    this.shown = Math.min(this.full, TALLEST);
    this.stretches = this.full > this.shown ? Math.ceil(this.full / (this.shown / 100)) : 1;
    this.shift = this.stretches > 1 ? (this.full - this.shown) / (this.stretches - 1) : 0;
    this.offset = Math.min(this.offset ?? 0, Math.max(0, this.full - this.shown));
    this.space.style.height = `${this.shown}px`;
    for (const node of this.cells.values()) node.remove();
    this.cells.clear();
    this.draw();
  }

  scrolled() {
    const top = this.root.scrollTop;
    if (this.stretches > 1 && Math.abs(top - (this.top ?? 0)) > this.root.clientHeight * 2) {
      const share = top / Math.max(1, this.shown - this.root.clientHeight);
      this.offset = Math.round(Math.round(share * (this.stretches - 1)) * this.shift);
    }
    this.top = top;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.height) return;
    const top = this.root.scrollTop + this.offset;
    const first = Math.max(0, Math.floor(top / this.height) - OVER) * this.columns;
    const last = Math.min(this.total, (Math.ceil((top + this.root.clientHeight) / this.height) + OVER) * this.columns);
    for (const [index, node] of this.cells) {
      if (index < first || index >= last) { node.remove(); this.cells.delete(index); }
    }
    for (let index = first; index < last; index++) {
      const clip = this.clip(index);
      const have = this.cells.get(index);
      if (have && (have.dataset.id || !clip)) { this.place(have, index); continue; }
      have?.remove();
      const node = clip ? this.cell(clip, index) : el("div", { class: "cell empty", role: "listitem" });
      this.place(node, index);
      this.cells.set(index, node);
      this.space.append(node);
    }
    clearTimeout(this.wait); // a bar that is dragged past a thousand rows asks for none of them
    this.wait = setTimeout(() => {
      for (let piece = Math.floor(first / PIECE); piece * PIECE < last; piece++) tried(() => this.fetch(piece));
    }, this.pieces.has(Math.floor(first / PIECE)) ? 0 : 60);
    if (this.total === 0 && this.asked.size && this.pieces.size) this.nothing();
  }

  nothing() {
    const node = el("p", { class: "soft none" , role: "listitem", text: "No clip answers this. Take a filter away." });
    this.cells.set(-1, node);
    this.space.append(node);
  }

  place(node, index) {
    const x = (index % this.columns) * this.width + 8, y = Math.floor(index / this.columns) * this.height + 8 - this.offset;
    node.style.transform = `translate(${x}px, ${y}px)`;
    node.style.width = `${this.width - 8}px`;
    node.style.height = `${this.height - 8}px`;
  }

  cell(clip, index) {
    const face = el("span", { class: "face" }, el("img", { src: `/still/${clip.id}?w=320`, alt: "", loading: "lazy", decoding: "async", draggable: "false" }));
    const says = [clip.d || "undecided", clip.hand && "edited by hand"].filter(Boolean).join(", ");
    const button = el("button", {
      type: "button", class: "open", tabindex: index === this.at ? "0" : "-1", 
      onpointerenter: () => preview(face, clip), onpointerleave: () => still(face), onfocus: () => { this.at = index; preview(face, clip); }, onblur: () => still(face),
    }, face, el("span", { class: "sr", text: `Clip ${index + 1}, ${says}` }), el("span", { class: "under" },
      el("span", { class: `dot ${clip.d}`, "aria-hidden": "true" }),
      el("span", { class: "num", text: clock(clip.s) }),
      clip.v !== undefined && el("span", { class: "num value", text: short(clip.v) }),
      clip.hand && el("span", { class: "hand", text: "✎", title: `By hand: ${clip.hand}` }),
      (clip.tags ?? []).slice(0, 2).map((tag) => el("span", { class: "tag", text: tag })),
    ));
    return el("div", { class: `cell ${clip.d}`, role: "listitem", data: { id: clip.id, index } }, button);
  }

  clicked(event) {
    const node = event.target.closest(".cell");
    if (!node?.dataset.id) return;
    this.at = Number(node.dataset.index);
    this.open(node.dataset.id, this.at);
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, Home: -this.at, End: this.total - 1 - this.at };
    const step = steps[event.key] ?? { PageDown: 4 * this.columns, PageUp: -4 * this.columns }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.go(this.at + step, true);
  }

  /** Bring a clip into view, and the focus to it. */
  go(index, focus = false) {
    index = Math.max(0, Math.min(this.total - 1, index));
    this.cells.get(this.at)?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.at = index;
    const y = Math.floor(index / this.columns) * this.height;
    const top = this.root.scrollTop + this.offset, bottom = top + this.root.clientHeight - this.height - 8;
    if (y < top || y > bottom) {
      const want = y < top ? y : y - (this.root.clientHeight - this.height - 8);
      if (want - this.offset < 0 || want - this.offset > this.shown - this.root.clientHeight) {
        this.offset = Math.max(0, Math.min(this.full - this.shown, want - this.shown / 2));
      }
      this.top = want - this.offset;
      this.root.scrollTop = this.top;
      this.draw();
    }
    const found = this.cells.get(index)?.querySelector("button");
    found?.setAttribute("tabindex", "0");
    if (focus) (found ?? this.root).focus({ preventScroll: true });
  }

  async next(step) {
    const index = this.at + step;
    if (index < 0 || index >= this.total) return null;
    if (!this.clip(index)) await tried(() => this.fetch(Math.floor(index / PIECE)));
    this.go(index);
    return this.clip(index)?.id ?? null;
  }

  edited({ id, by_hand }) {
    for (const [index, node] of this.cells) {
      if (node.dataset.id !== id) continue;
      const clip = this.clip(index);
      const none = !by_hand || (!by_hand.decision && !by_hand.tags.length && !Object.keys(by_hand.captions).length);
      clip.hand = none ? undefined : by_hand.decision || "edited";
      clip.tags = by_hand?.tags ?? [];
      const fresh = this.cell(clip, index);
      this.place(fresh, index);
      node.replaceWith(fresh);
      this.cells.set(index, fresh);
    }
  }
}

let waiting = 0;
function preview(face, clip) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (face.querySelector("video")) return;
    const film = el("video", { src: `/video/${clip.id}`, loop: true, autoplay: true, playsinline: true, "aria-hidden": "true", tabindex: "-1" });
    film.muted = true;
    face.append(film);
    film.play().catch(() => {});
  }, 160);
}
function still(face) {
  clearTimeout(waiting);
  for (const film of face.querySelectorAll("video")) { film.removeAttribute("src"); film.load(); film.remove(); }
}
