"""Prompts to videos with any VAE and any text encoder that keep the contract."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

from dit.checkpoint import Loaded
from dit.config import SampleConfig
from dit.generation import (
    ToSample,
    VideoOptions,
    generate,
    reference_latents,
    sample_videos,
)
from dit.model import DiT
from tests.helpers.pixel_models import LetterEncoder, PixelVae, pixel_dit


@pytest.fixture(scope="module")
def model() -> Loaded:
    return pixel_dit()


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


def test_a_video_is_the_same_whatever_larger_one_is_made_with_it(model: Loaded):
    """Noise levels hang on the number of tokens: of another video's, a seed would not give its video again."""
    config = SampleConfig(steps=3, shift=4.0, shift_tokens=6)
    small, large = (1, 4, 4), (3, 8, 8)

    def made(shapes: list[tuple[int, int, int]]) -> np.ndarray:
        seeds = list(range(5, 5 + len(shapes)))
        return sample_videos(
            model, PixelVae(), [None] * len(shapes), shapes, seeds=seeds, config=config
        )[0].astype(int)

    assert np.abs(made([small]) - made([small, large])).max() <= 1
    assert np.abs(made([large]) - made([large, small])).max() <= 1


def test_a_video_is_made_for_the_rate_that_it_is_played_at(model: Loaded):
    """Of the default rate, everything at 24 frames a second would move three times too fast."""
    slow, fast = (
        run(model, ["abc"], config=SampleConfig(frames=5, steps=2, fps=fps))[0].astype(int)
        for fps in (8.0, 24.0)
    )
    assert np.abs(slow - fast).max() > 1


def test_of_a_longer_reference_the_start_is_shown_and_of_a_larger_one_the_middle(model: Loaded):
    class Wide(PixelVae):
        space_factor = 4

    config = dataclasses.replace(model.model.config, references=True)
    shown = dataclasses.replace(model, model=DiT(config))
    video = np.zeros((7, 6, 11, 3), np.uint8)
    video[4] = 255  # the last frame that fills a latent one
    video[0, 1:5, 1:9] = 51  # what is left of 6 x 11 at multiples of 4
    latents = reference_latents(video, Wide(), shown)
    assert latents.shape == (3, 2, 4, 8)
    assert (latents[:, 1] == 1).all(), "frames beyond the last whole step are left out at the end"
    np.testing.assert_allclose(latents[:, 0], 51 / 127.5 - 1, rtol=1e-6)


def test_what_is_handed_on_to_generate_is_all_that_it_takes_beside_prompts_and_models():
    own = {"prompts", "dit", "vae", "text_encoder"}
    assert set(inspect.signature(generate).parameters) - own == set(VideoOptions.__annotations__)


def test_some_of_the_videos_to_sample_keep_what_is_theirs():
    shapes = [(2, 6, 8), (1, 4, 4), (3, 2, 8)]
    asked = ToSample(
        texts=[None] * 3,
        shapes=shapes,
        seeds=[1, 2, 3],
        references=[[], [], []],
        reference_scale=2.0,
    )
    some = asked.pick([2, 0])
    assert (some.shapes, some.seeds) == ([shapes[2], shapes[0]], [3, 1])
    assert (some.conditions, some.references, some.reference_scale) == (None, [[], []], 2.0)
