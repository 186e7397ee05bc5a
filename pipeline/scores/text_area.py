"""How much of the picture is text: boxes around lines of it, from rapidocr's detector; nothing is read.

The detector's weights come in its wheel. A frame of 480 pixels took 43 ms of one core; at the detector's own default
size it took ten times as long and found text in bed covers and snow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE = 480
"""Longer side of what the detector sees, pixels; smaller frames are not scaled up."""
SURE = 0.55
"""Confidence from which a box counts."""
TALLEST = 0.35
"""Least height of a box, as a share of the frame's, at which it is no line of text; such boxes held a rabbit."""


class TextDetector:
    """Finds lines of text in frames, on one thread."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": SIDE,
            }
        )

    def boxes(self, frame: np.ndarray) -> np.ndarray:
        """Corners of the lines of text in uint8 RGB (h, w, 3): float32 (n, 4, 2), x and y in pixels."""
        found: Any = self._engine(
            np.ascontiguousarray(frame[..., ::-1]), use_det=True, use_cls=False, use_rec=False
        )
        if found.boxes is None:
            return np.empty((0, 4, 2), dtype=np.float32)
        boxes = np.asarray(found.boxes, dtype=np.float32)
        heights = np.hypot(*np.moveaxis(boxes[:, 3] - boxes[:, 0], -1, 0))
        widths = np.hypot(*np.moveaxis(boxes[:, 1] - boxes[:, 0], -1, 0))
        lines = np.minimum(heights, widths) <= TALLEST * min(frame.shape[:2])
        return boxes[lines & (np.asarray(found.scores) >= SURE)]


def text_area(detector: TextDetector, samples: np.ndarray, frames: int) -> float:
    """Share of the picture, in [0, 1], that text covers where it covers most of ``frames`` of the samples.

    ``samples`` are uint8 RGB (k, h, w, 3); the frames looked at are spread evenly over them.
    """
    from pipeline.video.decode import sample_indices

    return max(
        coverage(detector.boxes(samples[i]), samples.shape[1:3])
        for i in sample_indices(len(samples), frames)
    )


def coverage(boxes: np.ndarray, size: tuple[int, ...]) -> float:
    """Share of a frame of ``size`` (h, w) that lies in any of the ``boxes`` (n, 4, 2)."""
    from PIL import Image, ImageDraw

    height, width = size
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        draw.polygon([(float(x), float(y)) for x, y in box], fill=1)
    return float(np.asarray(picture).mean())
