"""Scorers of one's own: named in a recipe, shown what they ask for, and a failure costs their own columns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.scores.scorer import FunctionScorer, apply_scorers, make_named, named_columns
from pipeline.source.clips import ClipRecord, clip_source
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import scene, to_uint8

MODULE = """
import numpy as np

class Pairs:
    columns = ("pair_gap", "pair_count")
    needs = "neighbours"
    def __call__(self, pairs):
        gap = np.abs(pairs[:, 0].astype(int) - pairs[:, 1]).mean()
        return {"pair_gap": np.float32(gap), "pair_count": float(len(pairs))}

class Length:
    columns = ("length",)
    needs = "passage"
    def __call__(self, seen):
        return {"length": float(seen.stop - seen.first)}

class Broken:
    columns = ("broken",)
    needs = "passage"
    def __call__(self, seen):
        raise KeyError("gone")

class Frames:
    columns = ("frames_mean",)
    needs = "samples"
    def __call__(self, frames):
        return {"frames_mean": float("nan")}

class NoNeeds:
    columns = ("x",)

class Taken:
    columns, needs = ("blur",), "samples"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "scorers_of_a_test.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield "scorers_of_a_test"
    sys.modules.pop("scorers_of_a_test", None)


def test_each_is_shown_what_it_asks_for(module: str, tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", list(to_uint8(scene(1, 40, speed=3))))
    names = tuple(f"{module}:{kind}" for kind in ("Pairs", "Length", "Broken", "Frames"))
    config = IngestConfig(scorers=names, text_frames=0)
    (record,) = [r for r in clip_source(str(path), config, 4) if isinstance(r, ClipRecord)]
    row = record.row
    gap = record.extra.pop("pair_gap")
    assert isinstance(gap, float) and gap > 1
    assert record.extra == {"pair_count": 4.0, "length": 40.0, "broken": None}, "no other stage's"
    assert row[s.ERROR] == "broken: key: 'gone'"
    assert row[s.BLUR] is not None
    assert record.samples.shape[0] == 4
    assert named_columns(names) == ("pair_gap", "pair_count", "length", "broken", "frames_mean")
    assert len(make_named(names, "samples")) == 1


def test_what_is_no_scorer_is_refused(module: str):
    with pytest.raises(ValueError, match="must state columns"):
        named_columns((f"{module}:NoNeeds",))
    with pytest.raises(ValueError, match="column 'blur' already"):
        named_columns((f"{module}:Taken",))
    with pytest.raises(ValueError, match="column 'length' already"):
        named_columns((f"{module}:Length", f"{module}:Length"))
    with pytest.raises(ValueError, match="has no 'Nothing'"):
        named_columns((f"{module}:Nothing",))


def test_values_are_plain_and_notes_add_up():
    def broken(_: object) -> dict[str, object]:
        raise RuntimeError("no memory")

    row: dict[str, object] = {s.ERROR: "before"}
    scorers = [
        FunctionScorer(("a", "b"), "samples", lambda _: {"a": np.float32(0.5), "b": float("nan")}),
        FunctionScorer(("c",), "samples", lambda _: {}),
        FunctionScorer(("d", "e"), "samples", broken),
    ]
    apply_scorers(scorers, None, row)
    assert row == {
        "a": 0.5, "b": None, "c": None, "d": None, "e": None,
        s.ERROR: "before; d: runtime: no memory",
    }  # fmt: skip
    assert type(row["a"]) is float


def test_a_record_takes_numbers_alone_from_a_child_that_may_be_hostile(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", list(to_uint8(scene(1, 30))))
    config = IngestConfig(text_frames=0)
    (record,) = [r for r in clip_source(str(path), config, 2) if isinstance(r, ClipRecord)]
    for extra in ({"x": "words"}, {s.BLUR: 1.0}, {"x": True}):
        with pytest.raises(ValueError, match="no number of a scorer's own"):
            ClipRecord(row=record.row, samples=record.samples, extra=extra)  # type: ignore[arg-type]
