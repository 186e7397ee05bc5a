"""``make pictures``: says what is missing, skips what needs a browser, draws a diagram that parses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    """The script; it stands beside the pictures, in no package."""
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "pictures" / "draw.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_demo_it_says_which_command_makes_one(
    draw: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert draw.main([str(tmp_path)]) == 2
    assert "make demo" in capsys.readouterr().err


def test_without_a_browser_the_old_screenshot_stays(
    draw: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("shutil.which", lambda name: None)
    out = tmp_path / "report.png"
    out.write_bytes(b"old")
    assert not draw.draw_report(tmp_path, out)
    assert out.read_bytes() == b"old" and "skipped, no Chromium" in capsys.readouterr().out


def test_the_diagram_names_every_folder_and_command(
    draw: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    figures = dict(sources=5, clips=66, kept=54, captions=108, minutes=2.6, latents=54, steps=9)
    monkeypatch.setattr(draw, "demo_figures", lambda demo: {**figures, "samples": 4})
    assert draw.draw_flow(tmp_path, tmp_path / "flow.svg")
    words = {element.text for element in ElementTree.parse(tmp_path / "flow.svg").iter()}
    assert {"ingest", "select", "caption", "pack", "encode", "train-dit", "sample"} <= words
    assert {"raw videos", "shards", "latents", "videos", "66 clips", "54 kept"} <= words
