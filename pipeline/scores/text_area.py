"""Text in the picture: how much of it is text, from rapidocr's detector, and what its recogniser can read for sure.

The weights of both come in its wheel. A frame of 480 pixels took the detector 43 ms of one core; at its own default
size it took ten times as long and found text in bed covers and snow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

SIDE = 480
"""Longer side of what the detector sees, pixels; smaller frames are not scaled up."""
SURE = 0.55
"""Confidence from which a box counts."""
TALLEST = 0.35
"""Least height of a box, as a share of the frame's, at which it is no line of text; such boxes held a rabbit."""
LEGIBLE = 0.9
"""Confidence of the recogniser from which a line counts as read."""
LEAST_LETTERS = 3
"""Letters or digits that a line must have: shorter ones were fence posts and window frames."""
MOST_LINES = 6
"""Lines that are kept of a clip, those with the largest letters."""
UPRIGHT = 1.2
"""Least width of a line over its height: narrower ones may be turned, and turned text is misread."""


@dataclass(frozen=True, kw_only=True)
class TextFound:
    """What is known of the text in a clip."""

    area: float
    """Share of the picture, in [0, 1], that text covers in the frame where it covers most."""
    lines: tuple[str, ...]
    """Lines that can be read: with confidence, alike in two frames and nowhere longer; the largest letters first."""


class TextDetector:
    """Finds lines of text in frames and reads them, on one thread."""

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

    def read(self, frame: np.ndarray, box: np.ndarray) -> tuple[str, float]:
        """(text, confidence in [0, 1]) of the line in a box (4, 2) of uint8 RGB (h, w, 3), the box straightened out."""
        from PIL import Image

        width, height = _size(box)
        corners = [float(value) for i in (0, 3, 2, 1) for value in box[i]]
        line = Image.fromarray(frame).transform(
            (max(1, round(width)), max(1, round(height))),
            Image.Transform.QUAD,
            corners,
            Image.Resampling.BILINEAR,
        )
        found: Any = self._engine(
            np.ascontiguousarray(np.asarray(line)[..., ::-1]),
            use_det=False,
            use_cls=False,
            use_rec=True,
        )
        if not found.txts:
            return "", 0.0
        return " ".join(found.txts[0].split()), float(found.scores[0])


def find_text(detector: TextDetector, samples: np.ndarray, frames: int) -> TextFound:
    """Text of a clip by ``frames`` of its uint8 RGB samples (k, h, w, 3), spread evenly over them.

    A line that is read in one of them must be read letter by letter in one of its neighbours among the samples, too,
    and be no part of a longer line of any sample.
    """
    from pipeline.video.decode import sample_indices

    looks: dict[int, tuple[np.ndarray, dict[str, tuple[str, float]]]] = {}

    def look(i: int) -> tuple[np.ndarray, dict[str, tuple[str, float]]]:
        """Boxes and lines of a sample; pictures that are the same are looked at once."""
        i = next(j for j in range(i + 1) if np.array_equal(samples[j], samples[i]))
        if i not in looks:
            boxes = detector.boxes(samples[i])
            looks[i] = boxes, legible_lines(detector, samples[i], boxes)
        return looks[i]

    sure: dict[str, tuple[str, float]] = {}
    chosen = list(sample_indices(len(samples), frames))
    areas = [coverage(look(i)[0], samples.shape[1:3]) for i in chosen]
    for i in chosen:
        near = [j for j in (i + 1, i - 1) if 0 <= j < len(samples)]
        for letters, line in look(i)[1].items():
            if letters not in sure and (not near or any(letters in look(j)[1] for j in near)):
                sure[letters] = line
    if sure:  # something may stand before a line and hide its end: PETROBRA
        seen = {letters for i in range(len(samples)) for letters in look(i)[1]}
        sure = {
            letters: line
            for letters, line in sure.items()
            if not any(letters != longer and letters in longer for longer in seen)
        }
    found = sorted(sure.values(), key=lambda line: -line[1])
    return TextFound(area=max(areas), lines=tuple(text for text, _ in found[:MOST_LINES]))


def legible_lines(
    detector: TextDetector, frame: np.ndarray, boxes: np.ndarray
) -> dict[str, tuple[str, float]]:
    """Letters and digits of each line that is read for sure -> (line, height of its box in pixels)."""
    found: dict[str, tuple[str, float]] = {}
    for box in boxes:
        width, height = _size(box)
        if width < UPRIGHT * height:
            continue
        text, sure = detector.read(frame, box)
        letters = "".join(re.findall(r"[^\W_]", text.lower()))
        if sure >= LEGIBLE and len(letters) >= LEAST_LETTERS and len(set(letters)) > 1:
            found.setdefault(letters, (text, height))
    return found


def _size(box: np.ndarray) -> tuple[float, float]:
    """Width and height of a box (4, 2) whose corners go round from the top left, pixels."""
    return float(np.hypot(*(box[1] - box[0]))), float(np.hypot(*(box[3] - box[0])))


def coverage(boxes: np.ndarray, size: tuple[int, ...]) -> float:
    """Share of a frame of ``size`` (h, w) that lies in any of the ``boxes`` (n, 4, 2)."""
    from PIL import Image, ImageDraw

    height, width = size
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        draw.polygon([(float(x), float(y)) for x, y in box], fill=1)
    return float(np.asarray(picture).mean())
