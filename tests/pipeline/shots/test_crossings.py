"""A transition after which the old picture is still there, or comes back, is none."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.shots.boundaries import Transition
from pipeline.shots.crossings import BACK_S, CELLS, COLUMNS, ROWS, small_pictures, without_crossings
from pipeline.shots.signatures import signatures

FPS = 25.0
WIPE = Transition(kind="wipe", first=40, stop=50)


def picture(seed: int) -> np.ndarray:
    """A picture of mid greys, float (CELLS,)."""
    return np.random.default_rng(seed).uniform(60, 200, CELLS)


def film(*parts: tuple[np.ndarray, int]) -> np.ndarray:
    """uint8 (N, CELLS): each picture for so many frames, with a little noise."""
    frames = np.concatenate([np.repeat(each[None], n, axis=0) for each, n in parts])
    noise = np.random.default_rng(0).normal(0, 1.0, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def kept(frames: np.ndarray, *found: Transition) -> list[Transition]:
    return without_crossings(list(found), frames, FPS)


def test_a_picture_that_stays_another_is_a_transition() -> None:
    assert kept(film((picture(1), 45), (picture(2), 200)), WIPE) == [WIPE]


def test_what_crosses_leaves_the_old_picture() -> None:
    ground, lorry = picture(1), picture(2)
    away = Transition(kind="wipe", first=100, stop=110)
    frames = film((ground, 45), (lorry, 60), (ground, 90))
    assert kept(frames, WIPE, away) == [], "the way back to the ground is part of it"
    later = Transition(kind="dissolve", first=150, stop=160)
    new = film((ground, 45), (lorry, 60), (ground, 50), (picture(5), 90))
    assert kept(new, WIPE, away, later) == [later]
    late = round(BACK_S * FPS) + 20
    assert kept(film((ground, 45), (lorry, late), (ground, 90)), WIPE) == [WIPE]


def test_a_part_that_changes_is_no_transition() -> None:
    ground = picture(1)
    part = ground.reshape(ROWS, COLUMNS).copy()
    part[:, :5] = 30
    assert kept(film((ground, 45), (part.ravel(), 100)), WIPE) == []


def test_light_that_fades_and_returns_is_none() -> None:
    ground = picture(3)
    fade = Transition(kind="fade", first=40, stop=70)
    shares = np.concatenate(
        [np.ones(40), np.linspace(1, 0.1, 30), np.linspace(0.1, 1, 30), np.ones(60)]
    )
    frames = np.clip(ground * shares[:, None], 0, 255).astype(np.uint8)
    assert kept(frames, fade) == []


def test_a_cut_ends_the_search() -> None:
    """A film may cut back to where it was: that is an edit and nothing that crossed."""
    old, new = picture(1), picture(2)
    cut = Transition(kind="cut", first=80, stop=80)
    frames = film((old, 45), (new, 35), (old, 60))
    assert kept(frames, WIPE, cut) == [WIPE, cut]
    assert kept(frames, WIPE) == []
    before = Transition(kind="cut", first=38, stop=38)
    other = film((new, 38), (old, 7), (new, 100))
    assert kept(other, before, WIPE) == [before, WIPE], "what was before the cut is another shot"


def test_a_picture_in_the_picture_is_no_cut() -> None:
    ground = picture(1)
    inset = ground.reshape(ROWS, COLUMNS).copy()
    inset[2:7, 4:12] = picture(2).reshape(ROWS, COLUMNS)[2:7, 4:12]
    come, go = (Transition(kind="cut", first=at, stop=at) for at in (45, 80))
    frames = film((ground, 45), (inset.ravel(), 35), (ground, 60))
    assert kept(frames, come, go) == []
    scattered = ground.reshape(ROWS, COLUMNS).copy()
    scattered[::2, ::2] += 40
    assert kept(film((ground, 45), (scattered.ravel(), 60)), come) == [come], "a jump in time"
    wide = ground.reshape(ROWS, COLUMNS).copy()
    wide[:, 1:15] += 50
    assert kept(film((ground, 45), (wide.ravel(), 60)), come) == [come], "almost all of it"


def test_a_film_may_cut_away_and_back() -> None:
    cut = Transition(kind="cut", first=45, stop=45)
    assert kept(film((picture(1), 45), (picture(2), 20), (picture(1), 60)), cut) == [cut]


@pytest.mark.parametrize("level", [17.0, 234.0])
def test_black_and_white_say_nothing(level: float) -> None:
    plain = np.full(CELLS, level)
    assert kept(film((plain, 45), (plain, 100)), WIPE) == [WIPE]


def test_small_pictures_are_means_of_luma() -> None:
    planes = np.random.default_rng(1).integers(16, 236, (3, 3, 36, 64), dtype=np.uint8)
    means = planes[:, 0].reshape(3, ROWS, 4, COLUMNS, 4).mean((2, 4)).reshape(3, CELLS)
    assert np.abs(small_pictures(signatures(planes)) - means).max() <= 0.51


def test_what_came_unseen_leaves_no_transition() -> None:
    ground, lorry = picture(1), picture(2)
    away = Transition(kind="wipe", first=100, stop=110)
    assert kept(film((ground, 40), (lorry, 65), (ground, 90)), away) == []
    cut = Transition(kind="cut", first=40, stop=40)
    frames = film((ground, 40), (lorry, 65), (ground, 90))
    assert kept(frames, cut, away) == [cut, away], "an edit may go back to where it was"
    long = round(BACK_S * FPS) + 20
    late = Transition(kind="wipe", first=long + 40, stop=long + 50)
    frames = film((ground, 30), (lorry, long + 15), (ground, 90))
    assert kept(frames, late) == [late]


def test_the_usual_picture_counts_where_something_crosses_already() -> None:
    ground, nose, lorry = picture(1), picture(4), picture(2)
    frames = film((ground, 32), (nose, 12), (lorry, 60), (ground, 60))
    assert kept(frames, WIPE) == []
