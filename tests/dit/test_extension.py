"""Extend, connect and loop: which frames the model is given, which come out as they went in, and how many are new."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dit.config import SampleConfig
from dit.extension import Extension, connect, extend, loop
from dit.video_models import VideoModels
from tests.helpers.pixel_models import LetterEncoder, PixelVae, pixel_dit

CONFIG = SampleConfig(frames=17, steps=2, guidance=1.0)
VIDEO = np.random.default_rng(0).integers(0, 256, (13, 6, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def models() -> VideoModels:
    return VideoModels(dit=pixel_dit(), vae=PixelVae(), text_encoder=LetterEncoder())


@pytest.fixture
def seen(models, monkeypatch) -> list:
    """What the model is given in every sampling."""
    conditions: list = []
    sample = VideoModels.sample

    def watched(self, prompt, condition, config, seed):
        made = sample(self, prompt, condition, config, seed)
        conditions.append((condition, seed, made))
        return made

    monkeypatch.setattr(VideoModels, "sample", watched)
    return conditions


def extension(models: VideoModels, **settings: Any) -> Extension:
    return Extension(video=VIDEO, prompt="abc", models=models, config=CONFIG, **settings)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("frames", [1, 8, 12, 31])
def test_the_video_stays_and_as_many_frames_as_asked_join_it(models, frames, backward):
    out = extend(VIDEO, "abc", models=models, frames=frames, config=CONFIG, backward=backward)
    assert out.shape == (13 + frames, 6, 8, 3)
    assert out.dtype == np.uint8
    kept = out[frames:] if backward else out[: len(VIDEO)]
    assert np.array_equal(kept, VIDEO)


def test_a_hop_forward_is_given_the_last_frames_and_the_next_one_its_latents(models, seen):
    list(extension(models, frames=20, seed=7, context=2).forward())
    (first, seed, made), (second, next_seed, _) = seen
    assert (seed, next_seed) == (7, 8)
    assert first.start[:, 0, 0].tolist() == [0, 0, 1, 1, 1]
    torch.testing.assert_close(first.clean[:, :2], models.encode(VIDEO[-5:]))
    assert torch.equal(second.clean[:, 1], made[:, -1]), "carried as it is"
    boundary = models.decode(made)[-5]  # the frame before the group of four that is carried
    torch.testing.assert_close(second.clean[:, :1], models.encode(boundary[None]))


def test_without_carrying_the_last_frames_are_encoded_again(models, seen):
    list(extension(models, frames=20, carry=False).forward())
    (_, _, made), (second, _, _) = seen
    torch.testing.assert_close(second.clean[:, :2], models.encode(models.decode(made)[-5:]))


def test_a_hop_backward_is_given_the_first_frames_and_the_next_one_its_latents(models, seen):
    chunks = list(extension(models, frames=13, context=2).backward())
    assert [len(chunk) for chunk in chunks] == [8, 5]
    (first, seed, made), (second, next_seed, last) = seen
    assert next_seed == seed + 1, "else each hop repeats the noise of the one before"
    assert first.start[:, 0, 0].tolist() == [1, 1, 1, 0, 0]
    torch.testing.assert_close(first.clean[:, 3:], models.encode(VIDEO[:9])[:, 1:])
    assert np.array_equal(chunks[0], models.decode(made)[:8]), (
        "not the one that the video begins with"
    )
    assert torch.equal(second.clean[:, 3:], made[:, 1:3]), "carried as they are"
    assert np.array_equal(chunks[1], models.decode(last)[3:8]), (
        "of more frames than are asked for, those that lead into the video stay"
    )


def test_hops_are_made_one_at_a_time(models, seen):
    hops = extension(models, frames=10**9).forward()
    for _ in range(3):
        assert len(next(hops)) == 12
    assert len(seen) == 3


def test_connecting_keeps_both_videos_and_gives_both_ends(models, seen):
    other = VIDEO[::-1].copy()
    out = connect(VIDEO, other, "abc", models=models, frames=11, config=CONFIG, context=2)
    assert np.array_equal(out[:13], VIDEO)
    assert np.array_equal(out[24:], other)
    ((condition, _, made),) = seen
    assert condition.start[:, 0, 0].tolist() == [0, 0, 1, 1, 1, 0]
    torch.testing.assert_close(condition.clean[:, :2], models.encode(VIDEO[-5:]))
    torch.testing.assert_close(condition.clean[:, 5:], models.encode(other[:5])[:, 1:])
    assert np.array_equal(out[13:24], models.decode(made)[5:16])


def test_a_loop_leads_from_the_end_to_the_start(models):
    closed = loop(VIDEO, "abc", models=models, frames=7, config=CONFIG, seed=3)
    both = connect(VIDEO, VIDEO, "abc", models=models, frames=7, config=CONFIG, seed=3)
    assert np.array_equal(closed, both[:20])


def test_bad_input_is_named(models):
    def forward(video=VIDEO, frames=4, **options):
        return extend(video, "a", models=models, frames=frames, **{"config": CONFIG, **options})

    with pytest.raises(ValueError, match="video has 4 frames; to extend it with 2 latent frames"):
        forward(VIDEO[:4])
    with pytest.raises(ValueError, match="has 7 frames; to extend it backward"):
        forward(VIDEO[:7], backward=True)
    with pytest.raises(ValueError, match="no room for new ones beside 5 latent frames"):
        forward(context=5)
    with pytest.raises(ValueError, match="context is 0"):
        forward(context=0)
    with pytest.raises(ValueError, match=r"6 frames do not fit the VAE.*use 5 or 9"):
        forward(config=SampleConfig(frames=6))
    with pytest.raises(ValueError, match="uint8"):
        forward(VIDEO.astype(float))
    with pytest.raises(ValueError, match="6 frames between two videos .* use 3 or 7"):
        loop(VIDEO, "a", models=models, frames=6)
    with pytest.raises(ValueError, match="the videos are 8x6 and 4x6; both must have one size"):
        connect(VIDEO, VIDEO[:, :, :4], "a", models=models)
    with pytest.raises(ValueError, match="has 3 frames; to lead over to it it needs at least 5"):
        connect(VIDEO, VIDEO[:3], "a", models=models)


def test_sides_that_do_not_divide_are_named_with_a_size_that_fits(models, monkeypatch):
    monkeypatch.setattr(PixelVae, "space_factor", 4)
    with pytest.raises(ValueError, match="the video is 8x6; .* sides that 4 divides, such as 8x4"):
        extend(VIDEO, "a", models=models, frames=4)
