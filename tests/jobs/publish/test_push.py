"""``filmstock push`` against a hub on loopback: what it holds then, what is sent again, and the words for trouble."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.core.stage import log_metrics
from jobs.publish.describe import About, dataset_card
from jobs.publish.licences import licence_of
from jobs.publish.push import Args, batches, run
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from tests.helpers.hub_here import filmstock_here
from tests.helpers.hub_writes import TOKEN, WritableHub
from tests.helpers.shard_media import make_rows, make_shards

ROOT = Path(__file__).resolve().parents[3]
REPO = "somebody/clips"
OPTIONS = ("--licence", "cc-by-4.0", "--title", "Drifting gradients", "--sources", "All our own.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    make_shards(made / "shards", make_rows(8))
    log_metrics(made, "select", {"funnel": {"all clips": 10, "static": 9, "kept": 8}})
    log_metrics(made, "pack", {"packed": 8})
    return made


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[WritableHub]:
    with WritableHub({}, root=tmp_path / "hub") as made:
        yield made


def push(
    hub: WritableHub, folder: Path, *words: str, token: str = TOKEN, apart: bool = False
) -> tuple[int, str]:
    """Exit code, and what was said; ``apart``: in a process of its own, as a user runs it."""
    words = ("push", str(folder), "--repo", REPO, *words)
    home, more = folder.parent / "home", {"HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    if apart:
        told = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **more}
        done = subprocess.run(
            [sys.executable, "-m", "jobs.cli", *words],
            env={**os.environ, **told, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=400,
        )  # fmt: skip
    else:
        done = filmstock_here(*words, url=hub.url, home=home, **more)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_dataset_arrives_whole_and_only_once(hub: WritableHub, folder: Path) -> None:
    code, text = push(hub, folder, *OPTIONS, apart=True)
    assert code == 0, text
    there = hub.root / REPO
    for path in (folder / "shards").glob("*.parquet"):
        assert (there / "shards" / path.name).read_bytes() == path.read_bytes()
    manifest = manifest_of(folder / "shards")
    assert (there / manifest.name).read_bytes() == manifest.read_bytes()
    assert hub.private == {REPO: True}, "it is private until its owner opens it"
    card = (there / "README.md").read_text()
    for told in ("license: cc-by-4.0", "Drifting gradients", "All our own.", "| static | 9 |"):
        assert told in card
    assert "| clips | 8 |" in card and f"| {s.CAPTION_DENSE} | string |" in card
    assert "> clip number" in card and str(folder) not in card
    assert (there / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert hub.commits[-1][0] == "README.md" and "README.md" not in hub.commits[0]
    data = json.loads((there / "croissant.json").read_text())
    assert data["license"] == "cc-by-4.0" and data["name"] == "clips"
    names = [field["name"] for field in data["recordSet"][0]["field"]]
    assert names == pq.read_schema(next((folder / "shards").glob("part-*.parquet"))).names
    commits, sent = len(hub.commits), len(hub.uploads)
    code, text = push(hub, folder, *OPTIONS)
    assert code == 0 and "push: 0 files sent" in text
    assert (len(hub.commits), len(hub.uploads)) == (commits, sent)


def test_a_push_that_broke_off_goes_on_and_one_that_shrank_cleans_up(
    hub: WritableHub, folder: Path
) -> None:
    hub.uploads_left = 1
    code, text = push(hub, folder, *OPTIONS)
    assert code == 2 and "run the same command again" in text
    assert not (hub.root / REPO / "README.md").exists(), "without a card it is not whole"
    hub.uploads_left = 1 << 30
    assert push(hub, folder, *OPTIONS)[0] == 0
    assert len(hub.uploads) == len(set(hub.uploads)), "nothing was sent twice"
    for path in (folder / "shards").glob("*.parquet"):
        path.unlink()
    make_shards(folder / "shards", make_rows(2))
    assert push(hub, folder, *OPTIONS)[0] == 0
    here = {path.name for path in (folder / "shards").glob("*.parquet")}
    assert {path.name for path in (hub.root / REPO / "shards").iterdir()} == here


def test_words_for_trouble(hub: WritableHub, folder: Path) -> None:
    code, text = push(hub, folder, *OPTIONS, token="hf_other")
    assert code == 2 and "hf auth login" in text and "hf_other" not in text
    with pytest.raises(UserError, match="OWNER/NAME"):
        run(Args(folder=folder, repo="clips", licence="mit"))
    with pytest.raises(UserError, match="--licence is empty"):
        run(Args(folder=folder, repo=REPO, licence=" "))
    with pytest.raises(UserError, match="unknown licence 'wat is'; known: cc0-1.0"):
        run(Args(folder=folder, repo=REPO, licence="wat is", dry_run=True))
    assert not (folder / "publish").exists()
    with pytest.raises(UserError, match="pack"):
        run(Args(folder=folder.parent, repo=REPO, licence="mit"))


def test_a_dry_run_sends_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Args(folder=folder, repo=REPO, licence="other", licence_name="my-terms",
                    licence_link="https://example.org/terms", dry_run=True)) == 0  # fmt: skip
    assert "nothing was sent" in capsys.readouterr().out
    card = (folder / "publish" / "README.md").read_text()
    link = "https://example.org/terms"
    assert f"license: other\nlicense_name: my-terms\nlicense_link: {link}\n" in card
    assert f"published under my-terms, which is at {link}." in card
    assert json.loads((folder / "publish" / "croissant.json").read_text())["license"] == link
    assert {p.name for p in (folder / "publish").iterdir()} == {
        *("README.md", "croissant.json", "samples.png")
    }


def test_a_card_cannot_be_broken_by_a_caption() -> None:
    rows = [
        {
            s.CLIP_ID: "a", s.SOURCE_ID: "b", s.START_S: 0.0, s.END_S: 1.0, s.FPS: 8.0,
            s.WIDTH: 64, s.HEIGHT: 48, s.BYTE_LENGTH: 9,
            s.CAPTION_DENSE: "A | pipe\n\n# and <script>alert(1)</script>",
        }
    ]  # fmt: skip
    about = About(title="T", licence=licence_of("mit"))
    card = dataset_card(about, rows, {s.CLIP_ID: "string"}, {}, {})
    assert "> A \\| pipe # and &lt;script>alert(1)&lt;/script>" in card


def test_commits_are_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.publish.push.BATCH_BYTES", 25)
    local = {}
    for n in range(5):
        local[f"shards/{n}"] = tmp_path / str(n)
        local[f"shards/{n}"].write_bytes(b"0123456789")
    assert [len(batch) for batch in batches(list(local), local)] == [2, 2, 1]
