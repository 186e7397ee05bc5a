"""PCA on causal patches: the best linear code at the VAE's latent size, as the bar it has to clear.

The first frame is cut into (1, s, s) patches and each later group of f frames into (f, s, s) patches;
each kind has its own mean and its own top components, as many as the VAE has latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LinearCode:
    """Mean (D,) and orthonormal components (K, D) of one kind of patch."""

    mean: np.ndarray
    components: np.ndarray

    def project(self, patches: np.ndarray) -> np.ndarray:
        """Patches (N, D) after the trip through K numbers each."""
        codes = (patches - self.mean) @ self.components.T
        return codes @ self.components + self.mean


def to_patches(frames: np.ndarray, space: int) -> np.ndarray:
    """(T,H,W,3) -> (H/s * W/s, T*s*s*3)."""
    t, h, w, c = frames.shape
    x = frames.reshape(t, h // space, space, w // space, space, c).transpose(1, 3, 0, 2, 4, 5)
    return x.reshape(-1, t * space * space * c)


def from_patches(patches: np.ndarray, shape: tuple[int, ...], space: int) -> np.ndarray:
    """Inverse of ``to_patches`` for frames of ``shape`` (T,H,W,3)."""
    t, h, w, c = shape
    x = patches.reshape(h // space, w // space, t, space, space, c).transpose(2, 0, 3, 1, 4, 5)
    return x.reshape(shape)


def fit_linear(patches: np.ndarray, components: int) -> LinearCode:
    """Top principal components of (N, D), by the eigenvectors of the covariance."""
    mean = patches.mean(0)
    centred = patches - mean
    _, vectors = np.linalg.eigh(centred.T @ centred / len(patches))
    return LinearCode(mean=mean, components=vectors[:, ::-1][:, :components].T.copy())


@dataclass(frozen=True, kw_only=True)
class PatchPCA:
    """The two codes of a causal split: first frames, and groups of ``time`` later frames."""

    first: LinearCode
    later: LinearCode
    time: int
    space: int

    def reconstruct(self, clip: np.ndarray) -> np.ndarray:
        """float (T,H,W,3) in [-1,1], T = 1+k*time, after the trip through the code."""
        out = np.empty_like(clip)
        for start, stop in spans(len(clip), self.time):
            code = self.first if start == 0 else self.later
            part = clip[start:stop]
            out[start:stop] = from_patches(
                code.project(to_patches(part, self.space)), part.shape, self.space
            )
        return out


def spans(n_frames: int, time: int) -> list[tuple[int, int]]:
    """[(0,1), (1,1+time), ...]: the frames behind each latent."""
    return [(0, 1)] + [(i, i + time) for i in range(1, n_frames, time)]


def fit_pca(clips: list[np.ndarray], *, components: int, time: int = 4, space: int = 8) -> PatchPCA:
    """Fit on uint8 clips (T,H,W,3), T = 1+k*time, sides multiples of ``space``."""
    first: list[np.ndarray] = []
    later: list[np.ndarray] = []
    for clip in clips:
        frames = clip.astype(np.float32) / 127.5 - 1
        for start, stop in spans(len(frames), time):
            (later if start else first).append(to_patches(frames[start:stop], space))
    return PatchPCA(
        first=fit_linear(np.concatenate(first), components),
        later=fit_linear(np.concatenate(later or first), components),
        time=time,
        space=space,
    )


def pca_psnr(code: PatchPCA, clips: list[np.ndarray]) -> float:
    """Mean over uint8 clips of their PSNR in dB after the linear code (clamped to [-1,1])."""
    values = []
    for clip in clips:
        frames = clip.astype(np.float32) / 127.5 - 1
        error = np.square(np.clip(code.reconstruct(frames), -1, 1) - frames).mean()
        values.append(10 * np.log10(4 / max(float(error), 1e-12)))
    return float(np.mean(values))
