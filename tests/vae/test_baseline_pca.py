"""The linear baseline: exact where the data is linear, and the best there is at its size."""

from __future__ import annotations

import numpy as np

from vae.baseline_pca import fit_linear, fit_pca, from_patches, pca_psnr, spans, to_patches


def test_patches_round_trip():
    clip = np.random.default_rng(0).normal(size=(4, 16, 24, 3)).astype(np.float32)
    patches = to_patches(clip, 8)
    assert patches.shape == (2 * 3, 4 * 8 * 8 * 3)
    np.testing.assert_array_equal(from_patches(patches, clip.shape, 8), clip)
    np.testing.assert_array_equal(patches[0].reshape(4, 8, 8, 3), clip[:, :8, :8])


def test_spans_are_causal_groups():
    assert spans(9, 4) == [(0, 1), (1, 5), (5, 9)]
    assert spans(1, 4) == [(0, 1)]


def test_components_are_those_of_the_covariance():
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(20, 20)))
    scales = np.array([5.0, 3.0, 2.0] + [0.1] * 17)
    data = rng.normal(size=(4000, 20)) * scales @ basis.T + 1.0
    code = fit_linear(data, 3)
    np.testing.assert_allclose(code.mean, 1.0, atol=0.4)
    np.testing.assert_allclose(code.components @ code.components.T, np.eye(3), atol=1e-9)
    overlap = np.abs(code.components @ basis[:, :3])
    assert np.linalg.svd(overlap)[1].min() > 0.97
    error = np.square(code.project(data) - data).sum(1).mean()
    assert abs(error - 17 * 0.1**2) < 0.02  # what is left is the variance of the other directions


def test_clips_in_the_span_are_exact_and_noise_is_not():
    rng = np.random.default_rng(2)
    flat = [
        np.full((5, 16, 16, 3), 0, np.uint8) + rng.integers(0, 255, 3).astype(np.uint8)
        for _ in range(20)
    ]
    assert pca_psnr(fit_pca(flat, components=3), flat) > 60
    noise = [rng.integers(0, 255, (5, 16, 16, 3)).astype(np.uint8) for _ in range(24)]
    assert pca_psnr(fit_pca(noise, components=3), noise) < 12
