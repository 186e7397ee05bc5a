"""The page of a server in a real browser: submit, watch, gallery, use, cancel; at 390 pixels; with axe's basics."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,  # a server with real models, and a browser
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]
PROMPT = (
    "A large red circle moves slowly to the right, starting on the left. The background is plain grey."
    " The camera is static. The light is even."
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``filmstock serve embedded`` as a user starts it, and its end by Ctrl-C."""
    out = tmp_path_factory.mktemp("served")
    words = [
        sys.executable,
        "-m",
        "jobs.cli",
        "serve",
        "embedded",
        "--out",
        str(out),
        "--port",
        "0",
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
    assert server.stdout is not None
    said = []
    for line in server.stdout:  # it says what it loads before it gives its address
        said.append(line)
        if found := re.search(r"http://[\d.:]+/", line):
            break
    assert found, said
    yield found[0]
    server.send_signal(signal.SIGINT)
    assert server.wait(60) in (0, 130)


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(60_000)
        told: list[str] = []
        page.on("console", lambda m: told.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: told.append(str(e)))
        page.told = told
        page.goto(address)
        yield page
        browser.close()


def until(page: Any, expression: str) -> None:
    """Wait for an expression to hold; the page's policy forbids what ``wait_for_function`` does."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        time.sleep(0.1)
    raise AssertionError(f"never: {expression}")


def test_a_prompt_becomes_a_video_and_is_used_again(page: Any) -> None:
    """Sampling by the embedded model: some seconds."""
    page.fill("#f-prompt", PROMPT)
    page.fill("#f-steps", "6")
    page.fill("#f-seed", "5")
    page.click("#go")
    page.wait_for_selector(".job progress, .work video")
    card = page.wait_for_selector(".work video")
    assert card is not None
    text = page.inner_text(".work")
    assert "seed 5" in text and PROMPT in text and "judge:" in text
    page.hover(".work video")
    until(page, "document.querySelector('.work video').currentTime > 0")
    page.select_option(".work select", "extend")
    assert "the video" in page.inner_text(".drop")
    assert page.get_attribute("[data-verb=extend]", "aria-pressed") == "true"
    page.click(".work button:has-text('Again')")
    assert page.input_value("#f-steps") == "6"
    assert page.told == []


def test_a_running_job_shows_its_step_and_is_cancelled(page: Any) -> None:
    page.fill("#f-prompt", "to be cancelled")
    page.fill("#f-steps", "200")
    page.click("#go")
    until(page, "document.querySelector('.job progress')?.value > 0")
    assert re.search(r"step \d+ of 200", page.inner_text(".job"))
    page.wait_for_selector(".job img")
    page.click(".job .danger")
    page.wait_for_selector(".work .chip:has-text('cancelled')")
    page.fill("#f-steps", "0")
    page.click("#go")
    until(page, "document.querySelector('#wait').textContent.includes('at least 1')")
    assert "wrong" in (page.get_attribute("#f-steps", "class") or "")


def test_nothing_is_wider_than_a_phone_and_everything_has_a_name(page: Any) -> None:
    folder = os.environ.get("FILMSTOCK_SCREENSHOTS")
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 860})
            time.sleep(0.2)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (theme, width)
            if folder:
                page.screenshot(path=f"{folder}/serve-{theme}-{width}.png", full_page=width < 500)
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select, textarea, video')].filter((e) =>
        !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
