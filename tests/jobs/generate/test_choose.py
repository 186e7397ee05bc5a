"""The best of several videos is kept, and what failed is asked for again, first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from jobs.generate.choose import choose, refined
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene

SCENE = next(
    replace(scene, camera="static")
    for scene in (random_scene(seed, duration_s=9 / 8) for seed in range(200))
    if [(o.motion, o.shape) for o in scene.objects] == [("still", "square")]
)
PROMPT = caption(SCENE, "dense")
WRONG = replace(SCENE, objects=(replace(SCENE.objects[0], shape="ring"), *SCENE.objects[1:]))


def frames(scene) -> np.ndarray:
    return render(scene, width=64, height=64, fps=8, n_frames=9)


class Model:
    """Draws the scene right for some seeds, and notes what it was asked for."""

    def __init__(self, right: set[int]) -> None:
        self.right, self.asked = right, []

    def __call__(self, texts: Sequence[str], asked: Sequence[int], seed: int) -> list[np.ndarray]:
        self.asked.append((list(texts), seed))
        return [frames(SCENE if seed + i in self.right else WRONG) for i in range(len(texts))]


def options(**more):
    plain = {"fps": 8.0, "seed": 5, "best_of": 3, "refine": False}
    return {**plain, "clip_model": "none", "device": "cpu", **more}


def test_the_right_one_is_kept_and_the_gain_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model({7})
    (kept,) = choose([PROMPT], model, **options())
    assert kept.seed == 7 and kept.judged.wrong == ()
    assert (kept.video == frames(SCENE)).all()
    assert "best of 3: frames right 0.000 -> 1.000" in capsys.readouterr().out


def test_each_prompt_keeps_the_best_of_its_own_videos() -> None:
    """Of another prompt's, a user gets somebody else's video under his name."""
    ring = caption(WRONG, "dense")
    model = Model({9, 6, 10})  # seeds 5, 7, 9 are of the first prompt, 6, 8, 10 of the second
    first, second = choose([PROMPT, ring], model, **options())
    assert (first.seed, first.prompt, first.judged.wrong) == (9, PROMPT, ())
    assert (second.seed, second.prompt, second.judged.wrong) == (8, ring, ())


def test_what_failed_is_asked_for_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model({6})
    (kept,) = choose([PROMPT], model, **options(best_of=1, refine=True))
    assert kept.seed == 6 and kept.prompt != PROMPT and kept.judged.prompt == PROMPT
    assert kept.prompt.startswith(PROMPT.split(".")[0])
    assert len(model.asked) == 2
    assert "refine: 1 of 1 prompts again: frames right 0.000 -> 1.000" in capsys.readouterr().out


def test_nothing_is_refined_where_nothing_failed(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model({5})
    choose([PROMPT], model, **options(best_of=1, refine=True))
    assert len(model.asked) == 1
    assert "nothing to do" in capsys.readouterr().out


def test_failed_sentences_come_first_or_twice() -> None:
    prompt = "A red circle moves left. A blue ring stays still. The light is even."
    assert refined(prompt, ["A blue ring stays still."]) == (
        "A blue ring stays still. A red circle moves left. The light is even."
    )
    assert refined(prompt, ["A red circle moves left."]) == f"{prompt} A red circle moves left."
    assert refined(prompt, []) == prompt
