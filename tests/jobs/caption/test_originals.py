"""Original captions in ``captions/``: typed rows that no other model's run takes away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.config import CaptionConfig
from jobs.caption import command as caption
from jobs.caption.originals import original_captions
from jobs.caption.rows import caption_row, made_with, row_made, write_part
from jobs.core.run import open_run
from jobs.imports.results import imported_row
from jobs.shards import pack
from pipeline import schema as s
from pipeline.config import PackConfig
from pipeline.shards.read import open_manifest
from tests.helpers import caption_media as media

ENGLISH, GERMAN = "A red ball rolls away", "Der Ball rollt und der Hund läuft mit dem Kind"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media.make_run_folder(tmp_path / "run", clips=4)
    set_originals(tmp_path / "run", [ENGLISH, ENGLISH, GERMAN, None])
    return tmp_path / "run"


def set_originals(folder: Path, texts: list[str | None]) -> None:
    path = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(path)
    at = table.column_names.index(s.CAPTION_ORIGINAL)
    pq.write_table(table.set_column(at, s.CAPTION_ORIGINAL, pa.array(texts, pa.string())), path)


def answer(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of Ray's workers: every caption that is asked for is answered. Returns how many each run asked for."""
    from captioner.backends.base import Reply, model_id
    from captioner.check.outcome import check_reply

    asked: list[int] = []

    def ask(config: CaptionConfig, folder: Path, work: list[dict[str, Any]]) -> Any:
        rows = []
        for clip in work:
            for kind in clip["kinds"].split(","):
                reply = Reply(
                    clip_id=clip[s.CLIP_ID], kind=kind, frames_hash="f" * 16, text=f"A {kind} one."
                )
                made = made_with(config, model_id(config), clip)[kind]
                rows.append(caption_row((clip[s.CLIP_ID], kind), check_reply(reply), made, []))
        write_part(folder / "captions", rows)
        asked.append(len(rows))
        return {name: 0 for name in caption.COUNTS} | {"rows": len(rows), "tries": len(rows)}

    monkeypatch.setattr(caption, "ask", ask)
    return asked


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [
        r
        for p in sorted((folder / "captions").glob("part-*"))
        for r in pq.read_table(p).to_pylist()
    ]
    found = {(row[s.CLIP_ID], row[s.KIND]): row for row in rows}
    assert len(found) == len(rows), "one row per clip and kind"
    return found


def test_originals_are_rows_that_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answer(monkeypatch)
    result = caption.run(CaptionConfig(), open_run(folder))
    assert (result.rows, result.ok, result.originals) == (8, 8, 3)
    assert "3 captions came with the sources: 2 ok, 1 off_language" in capsys.readouterr().out
    before = rows_of(folder)
    assert len(before) == 11
    row = before["clip000", "original"]
    assert (row[s.TEXT], row[s.MODEL], row[s.OUTCOME], row[s.CHECKS]) == (
        ENGLISH,
        "source",
        "ok",
        [],
    )
    assert before["clip002", "original"][s.CHECKS] == ["off_language"]

    # other captions: these are the same
    caption.run(CaptionConfig(seed=7, kinds=("dense",)), open_run(folder))
    after = rows_of(folder)
    assert asked == [8, 4]
    assert {k: v for k, v in after.items() if k[1] == "original"} == {
        k: v for k, v in before.items() if k[1] == "original"
    }

    set_originals(folder, ["A blue ball", None, GERMAN, "New"])
    caption.run(CaptionConfig(seed=7, kinds=("dense",)), open_run(folder))
    assert asked == [8, 4], "no model is asked for them"
    texts = {k[0]: v[s.TEXT] for k, v in rows_of(folder).items() if k[1] == "original"}
    assert texts == {"clip000": "A blue ball", "clip002": GERMAN, "clip003": "New"}, (
        "that of clip001 was withdrawn, and would be packed"
    )


def test_originals_are_judged_anew_for_another_language(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was said was of the new language, what was stored and packed of the old one."""
    facts = CaptionConfig(kinds=("facts",), model="none")
    for language, outcomes in (("en", "ok ok off_language"), ("de", "ok ok ok"),
                               ("en", "ok ok off_language")):  # fmt: skip
        caption.run(replace(facts, language=language), open_run(folder))
        found = [row for key, row in sorted(rows_of(folder).items()) if key[1] == "original"]
        assert " ".join(row[s.OUTCOME] for row in found) == outcomes
        said = capsys.readouterr()
        assert ("captions of kind facts are in English" in said.err) == (language == "de")
    assert imported_row(("clip000", "original"), GERMAN, "de")[s.OUTCOME] == "ok"
    assert row_made(imported_row(("clip000", "original"), GERMAN, "de")) == (
        original_captions(open_run(folder).kept_clips(), "de")["clip002", "original"].made
    )


def test_shards_take_those_that_are_usable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch)
    caption.run(CaptionConfig(), open_run(folder))
    pack.run(PackConfig(), open_run(folder))
    shards = open_manifest(folder)
    assert [shards.caption(i, "original") for i in range(4)] == [ENGLISH, ENGLISH, None, None]
    pack.run(PackConfig(kinds=("dense",)), open_run(folder))
    assert not any(open_manifest(folder).caption(i, "original") for i in range(4))


def test_a_manifest_of_an_earlier_version_has_none(folder: Path) -> None:
    table = pq.read_table(folder / "manifest" / "part-00000.parquet")
    assert len(original_captions(table)) == 3
    assert original_captions(table.drop_columns([s.CAPTION_ORIGINAL])) == {}
