"""Colours are named as people name them, and only where they are sure."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scores.colours import NAMES, main_colours, name_pixels

KNOWN = {
    "black": [(0, 0, 0), (22, 22, 24)],
    "dark grey": [(70, 70, 70), (80, 82, 80)],
    "grey": [(128, 128, 128), (150, 148, 150)],
    "white": [(255, 255, 255), (244, 246, 244)],
    "red": [(220, 20, 30), (160, 10, 20), (200, 40, 40)],
    "orange": [(255, 140, 0), (240, 120, 20)],
    "brown": [(110, 70, 40), (139, 69, 19), (90, 60, 35)],
    "beige": [(225, 208, 180)],
    "yellow": [(255, 230, 0), (240, 220, 40)],
    "green": [(0, 128, 0), (60, 140, 60), (34, 85, 34), (120, 190, 110)],
    "cyan": [(0, 240, 240), (90, 220, 225)],
    "blue": [(0, 0, 255), (30, 80, 180), (20, 30, 110), (110, 170, 230)],
    "purple": [(110, 30, 130), (90, 30, 100)],
    "pink": [(255, 150, 190), (255, 105, 180)],
}
"""Name -> colours that nobody would call otherwise (most after the XKCD colour survey's centres)."""


@pytest.mark.parametrize("name", KNOWN)
def test_clear_colours_have_their_names(name: str) -> None:
    found = [NAMES[i] if i >= 0 else None for i in name_pixels(np.array(KNOWN[name], np.uint8))]
    assert found == [name] * len(KNOWN[name])


def test_what_people_disagree_about_has_no_name() -> None:
    unclear = [(205, 205, 205), (105, 100, 92), (190, 160, 130), (70, 130, 110), (95, 95, 105)]
    assert name_pixels(np.array(unclear, np.uint8)).tolist() == [-1] * len(unclear)


def test_main_colours_are_ordered_by_area_and_small_ones_left_out() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:] = (0, 128, 0)
    frame[:30] = (255, 255, 255)
    frame[95:, :50] = (220, 20, 30)
    assert main_colours(frame[None].repeat(3, 0)) == ["green", "white"]


def test_a_picture_without_a_sure_colour_has_none() -> None:
    assert main_colours(np.full((2, 40, 40, 3), (105, 100, 92), np.uint8)) == []


def test_grey_must_cover_more_than_other_colours() -> None:
    frame = np.full((100, 100, 3), (0, 128, 0), np.uint8)
    frame[:30] = (128, 128, 128)
    assert main_colours(frame[None]) == ["green"]
    frame[:45] = (128, 128, 128)
    assert main_colours(frame[None]) == ["green", "grey"]
