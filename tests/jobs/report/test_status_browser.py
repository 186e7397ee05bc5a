"""The page of ``status --web`` in a real browser: stages, losses as they come, both themes, 390 pixels, axe."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.caption_media import make_run_folder

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(os.environ.get("FILMSTOCK_AXE", ""))
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,  # a server and a browser
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that was ingested, with a training beside it."""
    make_run_folder(tmp_path, 2, rejected=1)
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """``filmstock status DIR --web`` as a user starts it, and its end by Ctrl-C."""
    words = [sys.executable, "-m", "jobs.cli", "status", str(folder), "--web", "--port", "0"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env)
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.search(r"http://[\d.:]+/", line)
    assert found, line
    yield found[0]
    server.send_signal(signal.SIGINT)
    assert server.wait(60) in (0, 130)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_stages_show_and_axe_finds_nothing(address: str, width: int, theme: str):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page: Any = browser.new_page(
            viewport={"width": width, "height": 860}, color_scheme=theme, bypass_csp=True
        )
        told: list[str] = []
        page.on("pageerror", lambda e: told.append(str(e)))
        page.goto(address)
        page.wait_for_selector("#stages > *")
        assert "ingest" in page.inner_text("#stages") and "filmstock" in page.inner_text("#next")
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
        if AXE.is_file():
            page.evaluate(AXE.read_text())
            rules = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }"
            found = page.evaluate(f"axe.run(document, {rules})")["violations"]
            assert json.dumps([(each["id"], each["nodes"][0]["html"]) for each in found]) == "[]"
        assert told == []
        browser.close()
