"""Text is found at its size and place; pictures without any have none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.scores.text_area import TextDetector, TextFound, coverage, find_text
from tests.helpers.moving_scenes import scene, to_uint8


@pytest.fixture(scope="module")
def detector() -> TextDetector:
    return TextDetector()


def titled(size: int, text: str = "Chapter one: the river") -> tuple[np.ndarray, float]:
    """uint8 RGB (180, 320, 3) with a line of text, and the share of it that the line's box covers."""
    picture = Image.fromarray(to_uint8(scene(2, 1))[0]).resize((320, 180))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox((20, 90), text, font=font)
    draw.text((20, 90), text, fill="white", font=font)
    return np.asarray(picture), (right - left) * (bottom - top) / (320 * 180)


@pytest.mark.parametrize("size", [12, 20, 25])
def test_area_of_a_line(detector: TextDetector, size: int) -> None:
    frame, truth = titled(size)
    area = find_text(detector, frame[None], 2).area
    assert area == pytest.approx(truth, rel=0.7)
    assert area > 0.6 * truth


def test_no_text(detector: TextDetector) -> None:
    frames = to_uint8(scene(2, 8))
    assert find_text(detector, frames, 2) == TextFound(area=0.0, lines=())
    black = np.zeros((1, 64, 64, 3), np.uint8)
    assert find_text(detector, black, 2) == TextFound(area=0.0, lines=())


@pytest.mark.parametrize("text", ["Chapter one: the river", "OPEN 24 HOURS", "Wir sind bald da"])
def test_a_clear_line_is_read_to_the_letter(detector: TextDetector, text: str) -> None:
    frame, _ = titled(20, text)
    assert find_text(detector, np.stack([frame, frame]), 2).lines == (text,)


def test_text_that_is_not_the_same_in_both_frames_is_not_quoted(detector: TextDetector) -> None:
    one, two = titled(20, "Chapter one: the river")[0], titled(20, "Chapter two: the lake")[0]
    found = find_text(detector, np.stack([one, two]), 2)
    assert found.lines == () and found.area > 0.02


def test_a_line_with_its_end_hidden_for_a_while_is_quoted_whole_or_not(
    detector: TextDetector,
) -> None:
    whole, _ = titled(20, "PETROLEUM")
    hidden = whole.copy()
    hidden[80:120, 105:150] = hidden[40:80, 105:150]  # somebody stands before the last letters
    cut = find_text(detector, np.stack([hidden, hidden]), 2).lines
    assert cut and cut[0] != "PETROLEUM" and "PETROLEUM".startswith(cut[0])
    assert find_text(detector, np.stack([hidden] * 4 + [whole]), 2).lines == ()
    assert find_text(detector, np.stack([hidden] * 2 + [whole] * 3), 2).lines == ("PETROLEUM",)


def test_letters_too_small_or_too_few_to_be_sure_of_are_not_quoted(detector: TextDetector) -> None:
    for frame, _ in (titled(5), titled(20, "l")):
        lines = find_text(detector, np.stack([frame, frame]), 2).lines
        assert lines in ((), ("Chapter one: the river",))


def test_text_in_one_of_the_frames_counts(detector: TextDetector) -> None:
    frame, _ = titled(20)
    plain = np.asarray(Image.fromarray(to_uint8(scene(2, 1))[0]).resize((320, 180)))
    both = np.stack([plain, plain, plain, frame])
    assert find_text(detector, both, 2).area > 0.02
    assert find_text(detector, both[:3], 2).area == 0


def test_coverage_counts_overlaps_once() -> None:
    box = np.array([[10, 10], [29, 10], [29, 19], [10, 19]], np.float32)
    assert coverage(np.stack([box, box]), (50, 100)) == pytest.approx(200 / 5000)
    assert coverage(np.empty((0, 4, 2)), (50, 100)) == 0
