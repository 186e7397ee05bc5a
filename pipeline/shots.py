"""Shots of a file from its per-frame statistics: cuts, dissolves, wipes, fades; blind to flashes, shake and ramps.

A hard cut is a change that is sudden (against the changes around it) and that lasts (the frames a few steps to either
side stay unlike each other, so a flash is none). A dissolve is a lasting change of structure and colour in whose
middle frames are a mix of the outer ones: they fit one, and have lost the contrast that a mix loses, which motion
and exposure do not cost. In a wipe every pixel is that of the one shot or of the
other. A fade passes through plain frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.analysis import Analysis
from pipeline.signatures import BLENDS, LAGS

_OUTER = {3: 7, 6: 12, 10: 20, 15: 32}
"""Half-length of a blend -> lag at which the frames around it are compared."""
_INNER = {3: 3, 6: 7, 10: 9, 15: 16}
"""Half-length of a blend -> lag at which the shots before and after it are compared with themselves."""

_LASTS = 0.5
"""Least share of a sudden change that is still there a few frames later if it is a cut."""
_WEIGHTS = np.array([-0.302, -0.09, -3.159, 4.829, -4.031, 6.936, 2.307, 5.761])
"""Of ``cut_features``, the constant last; fitted by ``benchmarks/fit_shots.py``."""


@dataclass(frozen=True, kw_only=True)
class ShotConfig:
    """Thresholds of the detector."""

    cut: float = 0.4
    """Score of a frame, in [0, 1], from which it starts a new shot."""
    gradual: float = 0.56
    """Score of a frame, in [0, 1], from which it is the middle of a dissolve or a wipe."""
    margin_frames: int = 2
    """Frames on either side of a dissolve or wipe that are left out with it: its ends are hard to see."""
    plain_std: float = 0.012
    """Luma deviation inside a frame, in [0, 1], below which it is plain, as in the middle of a fade."""
    black_mean: float = 0.08
    """Mean luma, in [0, 1], below which a plain frame is black."""
    flash_frames: int = 5
    """Plain frames that are not black are a fade only when at least this many follow each other."""
    pause_frames: int = 24
    """Longest run of plain frames that is one fade; a longer one is a (plain) shot of its own."""
    fade_frames: int = 30
    """Longest fall or rise of contrast that counts as part of a fade, in frames."""


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


def find_transitions(analysis: Analysis, config: ShotConfig | None = None) -> list[Transition]:
    """Every boundary of the file, in order, not overlapping."""
    config = config or ShotConfig()
    fades = find_fades(analysis, config)
    n = len(analysis.pts)
    taken = np.zeros(n, dtype=bool)
    for fade in fades:
        taken[max(0, fade.first - 2) : fade.stop + 2] = True
    scores = np.where(taken, 0, cut_scores(analysis))
    cuts = [int(t) for t in peaks(scores, config.cut, 2)]
    taken[cuts] = True
    dissolve, wipe, half = gradual_scores(analysis, taken)
    gradual = []
    for t in peaks(np.maximum(dissolve, wipe), config.gradual, 2 * max(BLENDS)).tolist():
        reach = int(half[t]) + config.margin_frames
        kind = "dissolve" if dissolve[t] >= wipe[t] else "wipe"
        gradual.append(
            Transition(kind=kind, first=max(1, t - reach), stop=min(n - 1, t + reach + 1))
        )
    hard = [Transition(kind="cut", first=t, stop=t) for t in cuts]
    return sorted(hard + gradual + fades, key=lambda each: each.first)


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


def cut_features(analysis: Analysis) -> np.ndarray:
    """Logarithms of what tells a hard cut at a frame from motion, flashes and flicker; float64 (N, 7).

    The change to the frame; the mean change around it; the change inside the shots on either side; structure and
    colour together (flicker changes colour alone); the second largest change within 14 frames (a clip that keeps
    jumping); structure; colour.
    """
    sudden = _change(analysis, 1)
    around = sum(_later(sudden, by) for by in (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)) / 10
    short = _change(analysis, 3)
    inside = np.maximum(_later(short, -1), _later(short, 3))
    others = np.stack([_later(sudden, by) for by in (*range(-14, -1), *range(2, 15))])
    fine, coarse, colour = np.nan_to_num(np.maximum(analysis.distances[:, 0], 0)).T
    structure = np.sqrt(np.minimum(fine, coarse))
    second = np.sort(others, axis=0)[-2]
    columns = [sudden, around, inside, _both(analysis, 1), second, structure, colour]
    return np.log(np.stack(columns, axis=1).astype(np.float64) + 0.02)


def cut_scores(analysis: Analysis) -> np.ndarray:
    """Score in [0, 1] of every frame for being the first of a new shot after a hard cut; float32 (N,).

    A change that does not last (three to seven frames later the picture is the old one again) scores 0.
    """
    change = [_later(_change(analysis, lag), by) for lag, by in ((3, 1), (5, 2), (7, 3))]
    lasting = np.minimum.reduce(change)
    sudden = _change(analysis, 1)
    score = 1 / (1 + np.exp(-(cut_features(analysis) @ _WEIGHTS[:-1] + _WEIGHTS[-1])))
    return np.where(lasting >= _LASTS * sudden, score, 0).astype(np.float32)


def gradual_scores(
    analysis: Analysis, barred: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score in [0, 1] of every frame for being the middle of a dissolve, the same of a wipe, and its half-length.

    ``barred``: bool (N,), frames that no transition may contain (cuts, fades). All (N,), the half-length in frames.
    """
    n = len(barred)
    frame = np.arange(n)
    count = np.concatenate([[0], np.cumsum(barred)])
    dissolves, wipes, changes = [], [], []
    for k, half in enumerate(BLENDS):
        change = _later(_both(analysis, _OUTER[half]), _OUTER[half] // 2)
        within = _both(analysis, _INNER[half])
        inside = np.maximum(_later(within, -half), _later(within, 2 * half))
        free = count[np.clip(frame + half + 1, 0, n)] == count[np.clip(frame - half, 0, n)]
        free &= (frame >= half) & (frame < n - half)
        lasting = change / (change + inside + 0.05) * np.clip(change / 0.4, 0, 1) * free
        unmixed, weight, dip, unwiped, wiped = _later(analysis.blends[:, k], half).T
        mix = np.clip(1 - unmixed / 0.5, 0, 1) * _about_half(weight) * np.clip(dip / 0.5, 0, 1)
        wipe = np.clip(1 - unwiped / 0.15, 0, 1) * _about_half(wiped) * (half > 3)
        dissolves.append(lasting * np.nan_to_num(mix))
        wipes.append(lasting * np.nan_to_num(wipe))
        changes.append(change * free)
    best = np.array(changes).max(0)
    whole = np.array(changes) >= 0.85 * best
    return np.max(dissolves, axis=0), np.max(wipes, axis=0), np.array(BLENDS)[whole.argmax(0)]


def _about_half(weight: np.ndarray) -> np.ndarray:
    """1 where a mixing weight lies in [0.2, 0.8], falling to 0 at 0.4 beyond."""
    return np.clip(1 - (np.abs(weight - 0.5) - 0.3) / 0.4, 0, 1)


def find_fades(analysis: Analysis, config: ShotConfig) -> list[Transition]:
    """Runs of plain frames with the fall of contrast before and the rise after them."""
    n = len(analysis.pts)
    plain = analysis.luma_std < config.plain_std
    edges = np.flatnonzero(np.diff(np.concatenate([[0], plain.view(np.int8), [0]])))
    fades: list[Transition] = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        black = analysis.luma_mean[first:stop].mean() < config.black_mean
        if not black and stop - first < config.flash_frames:
            continue
        low = _slope(analysis.luma_std, first, -1, config.fade_frames)
        high = _slope(analysis.luma_std, stop - 1, 1, config.fade_frames) + 1
        if stop - first <= config.pause_frames:
            fades.append(Transition(kind="fade", first=low, stop=high))
        else:
            fades += [
                Transition(kind="fade", first=low, stop=first),
                Transition(kind="fade", first=stop, stop=high),
            ]
    fades = [each for each in fades if each.first > 0 and each.stop < n]
    return _merge(fades)


def _slope(values: np.ndarray, start: int, step: int, longest: int) -> int:
    """Last mixed frame from ``start`` in direction ``step``: values keep rising there by more than a tremble.

    The frame at the top of the rise has its full contrast and is none of them.
    """
    at = start
    for _ in range(longest):
        following = at + step
        if not 0 <= following < len(values) or values[following] < values[at] * 1.02 + 1e-4:
            break
        at = following
    return at if at == start else at - step


def _merge(fades: list[Transition]) -> list[Transition]:
    merged: list[Transition] = []
    for each in sorted(fades, key=lambda fade: fade.first):
        if merged and each.first < merged[-1].stop:
            last = merged.pop()
            each = Transition(kind="fade", first=last.first, stop=max(last.stop, each.stop))
        merged.append(each)
    return merged


def peaks(scores: np.ndarray, threshold: float, apart: int) -> np.ndarray:
    """Frames whose score reaches the threshold and is the highest within ``apart`` frames; (k,) rising."""
    left = np.maximum(scores, 0).astype(np.float64)
    found: list[int] = []
    for frame in np.argsort(-left, kind="stable"):
        if left[frame] < threshold:
            break
        if scores[frame] > 0 and all(abs(int(frame) - other) > apart for other in found):
            found.append(int(frame))
    return np.array(sorted(found), dtype=np.int64)


def _change(analysis: Analysis, lag: int) -> np.ndarray:
    """How much of structure or colour changed from ``lag`` frames before, in [0, 1]; float32 (N,)."""
    fine, coarse, colour = np.nan_to_num(np.maximum(analysis.distances[:, LAGS.index(lag)], 0)).T
    return (np.sqrt(np.minimum(fine, coarse)) + colour) / 2


def _both(analysis: Analysis, lag: int) -> np.ndarray:
    """How much of structure *and* colour changed from ``lag`` frames before, in [0, 1]; float32 (N,)."""
    fine, coarse, colour = np.nan_to_num(np.maximum(analysis.distances[:, LAGS.index(lag)], 0)).T
    return np.sqrt(np.maximum(fine, coarse) * colour)


def _later(values: np.ndarray, by: int) -> np.ndarray:
    """``out[t] = values[t + by]``, edges repeated: looks a backward distance up at the frame in its middle."""
    return values[np.clip(np.arange(len(values)) + by, 0, len(values) - 1)]
