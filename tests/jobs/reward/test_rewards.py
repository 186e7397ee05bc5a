"""Rewards by name: what they give, and what is refused."""

import sys

import numpy as np
import pytest

from jobs.core.errors import UserError
from jobs.reward.rewards import (
    MotionReward,
    RelevanceReward,
    StrictReward,
    check_rewards,
    open_judges,
    open_model,
)
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene


@pytest.fixture(scope="module")
def film():
    """A rendered scene with one object, and its caption."""
    scene = random_scene(3, max_objects=1, duration_s=17 / 8)
    return render(scene, width=64, height=64, fps=8.0, n_frames=17), caption(scene, "dense")


def test_the_strict_judge_rewards_truth_fully_and_damage_in_part(film):
    frames, text = film
    broken = frames.copy()
    broken[5:10] = broken[5:10, ::-1, ::-1]
    empty = np.full_like(frames, 120)
    true, damaged, nothing = StrictReward()([frames, broken, empty], [text] * 3, 8.0)
    assert true == 1 > damaged > nothing >= 0


def test_relevance_prefers_the_video_of_the_prompt(film):
    frames, text = film
    other = render(random_scene(8, max_objects=1), width=64, height=64, fps=8.0, n_frames=17)
    reward = RelevanceReward(open_model("embedded", "cpu"))
    right, wrong = reward([frames, other], [text, text], 8.0)
    assert 0 <= wrong < right <= 1
    assert reward([frames], ["Still."], 8.0).shape == (1,)


def test_motion_is_what_judge_measures(film):
    from pipeline.quality.motion import motion_quality

    frames, text = film
    quality = motion_quality(frames)
    assert quality is not None
    assert MotionReward("fluency")([frames], [text], 8.0)[0] == quality.fluency
    assert MotionReward("coherence")([frames], [text], 8.0)[0] == quality.coherence
    assert MotionReward("coherence")([frames[:1]], [text], 8.0)[0] == 0.5


def test_rewards_of_others_are_functions_or_classes(tmp_path, monkeypatch):
    (tmp_path / "my_rewards.py").write_text(
        "def half(videos, prompts, fps):\n    return [0.5] * len(videos)\n"
        "class Zero:\n    def __call__(self, videos, prompts, fps):\n        return [0.0] * len(videos)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    weights = {"my_rewards:half": 1.0, "my_rewards:Zero": 3.0}
    check_rewards(weights, ["anything at all"])
    mean, parts = open_judges(weights, "none", "cpu").score(
        [np.zeros((1, 4, 4, 3), np.uint8)], ["a"], 8.0
    )
    assert mean.tolist() == [0.125] and list(parts) == list(weights)
    sys.modules.pop("my_rewards", None)


@pytest.mark.parametrize(
    ("weights", "prompts", "said"),
    [
        ({"strikt": 1.0}, [], "strict"),
        ({"strict": 0.0}, [], "must be above 0"),
        ({"fluency": float("inf")}, [], "must be above 0"),
        ({"not_there:Reward": 1.0}, [], "cannot be imported"),
        ({"strict": 1.0}, ["A dog runs."], "names no object"),
        ({}, [], "names none"),
    ],
)
def test_what_cannot_judge_is_refused(weights, prompts, said):
    with pytest.raises(UserError, match=said):
        check_rewards(weights, prompts)


def test_relevance_needs_a_clip():
    with pytest.raises(UserError, match="goes without"):
        open_judges({"relevance": 1.0}, "none", "cpu")
