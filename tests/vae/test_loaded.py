"""A loaded VAE: uint8 frames in and out, errors that name the size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae.config import VAEConfig
from vae.loaded import LoadedVae, load
from vae.model import VideoVAE


@pytest.fixture(scope="module")
def tiny() -> LoadedVae:
    torch.manual_seed(0)
    return LoadedVae(VideoVAE(VAEConfig.preset("tiny")).eval())


def test_encode_and_decode_are_those_of_the_model(tiny: LoadedVae):
    videos = np.random.default_rng(0).integers(0, 256, (2, 5, 16, 24, 3), np.uint8)
    mean, logvar = tiny.encode(videos)
    frames = torch.from_numpy(videos).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    with torch.inference_mode():
        expected = tiny.model.encode(frames)
    assert mean.shape == (2, *tiny.latent_shape(5, 16, 24))
    assert torch.equal(mean, expected.mean)
    assert torch.equal(logvar, expected.logvar)
    decoded = tiny.decode(mean[1])
    assert (decoded.shape, decoded.dtype) == ((5, 16, 24, 3), np.uint8)
    with torch.inference_mode():
        pixels = tiny.model.decode(mean[1:])[0].permute(1, 2, 3, 0)
    assert np.array_equal(decoded, ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().numpy())


def test_sizes_and_pixels_that_do_not_fit_are_refused(tiny: LoadedVae):
    with pytest.raises(ValueError, match="6 frames do not fit"):
        tiny.latent_shape(6, 16, 16)
    with pytest.raises(ValueError, match="20x16 do not fit"):
        tiny.latent_shape(5, 16, 20)
    with pytest.raises(ValueError, match="uint8"):
        tiny.encode(np.zeros((1, 1, 16, 16, 3), np.float32))


def test_the_embedded_one_loads_and_a_missing_one_is_an_error(tmp_path):
    embedded = load()
    assert embedded.id != "untrained"
    assert (
        len(embedded.channel_mean) == len(embedded.channel_std) == embedded.latent_shape(1, 8, 8)[0]
    )
    with pytest.raises(ValueError, match="no VAE at"):
        load(tmp_path / "none.safetensors")
