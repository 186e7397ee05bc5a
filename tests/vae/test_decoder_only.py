"""Training only the decoder: the latent space, and with it the id, is that of the VAE it started from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vae.checkpoint import load_vae, save_vae
from vae.config import TrainConfig
from vae.data import TrainData
from vae.model import VideoVAE
from vae.state import fresh_state
from vae.train import train

CONFIG = TrainConfig(
    steps=4,
    batch=4,
    warmup_steps=1,
    max_frames=5,
    precision="fp32",
    decoder_only=True,
    latent_noise=0.3,
)


@pytest.fixture
def old(small, tmp_path) -> VideoVAE:
    torch.manual_seed(3)
    vae = VideoVAE(small)
    vae.latent_mean += 0.25
    vae.latent_std *= 1.5
    save_vae(vae, tmp_path / "old.safetensors")
    return load_vae(tmp_path / "old.safetensors")


@pytest.mark.parametrize("width", [20, 32])
def test_encoder_statistics_and_id_stay(small, shards, old, tmp_path, width):
    model = replace(small, decoder_widths=(width, 24))
    state = train(model, CONFIG, TrainData(shards, model, CONFIG), tmp_path / "run", init=old)
    for trained in (state.vae, state.ema.model):
        for name, value in old.encoder.state_dict().items():
            assert torch.equal(trained.encoder.state_dict()[name], value), name
    assert save_vae(state.ema.model, tmp_path / "new.safetensors") == old.id
    new = load_vae(tmp_path / "new.safetensors")
    assert new.id == old.id
    assert torch.equal(new.latent_std, old.latent_std)
    x = torch.rand(1, 3, 5, 16, 16) * 2 - 1
    z = old.encode(x).mean
    assert torch.equal(new.encode(x).mean, z)
    assert not torch.equal(new.decode(z), old.decode(z))
    assert not any(p.grad is not None for p in state.vae.encoder.parameters())


def test_a_decoder_of_the_same_size_starts_as_the_old_one(small, old):
    state = fresh_state(small, CONFIG, old)
    z = torch.randn(1, 4, 2, 2, 2)
    torch.testing.assert_close(state.vae.decode(z), old.decode(z))


def test_a_new_decoder_starts_at_the_linear_path_of_the_old(small, old):
    state = fresh_state(replace(small, decoder_widths=(32, 24)), CONFIG, old)
    z = torch.randn(1, 4, 2, 2, 2)
    linear = old.decoder.linear(z.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
    torch.testing.assert_close(state.vae.decode(z), linear)


def test_another_encoder_is_refused_and_so_is_no_start(small, old):
    with pytest.raises(ValueError, match="another encoder"):
        fresh_state(replace(small, encoder_blocks=(1, 2)), CONFIG, old)
    with pytest.raises(ValueError, match="needs a VAE to start from"):
        fresh_state(small, CONFIG)
