"""Shots of a file from what the net says of its frames: cuts, and the spans of dissolves, wipes and fades.

Flashes, exposure, pans, shake, text and pictures in the picture are the net's to know (``shot_net``). Here its
probabilities become boundaries: a peak of "starts a shot" is a cut, a run of "is mixed" is one gradual transition, and
its ends are the transition's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.shots.net import OUTPUTS

EDGE = 3
"""Frames that a file must show before and after a gradual transition: with fewer there is nothing that it mixes."""


@dataclass(frozen=True, kw_only=True)
class ShotConfig:
    """Thresholds of the detector, probabilities in [0, 1]."""

    cut: float = 0.5
    """From which a frame starts a new shot."""
    gradual: float = 0.8
    """That one frame of a gradual transition must reach."""
    mixed: float = 0.2
    """From which the frames around it belong to that transition."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A boundary between two shots."""

    kind: str
    """``cut``, ``dissolve``, ``wipe`` or ``fade``."""
    first: int
    """First frame that is mixed; for a cut, the first frame of the new shot."""
    stop: int
    """First frame that belongs to the new shot alone (exclusive end of the mixed frames)."""

    @property
    def boundary(self) -> int:
        """The one frame that stands for the boundary: the first of the new shot, or the middle of the mix."""
        return (self.first + self.stop) // 2


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Frames [first, stop) that belong to one shot alone."""

    first: int
    """First frame."""
    stop: int
    """One past the last frame."""
    transition_in: str
    """Kind of the transition before it; ``start`` at the start of the file."""
    transition_out: str
    """Kind of the transition after it; ``end`` at the end of the file."""


def find_transitions(logits: np.ndarray, config: ShotConfig | None = None) -> list[Transition]:
    """Every boundary of the file, in order, not overlapping; ``logits`` (N, len(OUTPUTS)) as the net gives them."""
    config = config or ShotConfig()
    n = len(logits)
    starts, mixed = logits[:, 0], logits[:, 1]
    cuts = peaks(starts, logit(config.cut), 1)
    found: list[Transition] = []
    for first, stop in runs(mixed, logit(config.mixed)):
        if mixed[first:stop].max() < logit(config.gradual) or stop - first < 2:
            continue
        if first < EDGE or stop > n - EDGE:
            continue
        kinds = logits[first:stop, 2:].mean(0, dtype=np.float32)
        found.append(Transition(kind=OUTPUTS[2 + int(kinds.argmax())], first=first, stop=stop))
    spans = [(each.first - 1, each.stop + 1) for each in found]
    found += [
        Transition(kind="cut", first=t, stop=t)
        for t in cuts.tolist()
        if t > 0 and not any(first <= t <= stop for first, stop in spans)
    ]
    return sorted(found, key=lambda each: each.first)


def logit(probability: float) -> float:
    """The logit of a probability in (0, 1); an hour's logits are not turned into probabilities, which takes memory."""
    return math.log(probability / (1 - probability))


def runs(values: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Spans [first, stop) of values that reach the threshold; a single value that does not is bridged."""
    over = np.concatenate([[False], values >= threshold, [False]])
    over[1:-1] |= over[:-2] & over[2:]
    edges = np.flatnonzero(np.diff(over.view(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def shots_between(transitions: list[Transition], n_frames: int) -> list[Shot]:
    """The shots that the transitions leave; the frames of a gradual transition belong to none."""
    shots, first, kind = [], 0, "start"
    for each in transitions:
        if each.first > first:
            shots.append(
                Shot(first=first, stop=each.first, transition_in=kind, transition_out=each.kind)
            )
        first, kind = max(first, each.stop), each.kind
    if first < n_frames:
        shots.append(Shot(first=first, stop=n_frames, transition_in=kind, transition_out="end"))
    return shots


def peaks(scores: np.ndarray, threshold: float, apart: int) -> np.ndarray:
    """Frames whose score reaches the threshold and is the highest within ``apart`` frames; (k,) rising."""
    high = np.flatnonzero(scores >= threshold)
    found: list[int] = []
    for frame in high[np.argsort(-scores[high], kind="stable")].tolist():
        if all(abs(frame - other) > apart for other in found):
            found.append(frame)
    return np.array(sorted(found), dtype=np.int64)
