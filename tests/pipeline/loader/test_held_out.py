"""Held-out clips: whole sources, the same ones whatever else the data hold."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.latents.index import source_draw
from pipeline.latents.store import LatentStore
from pipeline.loader.held_out import held_out_clips
from tests.helpers.latents import write_folder


def store_of(folder, clips, source):
    def edit(rows):
        for row in rows:
            row[s.SOURCE_ID] = source(int(row[s.CLIP_ID][4:]))

    return LatentStore(write_folder(folder, clips=clips, edit=edit))


def sources_of(store, clips):
    return {store.clip(int(i))[s.SOURCE_ID] for i in np.flatnonzero(clips)}


def test_whole_sources_are_held_out_by_their_id_alone(tmp_path):
    store = store_of(tmp_path / "a", 120, lambda n: f"film{n % 30}")
    held = held_out_clips(store, 0.2)
    want = {f"film{n}" for n in range(30) if source_draw(f"film{n}") < 0.2 * 2**32}
    assert want and sources_of(store, held) == want and held.sum() == 4 * len(want)
    more = store_of(tmp_path / "b", 180, lambda n: f"film{n % 45}")
    assert sources_of(more, held_out_clips(more, 0.2)) >= want, "more data move no source"
    assert not held_out_clips(store, 0.0).any()
    assert not held_out_clips(store, 1.0).any(), "something must be left to train on"


def test_where_chance_holds_out_none_a_small_source_is_taken(tmp_path):
    store = store_of(tmp_path / "a", 60, lambda n: "long" if n < 45 else f"short{n}")
    held = held_out_clips(store, 1e-6)
    names = [f"short{n}" for n in range(45, 60)]
    assert held.sum() == 1 and sources_of(store, held) == {min(names, key=source_draw)}
    less = store_of(tmp_path / "b", 58, lambda n: "long" if n < 45 else f"short{n}")
    if min(names, key=source_draw) in names[:-2]:
        assert sources_of(less, held_out_clips(less, 1e-6)) == sources_of(store, held)


@pytest.mark.parametrize("films", [1, 2])
def test_of_one_film_single_clips_are_held_out_and_it_says_so(tmp_path, films, caplog):
    store = store_of(tmp_path / "a", 100, lambda n: f"film{n % films}")
    with caplog.at_level(logging.WARNING):
        held = held_out_clips(store, 0.01)
    assert 0 < held.sum() < 10
    assert held.dtype == bool
    assert f"all {films} sources are too large" in caplog.text
    assert "neighbours of clips that are trained on" in caplog.text


def stand_in(draws: list[int]) -> Any:
    """A store of clips of which each one's source has this draw."""
    ids = [f"clip{number}" for number in range(len(draws))]
    return SimpleNamespace(clips=ids, clip_ids=ids, source_draws=np.array(draws, np.uint32))


def test_the_limits_are_what_they_say():
    half = held_out_clips(stand_in([0, 2**31 - 1, 2**31, 2**32 - 1]), 0.5)
    assert half.tolist() == [True, True, False, False] and half.dtype == bool
    none = held_out_clips(stand_in([0, 1]), 0.0)
    assert none.tolist() == [False, False] and none.dtype == bool
    high, higher = 2**32 - 2, 2**32 - 1  # chance picks none of them
    of_two = held_out_clips(stand_in([high] * 2 + [higher] * 18), 0.05)
    assert of_two.tolist() == [True] * 2 + [False] * 18, "twice the share is small enough"
    of_three = held_out_clips(stand_in([high] * 3 + [higher] * 17), 0.05)
    assert of_three.tolist() != [True] * 3 + [False] * 17, "more is not"
