"""Pictures, videos and masks that a command is given: read, brought to one size and rate, refused in one line."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jobs.core.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

MOST_FRAMES = 4096
"""Frames read of a video at most."""


def check_there(path: Path) -> None:
    """UserError where there is no file, or what has none's bytes: a folder, a pipe, a loop of links."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path} cannot be read: {why}; give another file") from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no file with bytes of its own"
        raise UserError(f"{path} cannot be read: it is {what}; give a file")


def read_picture(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """A picture as uint8 RGB (H, W, 3), scaled to cover ``size`` (width, height) and cropped to its centre."""
    from PIL import ImageOps

    picture = open_picture(path, "RGB")
    return np.array(picture if size is None else ImageOps.fit(picture, size))


def open_picture(path: Path, mode: str) -> Image.Image:
    """A picture, upright, in a mode of Pillow's; UserError for what is none, cut short, or more than memory holds."""
    import warnings

    from PIL import Image, ImageOps

    check_there(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return ImageOps.exif_transpose(Image.open(path)).convert(mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = Image.MAX_IMAGE_PIXELS or 0
        raise UserError(
            f"the picture {path} has more than {most / 1e6:.0f} megapixels; make it smaller"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no picture, or cut short"
        raise UserError(f"the picture {path} cannot be read: {why}; give a PNG or JPEG") from None


def check_memory(path: Path, size: tuple[int, int], fps: float) -> None:
    """UserError where the frames of a video at ``size`` (width, height) are more than this machine has room for."""
    import av

    from pipeline.store.machine import free_memory
    from pipeline.video.probe import ONLY

    free = free_memory()
    try:
        with av.open(f"file:{path.absolute()}", options=ONLY) as container:
            seconds = (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError):  # reading it says why
        return
    frames = min(MOST_FRAMES, max(1, round(seconds * fps)))
    needs = frames * size[0] * size[1] * 3
    if free is not None and needs > free:
        raise UserError(
            f"--size {size[0]}x{size[1]}: {frames} frames of {path} need {needs / 1e9:.0f} GB of memory, and "
            f"{free / 1e9:.0f} GB are free here; give a smaller --size, or cut the video first"
        )


def read_video(
    path: Path, size: tuple[int, int] | None, fps: float, *, most: int = MOST_FRAMES
) -> np.ndarray:
    """Frames of a video at ``fps``, uint8 RGB (T, H, W, 3), as a player shows them: of each moment the one shown then.

    More than ``most`` are refused. Scaled to cover ``size`` (width, height) and cropped to its centre; None keeps the
    video's own.
    """
    import av

    from pipeline.video.probe import ONLY, MediaError
    from pipeline.video.upright import Upright

    check_there(path)
    frames: list[np.ndarray] = []
    last: np.ndarray | None = None
    start: float | None = None
    length = 0.0
    longer = f"{path} has more than {most} frames at {fps:g} a second; cut it first"
    try:
        with av.open(f"file:{path.absolute()}", options=ONLY) as container:
            stream = container.streams.video[0]
            shown = Upright(stream)
            for frame in container.decode(stream):
                time = float(frame.time or 0.0)
                start = time if start is None else start
                while last is not None and len(frames) / fps < time - start - 1e-6:
                    frames.append(last)
                if len(frames) > most:
                    raise UserError(longer)
                last = fitted(shown(frame), size)
                length = time - start + float((frame.duration or 0) * (frame.time_base or 0))
    except (av.FFmpegError, MediaError, IndexError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot read {path} as a video: {why}; give another file") from None
    if last is None:
        raise UserError(f"{path} has no frames")
    while not frames or len(frames) / fps < length - 1e-6:
        frames.append(last)
    if len(frames) > most:
        raise UserError(longer)
    return np.stack(frames)


def fitted(frame: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """A frame scaled to cover ``size`` (width, height) and cropped to its centre."""
    from PIL import Image, ImageOps

    if size is None or frame.shape[1::-1] == size:
        return frame
    return np.array(ImageOps.fit(Image.fromarray(frame), size))


def box_mask(text: str, width: int, height: int) -> np.ndarray:
    """``"X,Y,WxH"`` in pixels from the top left corner -> bool (height, width)."""
    x, y, w, h = parse_box(text)
    if not w or not h or x + w > width or y + h > height:
        raise UserError(
            f"--region {text} does not lie inside the video, which is {width}x{height}; give one that does"
        )
    mask = np.zeros((height, width), bool)
    mask[y : y + h, x : x + w] = True
    return mask


def parse_box(text: str) -> tuple[int, int, int, int]:
    """``"X,Y,WxH"`` -> (x, y, width, height)."""
    match = re.fullmatch(r"(\d+),(\d+),(\d+)x(\d+)", text.replace(" ", ""))
    if not match:
        raise UserError(
            f"--region {text!r} is no region; give X,Y,WxH in pixels, such as 16,16,32x32"
        )
    x, y, w, h = map(int, match.groups())
    return x, y, w, h


def parse_span(text: str) -> tuple[float, float]:
    """``"START-END"`` -> seconds."""
    match = re.fullmatch(r"(\d+\.?\d*)-(\d+\.?\d*)", text.replace(" ", ""))
    start, end = (float(match[1]), float(match[2])) if match else (1.0, 0.0)
    if start >= end:
        raise UserError(f"--span {text!r} is no span; give START-END in seconds, such as 0.5-1.5")
    return start, end


def span_mask(text: str, frames: int, fps: float) -> np.ndarray:
    """``"START-END"`` in seconds -> bool (frames,): the frames shown from START to before END."""
    start, end = parse_span(text)
    shown = np.arange(frames) / fps
    mask = (shown >= start - 1e-6) & (shown < end - 1e-6)
    if not mask.any():
        raise UserError(
            f"--span {text} covers no frame of the video, {frames / fps:g} s long; give a part of it"
        )
    return mask


def picture_mask(path: Path, width: int, height: int) -> np.ndarray:
    """A picture of the video's size, what is bright in it being True: bool (height, width)."""
    picture = np.array(open_picture(path, "L"))
    if picture.shape != (height, width):
        raise UserError(
            f"--mask {path} is {picture.shape[1]}x{picture.shape[0]}, the video {width}x{height}; "
            "they must be of one size"
        )
    if not (picture > 127).any():
        raise UserError(f"--mask {path} is dark everywhere; paint white what is to be covered")
    return picture > 127
