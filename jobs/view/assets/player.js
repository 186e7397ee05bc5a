// A player that knows frames: it stands on frame n at the middle of its time, so rounding never shows a neighbour.
import { clock, el } from "./core.js";

export class Player {
  constructor(clip) {
    this.clip = clip;
    this.frames = Math.max(1, clip.n ?? 1);
    this.rate = clip.fps || 25;
    this.video = el("video", { src: `/video/${clip.id}`, poster: `/still/${clip.id}?w=1280&f=0`, preload: "auto", playsinline: true, loop: true, tabindex: "-1", "aria-label": "Clip" });
    this.video.muted = true;
    this.toggle = el("button", { type: "button", class: "quiet", "aria-label": "Play", title: "Play or pause (space)", text: "▶", onclick: () => this.play() });
    this.bar = el("input", { type: "range", min: 0, max: this.frames - 1, step: 1, value: 0, "aria-label": "Frame", oninput: () => { this.video.pause(); this.seek(Number(this.bar.value)); } });
    this.said = el("output", { class: "num", text: this.text(0) });
    this.speed = el("select", { "aria-label": "Speed", onchange: () => { this.video.playbackRate = Number(this.speed.value); } },
      ["0.25", "0.5", "1", "2"].map((value) => el("option", { value, text: `${value}×`, selected: value === "1" })));
    this.sound = el("button", { type: "button", class: "quiet", "aria-label": "Sound", "aria-pressed": "false", title: "Sound (m)", text: "♪", onclick: () => { this.video.muted = !this.video.muted; this.sound.setAttribute("aria-pressed", String(!this.video.muted)); } });
    const step = (by, label, key, text) => el("button", { type: "button", class: "quiet", "aria-label": label, title: `${label} (${key})`, text, onclick: () => this.step(by) });
    this.node = el("div", { class: "player" }, el("div", { class: "screen", onclick: () => this.play() }, this.video),
      el("div", { class: "controls" }, this.toggle, step(-1, "Frame back", ",", "‹"), step(1, "Frame on", ".", "›"), this.bar, this.said, this.speed, this.sound));
    this.video.addEventListener("play", () => { this.toggle.textContent = "❚❚"; this.toggle.setAttribute("aria-label", "Pause"); this.follow(); });
    this.video.addEventListener("pause", () => { this.toggle.textContent = "▶"; this.toggle.setAttribute("aria-label", "Play"); });
    this.video.addEventListener("seeked", () => this.draw());
    this.video.addEventListener("error", () => { if (this.video.getAttribute("src")) this.said.textContent = "cannot be played"; });
  }

  text(frame) { return `${frame + 1} / ${this.frames} · ${clock(frame / this.rate, 2)}`; }

  get frame() { return Math.max(0, Math.min(this.frames - 1, Math.floor(this.video.currentTime * this.rate + 1e-3))); }

  seek(frame) { this.video.currentTime = (Math.max(0, Math.min(this.frames - 1, frame)) + 0.5) / this.rate; }

  step(by) {
    const from = this.frame;
    this.video.pause();
    this.seek((from + by + this.frames) % this.frames);
  }

  play() { if (this.video.paused) this.video.play().catch(() => {}); else this.video.pause(); }

  draw() {
    this.bar.value = this.frame;
    this.bar.setAttribute("aria-valuetext", this.text(this.frame));
    this.said.textContent = this.text(this.frame);
  }

  follow() {
    this.draw();
    if (!this.video.paused && this.video.isConnected) requestAnimationFrame(() => this.follow());
  }

  close() { this.video.pause(); this.video.removeAttribute("src"); this.video.load(); }
}
