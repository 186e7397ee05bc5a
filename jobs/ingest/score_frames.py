"""The Ray Data stage between splitting and embedding: scores that small networks read off a few frames of a clip.

It is a stage of its own because it keeps a core busy for as long as CLIP does, and scales by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
    """Ray actor: adds text area, legible text and NSFW score to clip rows; other rows pass through."""

    def __init__(self, config: IngestConfig) -> None:
        self.measures: dict[tuple[str, ...], Callable[[np.ndarray], Mapping[str, object]]] = {}
        if config.text_frames:
            from pipeline.scores.text_area import TextDetector, find_text

            detector = TextDetector()

            def text(samples: np.ndarray) -> dict[str, object]:
                found = find_text(detector, samples, config.text_frames)
                return {s.TEXT_AREA: found.area, s.LEGIBLE_TEXT: list(found.lines)}

            self.measures[s.TEXT_AREA, s.LEGIBLE_TEXT] = text
        if config.nsfw:
            from pipeline.scores.nsfw import NsfwDetector

            nsfw = NsfwDetector()
            self.measures[(s.NSFW,)] = lambda samples: {s.NSFW: nsfw(samples)}

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
        for names, measure in self.measures.items():
            try:
                row |= measure(samples)
            except (
                Exception
            ) as error:  # row boundary: whatever a network's runtime raises costs one score
                row |= dict.fromkeys(names)
                note = f"{names[0]}: {media_type(error)}: {error}"
                row[s.ERROR] = "; ".join(filter(None, [row.get(s.ERROR), note]))
