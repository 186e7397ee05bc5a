"""Prompts to videos with any VAE and any text encoder that keep the contract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from dit.checkpoint import LatentSpec, Loaded
from dit.config import DiTConfig, SampleConfig
from dit.generation import generate, sample_videos
from dit.model import DiT

CHANNELS, WIDTH = 3, 6


class PixelVae:
    """A VAE whose latents are the frames themselves, every fourth, in [-1, 1]."""

    id = "pixels"
    time_factor, space_factor = 4, 1
    channel_mean, channel_std = (0.0,) * CHANNELS, (1.0,) * CHANNELS

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        if (n_frames - 1) % 4:
            raise ValueError(f"{n_frames} frames do not fit")
        return CHANNELS, 1 + (n_frames - 1) // 4, height, width

    def encode(self, videos: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        mean = torch.from_numpy(videos[:, ::4]).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return mean, torch.full_like(mean, -20.0)

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        frames = ((latent.permute(1, 2, 3, 0).clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
        return np.concatenate([frames[:1], frames[1:].repeat(4, axis=0)])


class LetterEncoder:
    """Token features from letters alone."""

    id = "letters"
    text_width = WIDTH

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [
            np.array([[ord(c) % k for k in range(2, 2 + WIDTH)] for c in t], np.float16)
            for t in texts
        ]


@pytest.fixture(scope="module")
def model() -> Loaded:
    torch.manual_seed(0)
    net = DiT(DiTConfig(width=24, depth=1, heads=2, latent_channels=CHANNELS, text_dim=WIDTH))
    for parameter in net.parameters():  # a fresh DiT predicts zero whatever it is shown
        torch.nn.init.normal_(parameter, std=0.2)
    spec = LatentSpec(
        vae_id="pixels", text_encoder_id="letters", mean=(0.0,) * CHANNELS, std=(1.0,) * CHANNELS
    )
    return Loaded(model=net.eval().requires_grad_(False), latents=spec, id="x", info={})


def run(model: Loaded, prompts: list[str], **options) -> list[np.ndarray]:
    config = options.pop("config", SampleConfig(frames=5, steps=2))
    return generate(
        prompts, dit=model, vae=PixelVae(), text_encoder=LetterEncoder(), width=8, height=6,
        config=config, **options,
    )  # fmt: skip


def test_one_video_per_prompt_each_from_its_own_seed_and_words(model: Loaded):
    done: list[int] = []
    first, second = run(model, ["abc", "a longer one"], seed=3, on_done=done.append)
    assert first.shape == second.shape == (5, 6, 8, 3)
    assert first.dtype == np.uint8
    assert sum(done) == 2
    (alone,) = run(model, ["a longer one"], seed=4)
    assert np.abs(alone.astype(int) - second).max() <= 1, "alone or in company, but for rounding"
    (other,) = run(model, ["zzz"], seed=4)
    assert np.abs(other.astype(int) - second).max() > 1, "the words matter"


def test_a_first_frame_is_kept(model: Loaded):
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    (video,) = run(model, ["abc"], first_frame=picture)
    assert np.array_equal(video[0], picture)
    with pytest.raises(ValueError, match="first frame is uint8"):
        run(model, ["abc"], first_frame=picture[:4])


def test_models_that_do_not_belong_together_are_refused(model: Loaded):
    class Other(PixelVae):
        id = "other"

    with pytest.raises(ValueError, match="makes latents of VAE pixels, this VAE is other"):
        generate(["a"], dit=model, vae=Other(), text_encoder=LetterEncoder())
    encoder = LetterEncoder()
    encoder.id = "runes"
    with pytest.raises(ValueError, match="text encoder letters, this one is runes"):
        generate(["a"], dit=model, vae=PixelVae(), text_encoder=encoder)


def test_wrong_input_is_named(model: Loaded):
    with pytest.raises(ValueError, match="6 frames do not fit"):
        run(model, ["a"], config=SampleConfig(frames=6))
    with pytest.raises(ValueError, match="list of strings"):
        run(model, "a red circle")  # type: ignore[arg-type]
    assert run(model, []) == []


def test_videos_of_mixed_sizes_come_back_in_order(model: Loaded):
    shapes = [(2, 6, 8), (1, 4, 4), (3, 2, 8)]
    videos = sample_videos(
        model, PixelVae(), [None] * 3, shapes, seeds=[1, 2, 3], config=SampleConfig(steps=1)
    )
    assert [video.shape for video in videos] == [(5, 6, 8, 3), (1, 4, 4, 3), (9, 2, 8, 3)]
