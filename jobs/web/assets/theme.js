// Light or dark: the system's choice until a person chooses. Runs before the page is drawn, so nothing flashes.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage is off: follow the system */ }
  const apply = () => { root.dataset.theme = chosen ?? (system.matches ? "dark" : "light"); };
  apply();
  system.addEventListener("change", apply);
  const flip = () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", chosen); } catch { /* it lasts as long as the page */ }
    apply();
  };
  addEventListener("DOMContentLoaded", () => document.getElementById("theme")?.addEventListener("click", flip));
  addEventListener("flip-theme", flip);
})();
