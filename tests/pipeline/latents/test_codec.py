"""Numbers of stored latents: bfloat16 as torch makes it, float8 with a scale for each token."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.latents.codec import from_bf16, pack_text, text_bytes, to_bf16, unpack_text


def bf16(numbers):
    return torch.from_numpy(np.float32(numbers)).bfloat16().float()


def test_bfloat16_is_that_of_torch():
    numbers = np.float32([0, -0.0, 1, 1.00390625, 1.01171875, 3e38, -3.4e38, 1e-40, np.inf])
    draws = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    numbers = np.concatenate([numbers, draws, draws * 1e-3])
    assert np.array_equal(from_bf16(to_bf16(numbers)), bf16(numbers).numpy())
    assert np.isnan(from_bf16(to_bf16(np.float32([np.nan, -np.nan])))).all()


@pytest.mark.parametrize(
    ("storage", "within"), [("fp32", 2**-23), ("bf16", 2**-8), ("fp8", 2**-3.9)]
)
def test_text_features_come_back_within_the_precision_of_their_storage(storage, within):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((7, 33)).astype(np.float32) * 10.0 ** np.arange(-3, 4)[:, None]
    features[2] = 0
    cell = pack_text(features, storage)
    assert len(cell) == text_bytes(7, 33, storage)
    back = unpack_text(cell, 7, 33, storage)
    large = np.abs(features) > 1e-2 * np.abs(features).max(1, keepdims=True)
    error = np.abs(back - features)
    assert (error <= within * np.abs(features))[large].all()
    assert (error[2] == 0).all(), "an empty token stays empty"
    assert len(pack_text(features[:0], storage)) == 0
