"""Contact sheets: frames side by side, rows under each other, with captions, as PNG or JPEG.

Pictures are uint8 arrays (H, W, 3) throughout, so that every job draws with the same few functions.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FRAMES = 6
"""Frames of a video in its row of a contact sheet."""
GAP = 4
"""White pixels between the frames of a row and between rows."""
BAR = 14
"""Height of the line of text above a row, pixels."""
LETTER = 6
"""Width of a letter of that line, pixels."""


def picks(total: int, most: int) -> list[int]:
    """Indices of at most ``most`` of ``total`` frames, evenly spaced, the first and the last among them."""
    return np.linspace(0, total - 1, min(most, total)).round().astype(int).tolist()


def side_by_side(frames: Iterable[np.ndarray], gap: int = 0) -> np.ndarray:
    """Frames of one size in a row, ``gap`` white pixels behind each."""
    return np.concatenate(
        [np.pad(f, ((0, 0), (0, gap), (0, 0)), constant_values=255) for f in frames], axis=1
    )


def stacked(rows: Sequence[np.ndarray], gap: int = 0, fill: int = 255) -> np.ndarray:
    """Pictures under each other, flush left, with ``gap`` pixels below each; ``fill`` is the grey of what is empty."""
    wide = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(r, ((0, gap), (0, wide - r.shape[1]), (0, 0)), constant_values=fill) for r in rows]
    )


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    """Every pixel ``scale`` times as wide and as high; (..., H, W, 3)."""
    return picture.repeat(scale, -3).repeat(scale, -2)


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture under a white bar with the start of ``text``, as much of it as fits."""
    from PIL import Image, ImageDraw

    with_bar = np.pad(picture, ((BAR, 0), (0, 0), (0, 0)), constant_values=255)
    image = Image.fromarray(with_bar)
    ImageDraw.Draw(image).text((2, 1), text[: picture.shape[1] // LETTER], fill=(0, 0, 0))
    return np.asarray(image)


def contact_sheet(
    videos: Sequence[np.ndarray], captions: Sequence[str], scale: int = 2
) -> np.ndarray:
    """A row of evenly spaced frames for each video (T, H, W, 3), its caption above it."""
    rows = []
    for video, caption in zip(videos, captions, strict=True):
        frames = enlarged(video[picks(len(video), FRAMES)], scale)
        rows.append(captioned(side_by_side(frames, GAP), caption))
    return stacked(rows, GAP)


def png_bytes(picture: np.ndarray, tags: Mapping[str, str] | None = None) -> bytes:
    """The picture as a PNG file, with ``tags`` as its text."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for name, value in (tags or {}).items():
        text.add_itxt(name, value)
    return _file(picture, "PNG", pnginfo=text)


def webp_bytes(video: np.ndarray, fps: float, side: int = 192, quality: int = 80) -> bytes:
    """Frames uint8 RGB (T, H, W, 3) as an animated WebP that repeats for ever, its longer side ``side`` pixels.

    Small frames are enlarged smoothly, so that a page can show them as they are.
    """
    from PIL import Image

    height, width = video.shape[1:3]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pages = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in video]
    buffer = io.BytesIO()
    pages[0].save(
        buffer, "WEBP", save_all=True, append_images=pages[1:], duration=round(1000 / fps), loop=0,
        quality=quality, method=4,
    )  # fmt: skip
    return buffer.getvalue()


def jpeg_base64(picture: np.ndarray, quality: int) -> str:
    """The picture as a JPEG file in base64, for a page; ``quality`` is 1 to 95."""
    return base64.b64encode(_file(picture, "JPEG", quality=quality)).decode()


def _file(picture: np.ndarray, kind: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()
