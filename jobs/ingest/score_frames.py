"""The Ray Data stage between splitting and embedding: scores that small networks read off a few frames of a clip.

It is a stage of its own because it keeps a core busy for as long as CLIP does, and scales by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.ingest.stages import BODY, CLIP, KIND, SAMPLES, SHAPE
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.video.probe import media_type

if TYPE_CHECKING:
    import pyarrow as pa


def wanted(config: IngestConfig) -> bool:
    """Whether there is anything for this stage to do."""
    return config.text_frames > 0 or config.nsfw


class FrameScorer:
    """Ray actor: adds text area and NSFW score to clip rows; other rows pass through."""

    def __init__(self, config: IngestConfig) -> None:
        self.measures: dict[str, Callable[[np.ndarray], float]] = {}
        if config.text_frames:
            from pipeline.scores.text_area import TextDetector, text_area

            detector = TextDetector()
            self.measures[s.TEXT_AREA] = lambda samples: text_area(
                detector, samples, config.text_frames
            )
        if config.nsfw:
            from pipeline.scores.nsfw import NsfwDetector

            self.measures[s.NSFW] = NsfwDetector()

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        bodies = []
        for kind, body, samples, shape in zip(
            *(batch[name].to_pylist() for name in (KIND, BODY, SAMPLES, SHAPE)), strict=True
        ):
            if kind == CLIP:
                row = json.loads(body)
                self.score(row, np.frombuffer(samples, np.uint8).reshape(json.loads(shape)))
                body = json.dumps(row)
            bodies.append(body)
        place = batch.schema.get_field_index(BODY)
        return batch.set_column(place, BODY, pa.array(bodies, pa.string()))

    def score(self, row: dict[str, Any], samples: np.ndarray) -> None:
        """Add the scores to ``row`` in place; one that fails is None, and ``error`` says which and why."""
        for name, measure in self.measures.items():
            try:
                row[name] = measure(samples)
            except (
                Exception
            ) as error:  # row boundary: whatever a network's runtime raises costs one score
                row[name] = None
                note = f"{name}: {media_type(error)}: {error}"
                row[s.ERROR] = "; ".join(filter(None, [row.get(s.ERROR), note]))
