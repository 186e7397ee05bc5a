"""Captions of kind ``facts``: made without a model, a server or Ray, traceable to the manifest, packed like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from captioner.config import CaptionConfig
from jobs.caption.command import run
from jobs.core.run import open_run
from jobs.shards import pack
from pipeline import schema as s
from pipeline.config import MixConfig, PackConfig
from pipeline.loader.mix import draw_shares
from pipeline.shards.read import open_manifest
from tests.helpers import caption_media as media

FACTS_ONLY = CaptionConfig(kinds=("facts",))
MEASURED: dict[str, Any] = {
    s.CAMERA: "static",
    s.CAMERA_PAN: 0.0,
    s.CAMERA_TILT: 0.0,
    s.CAMERA_ZOOM: 0.0,
    s.COLOURS: ["red"],
    s.LEGIBLE_TEXT: ["EXIT"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media.make_run_folder(tmp_path / "run", clips=3, broken=(2,))
    media.measure(tmp_path / "run", MEASURED)
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("facts need no model and no Ray")

    monkeypatch.setattr("captioner.backends.open.check_backend", refuse)
    monkeypatch.setattr("captioner.backends.open.open_backend", refuse)
    monkeypatch.setattr("jobs.caption.command.ask", refuse)


def test_facts_need_no_model_and_every_clause_names_its_columns(folder: Path) -> None:
    result = run(FACTS_ONLY, open_run(folder))
    assert (result.clips, result.rows, result.asked, result.ok, result.errors) == (3, 3, 0, 3, 0)
    for row in media.caption_rows(folder):
        assert row[s.KIND] == "facts" and row[s.OUTCOME] == "ok" and row[s.MODEL] == "measured"
        assert row[s.TEXT] == (
            'The camera is static. The main colour is red. The text "EXIT" can be read. '
            "The frame is landscape, 4:3, and the clip lasts 1.2 seconds."
        )
        clauses = row[s.FACTS]
        assert " ".join(clause[s.FACT_CLAUSE] for clause in clauses) == row[s.TEXT]
        assert [clause[s.FACT_COLUMNS] for clause in clauses] == [
            [s.CAMERA, s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM, s.MOTION_MEAN],
            [s.COLOURS],
            [s.LEGIBLE_TEXT],
            [s.WIDTH, s.HEIGHT, s.START_S, s.END_S],
        ]


def test_a_new_measurement_replaces_the_old_facts_and_the_same_one_does_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(FACTS_ONLY, open_run(folder))
    before = {path: path.stat().st_mtime_ns for path in (folder / "captions").iterdir()}
    run(FACTS_ONLY, open_run(folder))
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (folder / "captions").iterdir()} == before
    media.measure(folder, MEASURED | {s.COLOURS: ["green"]})
    run(FACTS_ONLY, open_run(folder))
    found = media.caption_rows(folder)
    assert len(found) == 3 and all("colour is green" in row[s.TEXT] for row in found)


def test_facts_are_packed_and_drawn(folder: Path) -> None:
    run(FACTS_ONLY, open_run(folder))
    result = pack.run(PackConfig(), open_run(folder))
    assert (result.packed, result.uncaptioned, result.unreadable) == (3, 0, 0)
    manifest = open_manifest(folder)
    assert all("EXIT" in (manifest.caption(i, "facts") or "") for i in range(3))
    assert all(manifest.caption(i, "dense") is None for i in range(3))
    assert draw_shares(MixConfig(empty=0.1), {"facts"}) == {"": 0.1, "facts": 0.9}
    assert draw_shares(MixConfig(empty=0.0, facts=1.0, dense=3.0), {"facts", "dense"}) == {
        "facts": 0.25,
        "dense": 0.75,
    }
    dropped = pack.run(PackConfig(kinds=("dense",)), open_run(folder))
    assert (dropped.packed, dropped.uncaptioned) == (0, 3)


def test_a_manifest_of_before_colours_were_named_still_gives_its_facts(folder: Path) -> None:
    part = next((folder / "manifest").glob("*.parquet"))
    table = pq.read_table(part)
    pq.write_table(table.drop_columns([s.COLOURS, s.LEGIBLE_TEXT, s.CAMERA]), part)
    assert run(FACTS_ONLY, open_run(folder)).ok == 3
    assert {row[s.TEXT] for row in media.caption_rows(folder)} == {
        "The frame is landscape, 4:3, and the clip lasts 1.2 seconds."
    }
