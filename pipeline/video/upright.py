"""Frames of a foreign video as a player shows them: turned upright, of square pixels, HDR as BT.709."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.cut import SQUARE_TOLERANCE, quarter_turns
from pipeline.video.hdr import ToneMapper

if TYPE_CHECKING:
    import av


class Upright:
    """Frames of one stream to uint8 RGB (H, W, 3); MediaError for one that is turned by no quarter turn."""

    def __init__(self, stream: av.video.stream.VideoStream) -> None:
        from av.video.reformatter import VideoReformatter

        aspect = float(stream.sample_aspect_ratio or 1)
        self.aspect = 1.0 if abs(aspect - 1) <= SQUARE_TOLERANCE else aspect
        self._tone, self._scaler = ToneMapper(), VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame as it is shown."""
        turns, flat = quarter_turns(frame), self._tone(frame)
        if self.aspect != 1:
            wide = max(2, round(flat.width * self.aspect))
            flat = self._scaler.reformat(
                flat, wide, flat.height, "rgb24", interpolation="BICUBIC", threads=1
            )
        pixels: np.ndarray = flat.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels
