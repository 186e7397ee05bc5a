"""Frame scores are added to clips, to nothing else, and a failure costs one score."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from jobs.ingest.command import check_config
from jobs.ingest.score_frames import FrameScorer, wanted
from jobs.ingest.stages import BODY, CLIP, END, stage_row
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.scores.scorer import FunctionScorer
from tests.helpers.moving_scenes import scene, to_uint8


def batch_of(*rows: dict) -> pa.Table:
    return pa.concat_tables([pa.table(row) for row in rows])


def test_scores_of_clips_and_of_nothing_else() -> None:
    samples = to_uint8(scene(1, 3))
    batch = batch_of(
        stage_row(CLIP, 0, {s.CLIP_ID: "a"}, samples), stage_row(END, 0, {s.N_CLIPS: 1})
    )
    out = FrameScorer(IngestConfig(text_frames=1))(batch)
    assert out.column_names == batch.column_names
    first, second = (json.loads(body) for body in out[BODY].to_pylist())
    assert first == {s.CLIP_ID: "a", s.TEXT_AREA: 0.0, s.LEGIBLE_TEXT: []}
    assert second == {s.N_CLIPS: 1}


def test_a_failure_is_null_and_a_note() -> None:
    def broken(_: np.ndarray) -> dict[str, object]:
        raise RuntimeError("no memory")

    scorer = FrameScorer(IngestConfig(text_frames=0))
    scorer.scorers = [
        FunctionScorer((s.TEXT_AREA, s.LEGIBLE_TEXT), "samples", broken),
        FunctionScorer((s.NSFW,), "samples", lambda samples: {s.NSFW: 0.25}),
    ]
    out = scorer(
        batch_of(stage_row(CLIP, 0, {s.ERROR: "blur: x"}, np.zeros((1, 8, 8, 3), np.uint8)))
    )
    row = json.loads(out[BODY][0].as_py())
    assert row[s.LEGIBLE_TEXT] is None
    assert row[s.TEXT_AREA] is None and row[s.NSFW] == 0.25
    assert row[s.ERROR] == "blur: x; text_area: runtime: no memory"


def test_the_stage_is_left_out_when_nothing_is_asked() -> None:
    assert wanted(IngestConfig())
    assert not wanted(IngestConfig(text_frames=0))
    assert wanted(IngestConfig(text_frames=0, nsfw=True))


def test_settings_are_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.core.errors import UserError

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'filmstock\[nsfw\]'"):
        check_config(IngestConfig(nsfw=True))
