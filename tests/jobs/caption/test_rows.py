"""Rows of ``captions/``: one per clip and kind, never lost by a kill, renewed exactly when what made them changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from captioner.backends.base import Reply
from captioner.check.outcome import check_reply
from captioner.config import CaptionConfig
from jobs.caption import rows as caption_rows
from jobs.caption.rows import (
    answered,
    caption_row,
    made_with,
    row_made,
    stored,
    tidy,
    write_part,
)
from pipeline import schema as s
from pipeline.tables import captions_schema

CONFIG = CaptionConfig()
CLIP = {s.VIDEO_XXH3: "0123456789abcdef" * 2}
MADE = ("model", "prompt", "f" * 16, "sampling", 7)
TOLD = [{s.FACT_CLAUSE: "the camera is still", s.FACT_COLUMNS: [s.CAMERA]}]
OTHER = ("model", "prompt", "f" * 16, "sampling", 8)


def row(
    clip: str, kind: str = "short", text: str = "A dog runs.", made: Any = MADE, error: str = ""
) -> dict[str, Any]:
    reply = Reply(
        clip_id=clip, kind=kind, text=None if error else text, finish=None if error else "stop",
        error=error or None, frames_hash="e" * 32,
    )  # fmt: skip
    return caption_row((clip, kind), check_reply(reply), made, TOLD)


def read(folder: Path) -> list[dict[str, Any]]:
    parts = sorted(folder.glob("part-*.parquet"))
    return [line for part in parts for line in pq.ParquetFile(part).read().to_pylist()]


def test_a_row_says_what_it_was_made_with() -> None:
    line = row("a")
    assert row_made(line) == MADE
    assert line[s.FRAMES_HASH] == "f" * 16 + "e" * 16
    assert (line[s.CLIP_ID], line[s.KIND], line[s.TEXT]) == ("a", "short", "A dog runs.")
    assert (line[s.OUTCOME], line[s.CHECKS], line[s.ERROR_MESSAGE]) == ("ok", [], None)
    failed = row("a", error="timeout: 5 s")
    assert (failed[s.OUTCOME], failed[s.TEXT]) == ("error", None)
    assert failed[s.ERROR_MESSAGE] == "timeout: 5 s"
    assert row_made({**line, s.FRAMES_HASH: None})[2] == ""
    assert (line[s.HINTS], line[s.FACTS]) == (["the camera is still"], TOLD)


@pytest.mark.parametrize(
    ("change", "clip"),
    [
        ({"seed": 1}, CLIP),
        ({"temperature": 0.9}, CLIP),
        ({"max_new_tokens": 11}, CLIP),
        ({"frames": 3}, CLIP),
        ({"frame_side": 100}, CLIP),
        ({"shown_as": "video"}, CLIP),
        ({"prompts": {"short": "Other {frames}"}}, CLIP),
        ({}, {s.VIDEO_XXH3: "f" * 32}),
        ({}, {**CLIP, caption_rows.HINTED: '[{"clause": "it is dark", "columns": []}]'}),
    ],
    ids=str,
)
def test_whatever_changes_an_answer_makes_it_another(change: dict[str, Any], clip: Any) -> None:
    """A caption that is not asked anew after such a change is another model's or another clip's."""
    before = made_with(CONFIG, "model", CLIP)
    after = made_with(dataclasses.replace(CONFIG, **change), "model", clip)
    assert set(before) == set(after) == set(CONFIG.kinds)
    assert before["short"] != after["short"]
    assert made_with(CONFIG, "other", CLIP)["short"] != before["short"]
    assert made_with(dataclasses.replace(CONFIG, batch_size=1), "model", CLIP) == before


def test_a_reply_that_was_judged_for_another_language_is_another() -> None:
    """One's own prompt, or that of a tuned model, names no language; what was ``off_language`` stayed so for good."""
    own = dataclasses.replace(CONFIG, prompts={kind: "Describe {frames}" for kind in CONFIG.kinds})
    german = dataclasses.replace(own, language="de")
    for kind, made in made_with(own, "model", CLIP).items():
        assert made_with(german, "model", CLIP)[kind] != made


def test_a_part_is_named_by_what_it_says_and_sorted(tmp_path: Path) -> None:
    lines = [row("b"), row("a", "short"), row("a", "dense")]
    path = write_part(tmp_path, lines)
    assert write_part(tmp_path, lines[::-1]) == path, "the same rows in any order are one part"
    assert [(line[s.CLIP_ID], line[s.KIND]) for line in read(tmp_path)] == [
        ("a", "dense"),
        ("a", "short"),
        ("b", "short"),
    ]
    others = [
        write_part(tmp_path, [row("b", text="A cat."), *lines[1:]]),
        write_part(tmp_path, [row("b", made=OTHER), *lines[1:]]),
        write_part(tmp_path, [row("c"), *lines[1:]]),
        write_part(tmp_path, lines[1:]),
    ]
    assert len({path, *others}) == 5
    assert pq.read_schema(path).equals(captions_schema())


def test_an_answer_counts_when_it_was_made_with_what_is_wanted(tmp_path: Path) -> None:
    write_part(tmp_path, [row("a"), row("b", made=OTHER), row("c", error="timeout"), row("d")])
    wanted = {(clip, "short"): MADE for clip in "abc"} | {("e", "short"): MADE}
    assert answered(tmp_path, wanted) == {("a", "short")}
    assert answered(tmp_path / "none", wanted) == set()


def test_listing_reads_no_texts(tmp_path: Path) -> None:
    path = write_part(tmp_path, [row("a"), row("b")])
    found = list(stored(tmp_path))
    assert [(part, number) for part, number, _ in found] == [(path, 0), (path, 1)]
    assert not {s.TEXT, s.RAW_TEXT, s.CHECKS, s.HINTS, s.FACTS} & set(found[0][2])


def test_tidy_leaves_the_best_row_of_each_key(tmp_path: Path) -> None:
    write_part(tmp_path, [row("a", text="Old.", made=OTHER), row("b", error="timeout: x")])
    write_part(tmp_path, [row("a", text="New dog."), row("b", text="Answered now.")])
    write_part(tmp_path, [row("c", error="timeout: y")])
    write_part(tmp_path, [row("unwanted", made=OTHER, text="Kept as it is.")])
    wanted = {(clip, "short"): MADE for clip in "abc"}
    assert tidy(tmp_path, wanted) == 4
    assert len(list(tmp_path.glob("part-*"))) == 1
    assert {line[s.CLIP_ID]: line[s.TEXT] for line in read(tmp_path)} == {
        "a": "New dog.",
        "b": "Answered now.",
        "c": None,
        "unwanted": "Kept as it is.",
    }
    stamps = [path.stat().st_mtime_ns for path in tmp_path.iterdir()]
    assert tidy(tmp_path, wanted) == 4
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == stamps, "nothing to do"


def test_tidy_drops_a_wanted_row_that_was_made_with_something_else(tmp_path: Path) -> None:
    """It would be packed as this prompt's caption."""
    write_part(tmp_path, [row("a", made=OTHER), row("b")])
    assert tidy(tmp_path, {("a", "short"): MADE, ("b", "short"): MADE}) == 1
    assert [line[s.CLIP_ID] for line in read(tmp_path)] == ["b"]


def test_tidy_of_a_killed_tidy_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New parts are there before old ones go: a kill at the first removal leaves doubles, never gaps."""
    monkeypatch.setattr(caption_rows, "PART_ROWS", 2)
    for clip in "abcde":
        write_part(tmp_path, [row(clip), row(clip, "dense")])
    write_part(tmp_path, [row("a", text="Twice.")])
    wanted = {(clip, kind): MADE for clip in "abcde" for kind in ("short", "dense")}

    def killed(self: Path, **_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            tidy(tmp_path, wanted)
    assert {(line[s.CLIP_ID], line[s.KIND]) for line in read(tmp_path)} == set(wanted)
    assert tidy(tmp_path, wanted) == 10
    keys = [(line[s.CLIP_ID], line[s.KIND]) for line in read(tmp_path)]
    assert len(keys) == 10 and set(keys) == set(wanted)
    assert len(list(tmp_path.glob("part-*"))) == 5
