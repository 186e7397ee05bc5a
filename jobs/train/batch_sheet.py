"""A picture of a training batch: for each clip strips of frames, and what is known of it in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.sheets import picks

if TYPE_CHECKING:
    from PIL import Image, ImageFont

WIDTH = 600
"""Width of a clip's cell, pixels."""
FRAME_SIDE = 96
"""Frames are scaled to at most this many pixels along each side."""
MOST_FRAMES = 6
LINE = 16
"""Height of a line of text, pixels."""
GAP = 12
GIVEN = (20, 150, 60)
INK, FAINT, ALARM = (20, 20, 20), (110, 110, 110), (190, 40, 40)
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Frames of one clip in a row."""

    label: str
    """What the row shows, in a word or two."""
    frames: np.ndarray
    """uint8 (T,H,W,3)."""
    marked: Sequence[bool] = ()
    """Frames to frame in green; empty for none."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One clip of a batch."""

    strips: list[Strip]
    lines: list[tuple[str, Colour]] = field(default_factory=list)
    """Text and its colour; long lines are wrapped."""


def draw_cells(title: str, cells: Sequence[Cell], columns: int = 2) -> np.ndarray:
    """uint8 (H,W,3): the cells in reading order under a title."""
    from PIL import Image, ImageDraw

    font = _font()
    pictures = [_draw(cell, font) for cell in cells]
    columns = max(1, min(columns, len(cells)))
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    heights = [max(picture.height for picture in row) + GAP for row in rows]
    head = 2 * LINE
    sheet = Image.new("RGB", (GAP + columns * (WIDTH + GAP), head + sum(heights)), "white")
    ImageDraw.Draw(sheet).text((GAP, 6), title, fill=INK, font=font)
    y = head
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (WIDTH + GAP), y))
        y += height
    return np.asarray(sheet)


def _draw(cell: Cell, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    from PIL import Image, ImageDraw

    lines = [
        (part, colour) for text, colour in cell.lines for part in textwrap.wrap(text, 96) or [""]
    ]
    sizes = [_frame_size(strip) for strip in cell.strips]
    height = sum(high + LINE + 4 for _, high in sizes) + LINE * len(lines)
    picture = Image.new("RGB", (WIDTH, height), "white")
    draw = ImageDraw.Draw(picture)
    y = 0
    for text, colour in lines:
        draw.text((0, y), text, fill=colour, font=font)
        y += LINE
    for strip, size in zip(cell.strips, sizes, strict=True):
        draw.text((0, y), strip.label, fill=FAINT, font=font)
        y += LINE
        for place, index in enumerate(picks(len(strip.frames), MOST_FRAMES)):
            x = place * (size[0] + 3)
            picture.paste(Image.fromarray(strip.frames[index]).resize(size), (x, y))
            if strip.marked and strip.marked[index]:
                draw.rectangle((x, y, x + size[0] - 1, y + size[1] - 1), outline=GIVEN, width=3)
        y += size[1] + 4
    return picture


def _frame_size(strip: Strip) -> tuple[int, int]:
    """(width, height) in pixels that the strip's frames are drawn at."""
    high, wide = strip.frames.shape[1:3]
    most = WIDTH // MOST_FRAMES - 3
    scale = min(FRAME_SIDE / high, FRAME_SIDE / wide, most / wide)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=12)
