"""The Ray Data stage between splitting and embedding: scores that small networks read off a few frames of a clip.

It is a stage of its own because it keeps a core busy for as long as CLIP does, and scales by itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from jobs.ingest.stages import BODY, CLIP, KIND, SAMPLES, SHAPE
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.scores.scorer import FunctionScorer, Scorer, apply_scorers, make_named

if TYPE_CHECKING:
    import pyarrow as pa


def wanted(config: IngestConfig) -> bool:
    """Whether there is anything for this stage to do."""
    return bool(config.text_frames or config.nsfw or make_named(config.scorers, "samples"))


class FrameScorer:
    """Ray actor: adds text area, legible text, NSFW score and named scores to clip rows; other rows pass through."""

    def __init__(self, config: IngestConfig) -> None:
        self.scorers: list[Scorer] = []
        if config.text_frames:
            from pipeline.scores.text_area import TextDetector, find_text

            detector = TextDetector()

            def text(samples: np.ndarray) -> dict[str, object]:
                found = find_text(detector, samples, config.text_frames)
                return {s.TEXT_AREA: found.area, s.LEGIBLE_TEXT: list(found.lines)}

            self.scorers.append(FunctionScorer((s.TEXT_AREA, s.LEGIBLE_TEXT), "samples", text))
        if config.nsfw:
            from pipeline.scores.nsfw import NsfwDetector

            nsfw = NsfwDetector()
            self.scorers.append(
                FunctionScorer((s.NSFW,), "samples", lambda samples: {s.NSFW: nsfw(samples)})
            )
        self.scorers += make_named(config.scorers, "samples")

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        bodies = []
        for kind, body, samples, shape in zip(
            *(batch[name].to_pylist() for name in (KIND, BODY, SAMPLES, SHAPE)), strict=True
        ):
            if kind == CLIP:
                row = json.loads(body)
                frames = np.frombuffer(samples, np.uint8).reshape(json.loads(shape))
                apply_scorers(self.scorers, frames, row)
                body = json.dumps(row)
            bodies.append(body)
        place = batch.schema.get_field_index(BODY)
        return batch.set_column(place, BODY, pa.array(bodies, pa.string()))
