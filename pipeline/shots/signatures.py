"""Describe each frame by about a thousand numbers, and compare it with the frames before it.

Structure: grey at 32x18 as a vector of length 1, so that a product is a correlation (blind to exposure). Colour: a
histogram of 96 cells (blind to motion). Picture: 16x9 cells of luma and chroma. Profiles: means of rows and of columns,
compared over shifts (blind to pans). All distances at all lags of a chunk come from one matrix product each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LAGS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48)
"""Distances in frames at which frames are compared, each frame with the one ``lag`` before it."""
CELL_LAGS = (1, 3, 8)
"""Lags at which single cells of the picture are compared."""
PROFILE_LAGS = (1, 2, 4)
"""Lags at which profiles are compared over shifts."""
WIPES = (4, 8, 16)
"""Half-lengths in frames of the wipes tested, each ending at the frame at hand."""
HISTORY = max(LAGS)
"""Frames of the past that the next ones are compared with."""
COLUMNS = 3 * len(LAGS) + 8 * len(CELL_LAGS) + 2 * len(PROFILE_LAGS) + 2 * len(WIPES) + 4
"""Numbers that ``compare`` gives for every frame."""
_FLAT = 0.004
"""Standard deviation of luma below which a frame has no structure to correlate."""
_SHIFT = 5
"""Longest shift of a profile, in pixels of 32x18."""
_CHANGED = (0.02, 0.06, 0.15)
"""Changes from which a cell counts as changed."""


def _cells(edges: tuple[int, ...]) -> np.ndarray:
    return np.searchsorted(edges, np.arange(256), side="right").astype(np.uint8)


_LUMA_CELL = _cells((52, 84, 116, 148, 188)) * 16
_CHROMA_CELL = [_cells((116, 128, 140)) * scale for scale in (4, 1)]


@dataclass(frozen=True, kw_only=True)
class Signatures:
    """Signatures of ``n`` frames in a row."""

    grey: np.ndarray
    """float32 (n, 18, 32), luma in [0, 1]."""
    structure: np.ndarray
    """float32 (n, 576), grey less its mean, of length 1 (less where the frame is flat)."""
    picture: np.ndarray
    """float32 (n, 432), 16x9 cells of luma, then of both chromas, about 0."""
    colours: np.ndarray
    """float32 (n, 96), square roots of the shares of pixels in cells of a 6x4x4 grid."""
    columns: np.ndarray
    """float32 (n, 32), mean of every column of ``grey``."""
    rows: np.ndarray
    """float32 (n, 18), mean of every row of ``grey``."""
    luma_mean: np.ndarray
    """float32 (n,), mean luma of the frame in [0, 1]."""
    luma_std: np.ndarray
    """float32 (n,), standard deviation of luma in the frame."""

    def tail(self, n: int) -> Signatures:
        """The last ``n`` of them."""
        return Signatures(**{name: value[-n:] for name, value in vars(self).items()})

    def then(self, later: Signatures) -> Signatures:
        """These followed by ``later``."""
        return Signatures(
            **{
                name: np.concatenate([value, getattr(later, name)])
                for name, value in vars(self).items()
            }
        )

    def frozen(self, n: int) -> Signatures:
        """The first of them, ``n`` times: the past of a file that has just begun."""
        return Signatures(**{name: value[[0] * n] for name, value in vars(self).items()})


def signatures(frames: np.ndarray) -> Signatures:
    """Signatures of uint8 YUV planes (n, 3, 36, 64) in limited range."""
    n = len(frames)
    small = _halve(np.ascontiguousarray(frames))
    coarse = _halve(small).reshape(n, 3, -1)
    grey = small[:, 0].astype(np.float32)
    grey *= 1 / (4 * 219)
    grey -= 16 / 219
    flat = grey.reshape(n, -1)
    luma_mean = flat.mean(1)
    structure = flat - luma_mean[:, None]
    length = np.sqrt(np.einsum("ni,ni->n", structure, structure))
    structure /= np.maximum(length, _FLAT * np.sqrt(flat.shape[1]))[:, None]
    picture = coarse.astype(np.float32)
    picture[:, 0] *= 1 / (16 * 219)
    picture[:, 0] -= 16 / 219 + 0.5
    picture[:, 1:] *= 1 / (16 * 112)
    picture[:, 1:] -= 128 / 112
    few = np.ascontiguousarray(frames[:, :, ::2, ::2]).reshape(n, 3, -1)
    cells = _LUMA_CELL[few[:, 0]] + _CHROMA_CELL[0][few[:, 1]] + _CHROMA_CELL[1][few[:, 2]]
    histogram = np.bincount((cells + 96 * np.arange(n)[:, None]).ravel(), minlength=96 * n).reshape(
        n, 96
    )
    whole = frames[:, 0].reshape(n, -1).astype(np.float32)
    whole -= (16 + 219 * luma_mean)[:, None]
    return Signatures(
        grey=grey,
        structure=structure,
        picture=picture.reshape(n, -1),
        colours=np.sqrt(histogram * (1 / few.shape[2])).astype(np.float32),
        columns=grey.mean(1),
        rows=grey.mean(2),
        luma_mean=luma_mean,
        luma_std=np.sqrt(np.einsum("ni,ni->n", whole, whole) / whole.shape[1]) / 219,
    )


def _halve(planes: np.ndarray) -> np.ndarray:
    """Sums of 2x2 cells of unsigned planes (..., h, w), in the next wider type; an odd last row is left out."""
    bits = 8 * planes.itemsize
    pairs = planes.view(f"u{2 * planes.itemsize}")
    pairs = (pairs & (2**bits - 1)) + (pairs >> bits)
    even = pairs[..., : pairs.shape[-2] // 2 * 2, :]
    return even[..., ::2, :] + even[..., 1::2, :]


def compare(past: Signatures, new: Signatures) -> np.ndarray:
    """Compare each new frame with those before it.

    Args:
        past: The ``HISTORY`` frames right before ``new``; ``new.frozen(HISTORY)`` at the start of a file.
        new: n frames.

    Returns:
        float32 (n, COLUMNS), each about in [0, 1]: distances of structure, of colour, of pictures, a column per lag;
        shares of cells and of blocks that changed; distances of profiles; how well a frame in between is made of parts
        of the outer two, and which share of the change is through; levels of luma and chroma.
    """
    both = past.then(new)
    n = len(new.grey)
    now = np.arange(n) + HISTORY
    old = now[:, None] - np.array(LAGS)
    rows = np.arange(n)[:, None]
    same = (new.structure @ both.structure.T)[rows, old]
    likeness = (new.colours @ both.colours.T)[rows, old]
    square = np.einsum("ni,ni->n", both.picture, both.picture)
    product = (new.picture @ both.picture.T)[rows, old]
    apart = np.maximum(square[now, None] + square[old] - 2 * product, 0) / both.picture.shape[1]
    flat = both.luma_std < _FLAT
    same = np.where(flat[now, None] & flat[old], 1.0, same)
    parts = [
        np.sqrt(np.maximum(1 - same, 0) / 2),
        np.sqrt(np.maximum(1 - likeness, 0)),
        np.sqrt(apart),
    ]
    cells = both.picture.reshape(len(both.picture), 3, 144)
    ago = [cells[HISTORY - lag : HISTORY - lag + n] for lag in range(HISTORY + 1)]
    parts += [_changed(ago[lag], ago[0]) for lag in CELL_LAGS]
    parts += [_shifted(both.columns, n), _shifted(both.rows, n)]
    parts += [_wipe(ago[2 * half], ago[half], ago[0]) for half in WIPES]
    chroma = np.abs(new.picture[:, 144:]).mean(1)
    dark = (new.picture[:, :144] < -0.45).mean(1)
    parts.append(np.stack([new.luma_mean, np.sqrt(new.luma_std), np.sqrt(chroma), dark], axis=1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _changed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of cells (n, 3, 144): shares that changed, and quantiles over 12 blocks of the mean change; (n, 8)."""
    apart = second - first
    np.abs(apart, out=apart)
    change = apart[:, 0] + apart[:, 1] + apart[:, 2]
    shares = [np.count_nonzero(change > least, axis=1) / 144 for least in _CHANGED]
    blocks = change.reshape(-1, 3, 3, 4, 4).sum((2, 4)).reshape(-1, 12) * (1 / 12)
    blocks.sort(axis=1)
    return np.concatenate([np.stack(shares, axis=1), np.sqrt(blocks[:, [0, 3, 6, 9, 11]])], axis=1)


def _shifted(profiles: np.ndarray, n: int) -> np.ndarray:
    """Least distance of structure, over shifts, of the last n profiles to those ``PROFILE_LAGS`` before; (n, lags)."""
    size = profiles.shape[1] - 2 * _SHIFT
    inner = profiles[:, _SHIFT:-_SHIFT]
    inner = inner - inner.mean(1, keepdims=True)
    norm = np.sqrt(np.maximum(np.einsum("ni,ni->n", inner, inner), _FLAT**2 * size))
    windows = np.lib.stride_tricks.sliding_window_view(profiles[-n:], size, axis=1)
    square = np.einsum("nsi,nsi->ns", windows, windows) - size * windows.mean(2) ** 2
    other = np.sqrt(np.maximum(square, _FLAT**2 * size))
    best = []
    for lag in PROFILE_LAGS:
        old = slice(HISTORY - lag, HISTORY - lag + n)
        dot = np.matmul(windows, inner[old, :, None])[..., 0]
        best.append((dot / (other * norm[old, None])).max(1))
    return np.sqrt(np.maximum(1 - np.stack(best, axis=1), 0) / 2)


def _wipe(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Whether each cell (n, 3, 144) of the middle is that of the first or that of the last.

    Returns (n, 2): the share of the change that is neither, and the share that is of the last.
    """
    change, to_first, to_last = (
        np.einsum("nci,nci->ni", each, each)
        for each in (last - first, middle - first, middle - last)
    )
    energy = change.sum(1) + 0.02
    left = np.minimum(to_first, to_last).sum(1) / energy
    through = np.where(to_last < to_first, change, 0).sum(1) / energy
    return np.stack([np.minimum(left, 2), through], axis=1)
