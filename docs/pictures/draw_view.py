"""``make pictures``: the pages of ``filmstock view`` on the folder that ``make demo`` made, as Chromium shows them.

    python docs/pictures/draw_view.py runs/demo

It needs Playwright and a Chromium on PATH; without them it is skipped, and a line says so.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WAIT_MS = 180_000
"""Longest wait for a part of the page: the first search loads a model."""
WIDE, PHONE = {"width": 1280, "height": 820}, {"width": 390, "height": 780}


def main(argv: list[str]) -> int:
    """Start the viewer on the demo's run, take the pictures, stop it."""
    folder = (Path(argv[0]) if argv else Path("runs/demo")) / "set"
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        browser = None
    if browser is None:
        print("view: skipped, no Playwright or no Chromium on PATH; the old pictures stay")
        return 0
    words = [sys.executable, "-m", "jobs.cli", "view", str(folder), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = next(line.split()[1] for line in server.stdout if line.startswith("open "))
    try:
        with sync_playwright() as started:
            chromium = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            draw(chromium, address)
            chromium.close()
    finally:
        server.terminate()
        server.wait()
    return 0


def draw(chromium: Any, address: str) -> None:
    """Every picture."""
    page = opened(chromium, address, WIDE, "light")
    page.click(".facet[data-column=decision] .word")
    page.wait_for_timeout(2000)
    shoot(page, "view-clips")

    page.fill("#f-text", "a red circle")
    page.press("#f-text", "Enter")
    page.wait_for_selector("#space .value")
    page.click(".cell .open")
    page.wait_for_selector(".strip .block")
    page.keyboard.press(" ")
    page.keyboard.press("c")
    page.wait_for_selector(".caption[data-kind=dense] .legend")
    page.wait_for_timeout(2500)
    # the folders of whoever draws it say nothing
    page.eval_on_selector(".path", "e => { e.textContent = e.textContent.split('/').pop(); }")
    shoot(page, "view-clip")

    page = opened(chromium, f"{address}#tab=rules", WIDE, "dark")
    page.wait_for_selector("#edge .thumb")
    slider = ".rule[data-reason=flat] input[type=range]"
    page.eval_on_selector(slider, "e => { e.value = 250; e.dispatchEvent(new Event('input')); }")
    page.wait_for_selector("#outcome p:has-text('As select would decide it')")
    page.wait_for_timeout(1500)
    shoot(page, "view-rules")

    page = opened(chromium, address, PHONE, "dark")
    page.wait_for_timeout(2500)
    shoot(page, "view-phone")


def opened(chromium: Any, address: str, size: dict[str, int], theme: str) -> Any:
    """A page that has set itself up."""
    page = chromium.new_context(viewport=size, color_scheme=theme).new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector(".cell img", state="attached")
    return page


def shoot(page: Any, name: str) -> None:
    """The visible part of the page, as WebP."""
    out = HERE / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(out, quality=86, method=6)
    print(f"{out}: {out.stat().st_size >> 10} kB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
