"""Drawing and scoring the videos of a step."""

import numpy as np
import pytest
import torch

from dit.reward.config import RewardConfig
from dit.reward.draw import Ask, Judges, draw_step
from tests.helpers.pixel_models import LetterEncoder, PixelVae, pixel_dit

CONFIG = RewardConfig(group=3, draw_steps=2, prompts_per_step=2)


def lengths(videos, prompts, fps):
    assert fps == 8.0 and len(set(prompts)) == 1
    return [len(video) / 10 for video in videos]


def draw(step=0, parts=None):
    loaded = pixel_dit()
    asks = [Ask(prompt="red", shape=(2, 4, 4)), Ask(prompt="blue", shape=(1, 2, 4))]
    return draw_step(
        loaded.model, loaded.latents, asks, CONFIG, step,
        vae=PixelVae(), text_encoder=LetterEncoder(),
        judges=Judges(parts=parts or {"length": (1.0, lengths)}),
    )  # fmt: skip


def test_videos_of_a_prompt_lie_side_by_side_and_differ():
    drawn = draw()
    assert drawn.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert [tuple(z.shape) for z in drawn.latents] == [(3, 2, 4, 4)] * 3 + [(3, 1, 2, 4)] * 3
    assert drawn.rewards.tolist() == pytest.approx([0.5] * 3 + [0.1] * 3)
    assert not torch.equal(drawn.latents[0], drawn.latents[1])


def test_a_step_is_a_function_of_its_number():
    assert torch.equal(draw(5).latents[0], draw(5).latents[0])
    assert not torch.equal(draw(5).latents[0], draw(6).latents[0])


def test_rewards_are_weighed():
    zero = lambda videos, *_: np.zeros(len(videos))  # noqa: E731
    drawn = draw(parts={"length": (3.0, lengths), "nothing": (1.0, zero)})
    assert drawn.rewards[0].item() == pytest.approx(0.75 * 0.5)
    assert drawn.parts["length"].tolist() == pytest.approx([0.5] * 3 + [0.1] * 3)
    assert drawn.parts["nothing"].sum() == 0
