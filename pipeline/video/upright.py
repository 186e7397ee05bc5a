"""Frames of a foreign video as a player shows them: turned upright, of square pixels, HDR as BT.709."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.cut import SQUARE_TOLERANCE, quarter_turns, upright
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
        wide = flat.width if self.aspect == 1 else max(2, round(flat.width * self.aspect))
        pixels: np.ndarray = upright(flat, self._scaler, (wide, flat.height), turns).to_ndarray(
            format="rgb24"
        )
        return pixels
