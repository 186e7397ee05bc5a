"""The shot detector's small temporal network, run by numpy: which frames start a shot, which are mixed, and how.

A stack of dilated convolutions over time, as in the video segmentation nets of Lea et al. (Temporal Convolutional
Networks for Action Segmentation and Detection, CVPR 2017, section 3), on the columns of ``signatures.compare``. Weights
and what they were trained on: ``weights/shots/CARD.md``. Numpy does it as fast as torch at this size, and the child
that decodes need not load torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.shots.signatures import CELL_LAGS, COLUMNS, LAGS, PROFILE_LAGS, WIPES

WEIGHTS = Path(__file__).parents[1] / "weights" / "shots" / "shots.safetensors"
BLENDS = tuple(lag for lag in LAGS if 2 * lag in LAGS)
"""Half-lengths in frames of the blends tested."""
INPUTS = COLUMNS + 2 * len(BLENDS)
"""Channels that go into the net."""
DILATIONS = (1, 2, 4, 8, 16, 1)
"""Steps in frames between the three taps of each convolution."""
OUTPUTS = ("cut", "mixed", "dissolve", "wipe", "fade")
"""Logits per frame: starts a shot; is mixed; and of what kind of mix it is."""
REACH = max(LAGS) + sum(DILATIONS) + 4
"""Frames on either side of a frame that its outputs depend on, at most."""
_WINDOW = 1024


def _middles() -> np.ndarray:
    """(COLUMNS,) by how many frames each column is looked up later, so that it is about the frame in its middle."""
    lags = [(lag - 1) // 2 for lag in LAGS]
    cells = [(lag - 1) // 2 for lag in CELL_LAGS for _ in range(8)]
    profiles = [(lag - 1) // 2 for lag in PROFILE_LAGS] * 2
    wipes = [half for half in WIPES for _ in range(2)]
    return np.array([*lags * 3, *cells, *profiles, *wipes, 0, 0, 0, 0])


def inputs(columns: np.ndarray) -> np.ndarray:
    """The net's channels from ``signatures.compare``'s columns (n, COLUMNS); float32 (n, INPUTS).

    Every distance moves to the frame in its middle. Added: how badly the picture in between fits a mix of the outer
    two, and at what weight, from the three distances between them (the triangle's altitude and its foot).
    """
    n = len(columns)
    frame = np.arange(n)
    parts = [columns[np.minimum(frame[:, None] + _middles(), n - 1), np.arange(COLUMNS)]]
    pictures = columns[:, 2 * len(LAGS) : 3 * len(LAGS)] ** 2
    for half in BLENDS:
        short, long = LAGS.index(half), LAGS.index(2 * half)
        end = np.minimum(frame + half, n - 1)
        first, second = pictures[frame, short], pictures[end, short]
        whole = pictures[end, long] + 2e-4
        weight = np.clip((whole + first - second) / (2 * whole), -0.5, 1.5)
        left = np.maximum(first - weight**2 * whole, 0) / whole
        parts.append(np.stack([np.sqrt(np.minimum(left, 2)), weight], axis=1))
    return np.concatenate(parts, axis=1)


@cache
def load_weights(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """Weights as float32 arrays by name."""
    from safetensors.numpy import load_file

    return {name: value.astype(np.float32) for name, value in load_file(path).items()}


def run_net(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Logits (n, len(OUTPUTS)) of channels (n, INPUTS)."""
    h = np.maximum(x @ weights["in.weight"].T + weights["in.bias"], 0)
    for k, step in enumerate(DILATIONS):
        kernel = weights[f"conv{k}.weight"]
        padded = np.pad(h, ((step, step), (0, 0)))
        n = len(h)
        out = sum(padded[i * step : i * step + n] @ kernel[:, :, i].T for i in range(3))
        h = h + np.maximum(out + weights[f"conv{k}.bias"], 0)
    return h @ weights["out.weight"].T + weights["out.bias"]


class ShotNet:
    """Runs the net over a file that arrives in chunks, in bounded memory."""

    def __init__(self) -> None:
        self._weights = load_weights()
        self._kept = np.empty((0, COLUMNS), np.float32)
        self._start = 0
        """Frame of the file that ``_kept`` starts with."""
        self._done = 0
        """Frames whose outputs have been given."""

    def add(self, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Take the next columns (n, COLUMNS); yields logits (k, len(OUTPUTS)) of the frames that are now certain."""
        self._kept = np.concatenate([self._kept, columns])
        while self._start + len(self._kept) >= self._done + _WINDOW + REACH:
            yield self._outputs(self._done + _WINDOW)

    def finish(self) -> np.ndarray:
        """Logits of the frames that are left at the end of the file."""
        return self._outputs(self._start + len(self._kept))

    def _outputs(self, stop: int) -> np.ndarray:
        used = self._kept[: stop + REACH - self._start]
        logits = run_net(inputs(used), self._weights)[self._done - self._start : stop - self._start]
        self._done = stop
        first = max(0, stop - REACH)
        self._kept, self._start = self._kept[first - self._start :], first
        return logits
