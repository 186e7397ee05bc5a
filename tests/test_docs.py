"""The code on the pages of docs/ runs: Python blocks from top to bottom, or files and then commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("api.md",)


def blocks(page: str, language: str = "python") -> list[str]:
    """The fenced blocks of a page in one language."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page: str, tmp_path: Path):
    code = blocks(page)
    assert code
    script = tmp_path / "page.py"
    script.write_text("\n".join(code))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=850,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_extensions_of_the_page_work_in_every_command(tmp_path: Path):
    for code in blocks("extending.md"):
        name = code.split("\n", 1)[0].removeprefix("# ")
        assert len(code.splitlines()) <= 41, f"{name} is longer than 40 lines"
        (tmp_path / name).write_text(code)
    (commands,) = blocks("extending.md", "console")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for line in commands.splitlines():
        words = line.removeprefix("$ filmstock ")
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m jobs.cli {words}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    manifest = pq.read_table(tmp_path / "run" / "manifest").to_pylist()
    assert all(row["flow_speed"] is not None for row in manifest)
    captions = pq.read_table(tmp_path / "run" / "captions").to_pylist()
    assert {row["model"] for row in captions} == {"colours-1"}
    with tarfile.open(tmp_path / "run" / "shards" / "part-00000.tar") as tar:
        names = tar.getnames()
        row = json.load(tar.extractfile(names[1]))  # type: ignore[arg-type]
    assert names[0].endswith(".mp4") and names[1].endswith(".json")
    assert row["flow_speed"] > 0 and row["caption_dense"].startswith("The strongest colour is")
    assert list((tmp_path / "samples").glob("*.mp4"))
    listed = (tmp_path / "sets/mine/train.csv").read_text().splitlines()
    clips = list((tmp_path / "sets/mine/clips").glob("*.mp4"))
    assert len(listed) == len(clips) + 1 > 1
    assert all(clip.with_suffix(".txt").read_text() for clip in clips)
