"""Composites: the truth is where the pictures change, whatever lies inside the shots."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.shot_composites import GRADUAL, HELD_KINDS, Composite, blend, compose, join
from benchmarks.shot_disturbances import DISTURBANCES, disturb
from benchmarks.shot_views import SPLIT, Clip, random_view, render

SIZE = (64, 36)


def flat(level: int, n: int = 40) -> Clip:
    """A clip of one colour, a little brighter in the middle."""
    frames = np.full((n, 45, 80, 3), level, np.uint8)
    frames[:, 15:30, 30:50] += 10
    return Clip(name=str(level), frames=frames)


@pytest.fixture
def clips() -> list[Clip]:
    return [flat(level) for level in (20, 90, 160, 230)]


def test_cuts_are_where_the_truth_says(clips: list[Clip]) -> None:
    made = compose(np.random.default_rng(0), clips, SIZE, 600, gradual_share=0)
    assert len(made.frames) >= 600 and len(made.cuts) > 5 and made.gradual == []
    assert made.cuts == sorted(set(made.cuts)) and set(made.kinds) == set(map(str, made.cuts))
    assert made.truth(25)["frames"] == len(made.frames)


@pytest.mark.parametrize("kind", [*GRADUAL, *HELD_KINDS])
def test_frames_outside_of_a_transition_are_not_touched(kind: str) -> None:
    a, b = np.full((30, 36, 64, 3), 60, np.uint8), np.full((30, 36, 64, 3), 200, np.uint8)
    a[:, :, ::4] = 90
    b[:, ::4] = 150
    made = Composite(frames=list(a))
    join(np.random.default_rng(3), made, b, kind, 12)
    (first, last) = (made.gradual[0][0], made.gradual[-1][1]) if made.gradual else made.cuts
    stop = last + 1 if made.gradual else last
    frames = np.stack(made.frames)
    assert np.array_equal(frames[:first], a[:first])
    assert np.array_equal(frames[stop:], b[len(b) - len(frames[stop:]) :])
    mixed = frames[first:stop]
    assert not any(np.array_equal(each, a[0]) or np.array_equal(each, b[0]) for each in mixed[1:-1])


def test_a_wipe_goes_from_the_one_to_the_other() -> None:
    a, b = np.zeros((9, 36, 64, 3), np.uint8), np.full((9, 36, 64, 3), 250, np.uint8)
    means = blend(np.random.default_rng(1), "wipe", a, b).mean((1, 2, 3))
    assert np.all(np.diff(means) > 0) and 0 < means[0] < 60 and 190 < means[-1] < 250


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_a_disturbance_keeps_the_shot_and_does_something(kind: str, clips: list[Clip]) -> None:
    rng = np.random.default_rng(5)
    noise = np.random.default_rng(0).integers(0, 255, (60, 45, 80, 3)).astype(np.uint8)
    view = random_view(rng, [Clip(name="noise", frames=noise)], 40)
    frames, (first, last) = disturb(rng, view, 40, SIZE, kind, clips)
    assert frames.shape == (40, 36, 64, 3) and 0 <= first <= last < 40
    assert not np.array_equal(frames, render(view, 40, SIZE))


def test_no_clip_is_in_both_splits() -> None:
    split = json.loads(SPLIT.read_text())
    groups = [set(each) for each in split.values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 58
    assert len(split["heldout"]) == 16 and split["excluded"] == ["YcAETihTOr4.2.mp4"]
