"""Measures of sets of videos by their features: diversity, and the Frechet distance to a reference set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

Features = Callable[[np.ndarray], np.ndarray]
"""Takes one uint8 RGB video (T, H, W, 3), gives its feature vector (D,) of any network or rule."""


def creativity(embeddings: np.ndarray) -> float | None:
    """Diversity in [0, 1] of unit embeddings (N, D): 0 when all are one, 1 when each is orthogonal to every other.

    The Vendi score (Friedman and Dieng 2023, definition 3.1), the exponential of the entropy of the eigenvalues of the
    cosine kernel over N, is the number of different videos among N; here ``(score - 1) / (N - 1)``. None for N = 1.
    """
    if len(embeddings) < 2:
        return None
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    values = np.linalg.eigvalsh((unit @ unit.T).astype(np.float64) / len(unit))
    values = values[values > 1e-12]
    score = float(np.exp(-np.sum(values * np.log(values))))
    return float(np.clip((score - 1) / (len(unit) - 1), 0, 1))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features (N, D) and (M, D); 0 for equal sets.

    ``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` (Dowson and Landau 1982; FID, Heusel et al. 2017, equation 6;
    on video features FVD, Unterthiner et al. 2018). It is biased upward for few videos: compare sets of one size.
    """
    for name, features in (("first", a), ("second", b)):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(
                f"the {name} set has features of shape {features.shape}; at least two videos are needed"
            )
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features of {a.shape[1]} and of {b.shape[1]} numbers cannot be compared")
    a, b = a.astype(np.float64), b.astype(np.float64)
    gap = a.mean(axis=0) - b.mean(axis=0)
    first, second = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    root = _root(first)
    shared = np.linalg.eigvalsh(root @ second @ root)
    shared = np.sqrt(np.clip(shared, 0, None)).sum()
    return float(max(0.0, gap @ gap + np.trace(first) + np.trace(second) - 2 * shared))


def _root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def fvd(features: Features, generated: Iterable[np.ndarray], real: Iterable[np.ndarray]) -> float:
    """Frechet video distance of two sets of videos on any features; lower is nearer.

    Figures of the literature use the logits of an I3D network of Kinetics-400; give such a network as ``features`` to
    get them. Other features give another scale.
    """
    sets = [np.stack([features(video) for video in videos]) for videos in (generated, real)]
    return frechet_distance(*sets)
