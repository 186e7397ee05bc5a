"""The page in a real browser: headless Chromium of the system, driven by Playwright; skipped where there is none.

Accessibility is checked with axe-core where its file is: ``npm install axe-core``, then
``FILMSTOCK_AXE=node_modules/axe-core/axe.min.js``.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from jobs.edits.journal import Journal
from jobs.view.app import make_viewer_app
from jobs.view.viewer import Viewer
from jobs.web.guard import Access
from jobs.web.server import bind
from tests.jobs.view.conftest import prepare

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
AXE = Path(os.environ.get("FILMSTOCK_AXE", "node_modules/axe-core/axe.min.js"))
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
WAIT_MS = 60_000
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str], Path]]:
    """Address, clip ids and folder of a served run of 60 clips."""
    folder = tmp_path_factory.mktemp("run")
    ids = prepare(folder, 60)
    listener = bind("127.0.0.1", 0)
    app = make_viewer_app(Viewer(folder, "ann"), Access())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", ids, folder
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def page(browser: Any, site: tuple[str, list[str], Path]) -> Iterator[Any]:
    """A fresh page on the grid; it must say nothing to the console and ask nobody else."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    found = context.new_page()
    found.set_default_timeout(WAIT_MS)
    said: list[str] = []
    asked: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.append(request.url))
    open_page(found, site[0])
    yield found
    context.close()
    assert [line for line in said if "Failed to load resource" not in line] == []
    assert [url for url in asked if not url.startswith((site[0], "data:", "blob:"))] == []


def open_page(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("html[data-ready]")


def until(page: Any, true: str) -> None:
    """Wait until an expression is true; Playwright's own way runs text as a script, which the page forbids."""
    for _ in range(WAIT_MS // 100):
        if page.evaluate(true):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {true}")


def slide(page: Any, selector: str, value: int) -> None:
    """Move a slider."""
    page.eval_on_selector(
        selector, f"e => {{ e.value = {value}; e.dispatchEvent(new Event('input')); }}"
    )


def open_clip(page: Any, clip: str) -> None:
    page.click(f'.cell[data-id="{clip}"] .open')
    page.wait_for_selector("#detail[open] video")


def test_a_clip_plays_and_seeks_by_range(page: Any, site: tuple[str, list[str], Path]) -> None:
    answers: list[int] = []
    page.on("response", lambda r: answers.append(r.status) if "/video/" in r.url else None)
    open_clip(page, site[1][0])
    until(page, "document.querySelector('#detail video').currentTime > 0.1")
    page.keyboard.press(" ")
    until(page, "document.querySelector('#detail video').paused")
    before = page.input_value("#detail input[aria-label=Frame]")
    page.keyboard.press(".")
    until(
        page,
        f"document.querySelector('#detail input[aria-label=Frame]').value == {int(before) + 1}",
    )
    slide(page, "#detail input[aria-label=Frame]", 3)
    until(page, "document.querySelector('#detail .player output').textContent.startsWith('4 /')")
    assert 206 in answers and set(answers) <= {200, 206}
    page.keyboard.press("l")
    until(page, f"document.querySelector('#detail h1').textContent == '{site[1][1]}'")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#detail').open")


def test_filters_by_facet_slider_sql_and_address(
    page: Any, site: tuple[str, list[str], Path]
) -> None:
    page.wait_for_selector(".facet[data-column=decision] .word")
    page.click(".facet[data-column=decision] .word:has-text('keep')")
    until(page, "document.querySelector('#count').textContent.startsWith('5 clips')")
    assert page.locator(".cell .open").count() == 5
    page.fill("#f-sql", "motion_mean > 0.45")
    page.press("#f-sql", "Enter")
    until(page, "document.querySelector('#count').textContent.startsWith('3 clips')")
    address = page.url
    page.click("#chips button:has-text('Clear all')")
    until(page, "document.querySelector('#count').textContent.startsWith('60 clips')")
    page.goto("about:blank")
    open_page(page, address)
    until(page, "document.querySelector('#count').textContent.startsWith('3 clips')")


def test_hover_previews_and_arrows_move(page: Any, site: tuple[str, list[str], Path]) -> None:
    page.hover(f'.cell[data-id="{site[1][1]}"] .open')
    page.wait_for_selector(f'.cell[data-id="{site[1][1]}"] video')
    page.focus(f'.cell[data-id="{site[1][0]}"] .open')
    page.keyboard.press("End")
    until(page, f"document.activeElement.closest('.cell')?.dataset.id == '{site[1][59]}'")
    page.keyboard.press("Home")
    until(page, f"document.activeElement.closest('.cell')?.dataset.id == '{site[1][0]}'")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open]")


def test_edit_undo_and_history(page: Any, site: tuple[str, list[str], Path]) -> None:
    _, ids, folder = site
    open_clip(page, ids[0])
    page.keyboard.press("k")
    page.wait_for_selector(".decide.keep[aria-pressed=true]")
    page.keyboard.press("e")
    page.fill(".writer textarea", "What <b>Ann</b> saw.")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".caption[data-kind=dense] .words:has-text('What <b>Ann</b> saw.')")
    page.fill("#new-tag", "nice")
    page.press("#new-tag", "Enter")
    page.wait_for_selector(".tags .chip:has-text('nice')")
    assert [str(e.action) for e in Journal(folder).read()] == ["decision", "caption", "tag"]
    page.click(".toast:last-child button:has-text('Undo')")
    until(page, "!document.querySelector('.tags .chip')")
    page.keyboard.press("Escape")
    page.keyboard.press("5" if page.locator("[data-tab=rules]").count() else "4")
    page.wait_for_selector("#tab-edits .edits li")
    assert page.locator("#tab-edits .edits li").count() == 4
    assert page.locator("#tab-edits .edits li.undone").count() == 1


def test_what_if_moves_and_is_written(page: Any, site: tuple[str, list[str], Path]) -> None:
    page.keyboard.press("2")
    page.wait_for_selector("#outcome .bigs")
    before = page.inner_text("#outcome .big b")
    slide(page, ".rule[data-reason=slow] input[type=range]", 400)
    until(page, f"document.querySelector('#outcome .big b').textContent != '{before}'")
    page.wait_for_selector("#outcome pre:has-text('motion_mean < ')")
    page.wait_for_selector("#outcome p:has-text('As select would decide it')")
    assert page.locator("#edge .thumb").count() > 0
    kept = int(page.inner_text("#outcome .big b"))
    page.click("#outcome button.primary")
    page.wait_for_selector(".toast:has-text('select keeps')")
    assert f"keeps {kept} clips" in page.inner_text(".toasts")


def test_captions_are_judged_by_keyboard(page: Any, site: tuple[str, list[str], Path]) -> None:
    page.keyboard.press("3")
    page.wait_for_selector("#judge .words")
    first = page.inner_text("#judge .words")
    page.keyboard.press("n")
    until(page, f"document.querySelector('#judge .words').textContent != '{first}'")
    page.wait_for_selector("#estimate b:has-text('100.0 % of dense captions are wrong')")
    page.keyboard.press("u")
    page.wait_for_selector("#estimate b:has-text('Nothing audited yet')")


def test_help_and_theme(page: Any) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#help[open] kbd")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.wait_for_selector("html[data-theme=dark]")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_and_axe_finds_nothing(
    browser: Any, site: tuple[str, list[str], Path], theme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    open_page(page, site[0])
    open_clip(page, site[1][3])
    page.wait_for_selector(".strip .block")
    problems = check(page, "clip")
    page.keyboard.press("Escape")
    for tab, ready in {
        "clips": ".cell img",
        "rules": "#edge .thumb",
        "label": "#judge .words",
        "sql": "#sql-run",
        "edits": "#tab-edits h1",
    }.items():
        page.goto(f"{site[0]}/#tab={tab}")
        page.wait_for_selector(ready)
        problems += check(page, tab)
    context.close()
    assert problems == []


def check(page: Any, where: str) -> list[str]:
    """What is wider than the page, and what axe says."""
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
    found = [f"{where}: wider than the page"] if wide else []
    if not AXE.is_file():
        return found
    page.evaluate(AXE.read_text())
    rules = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }"
    for each in page.evaluate(f"axe.run(document, {rules})")["violations"]:
        found.append(
            f"{where}: {each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:200]}"
        )
    return found
