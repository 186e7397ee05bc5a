"""Pictures, videos and masks that a command is given: read, brought to one size and rate, refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jobs.core.errors import UserError

MOST_FRAMES = 4096
"""Frames read of a video at most."""


def read_picture(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """A picture as uint8 RGB (H, W, 3), scaled to cover ``size`` (width, height) and cropped to its centre."""
    from PIL import Image, ImageOps

    try:
        picture = Image.open(path).convert("RGB")
    except OSError as error:
        why = error.strerror or "it is no picture"
        raise UserError(f"the picture {path} cannot be read: {why}; give a PNG or JPEG") from None
    return np.array(picture if size is None else ImageOps.fit(picture, size))


def read_video(path: Path, size: tuple[int, int] | None, fps: float) -> np.ndarray:
    """Frames of a video at ``fps``, uint8 RGB (T, H, W, 3): of each moment the frame that is shown then.

    Scaled to cover ``size`` (width, height) and cropped to its centre; None keeps the video's own.
    """
    import av

    from pipeline.video.probe import ONLY

    frames: list[np.ndarray] = []
    last: np.ndarray | None = None
    start: float | None = None
    length = 0.0
    try:
        with av.open(f"file:{path.absolute()}", options=ONLY) as container:
            for frame in container.decode(container.streams.video[0]):
                time = float(frame.time or 0.0)
                start = time if start is None else start
                while last is not None and len(frames) / fps < time - start - 1e-6:
                    frames.append(last)
                if len(frames) > MOST_FRAMES:
                    raise UserError(
                        f"{path} has more than {MOST_FRAMES} frames at {fps:g} a second; cut it first"
                    )
                last = fitted(frame.to_ndarray(format="rgb24"), size)
                length = time - start + float((frame.duration or 0) * (frame.time_base or 0))
    except (av.FFmpegError, IndexError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot read {path} as a video: {why}; give another file") from None
    if last is None:
        raise UserError(f"{path} has no frames")
    while not frames or len(frames) / fps < length - 1e-6:
        frames.append(last)
    return np.stack(frames)


def fitted(frame: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """A frame scaled to cover ``size`` (width, height) and cropped to its centre."""
    from PIL import Image, ImageOps

    if size is None or frame.shape[1::-1] == size:
        return frame
    return np.array(ImageOps.fit(Image.fromarray(frame), size))


def box_mask(text: str, width: int, height: int) -> np.ndarray:
    """``"X,Y,WxH"`` in pixels from the top left corner -> bool (height, width)."""
    import re

    match = re.fullmatch(r"(\d+),(\d+),(\d+)x(\d+)", text.replace(" ", ""))
    if not match:
        raise UserError(f"--region {text!r} is not X,Y,WxH in pixels, such as 16,16,32x32")
    x, y, w, h = map(int, match.groups())
    if not w or not h or x + w > width or y + h > height:
        raise UserError(f"--region {text} does not lie inside the video, which is {width}x{height}")
    mask = np.zeros((height, width), bool)
    mask[y : y + h, x : x + w] = True
    return mask


def span_mask(text: str, frames: int, fps: float) -> np.ndarray:
    """``"START-END"`` in seconds -> bool (frames,): the frames shown from START to before END."""
    import re

    match = re.fullmatch(r"([\d.]+)-([\d.]+)", text.replace(" ", ""))
    try:
        start, end = (float(match[1]), float(match[2])) if match else (1.0, 0.0)
    except ValueError:
        start, end = 1.0, 0.0
    if start >= end:
        raise UserError(f"--span {text!r} is not START-END in seconds, such as 0.5-1.5")
    shown = np.arange(frames) / fps
    mask = (shown >= start - 1e-6) & (shown < end - 1e-6)
    if not mask.any():
        raise UserError(f"--span {text} covers no frame of the video, {frames / fps:g} s long")
    return mask


def picture_mask(path: Path, width: int, height: int) -> np.ndarray:
    """A picture of the video's size, what is bright in it being True: bool (height, width)."""
    from PIL import Image

    try:
        picture = np.array(Image.open(path).convert("L"))
    except OSError as error:
        raise UserError(f"cannot read --mask {path}: {error}") from None
    if picture.shape != (height, width):
        raise UserError(
            f"--mask {path} is {picture.shape[1]}x{picture.shape[0]}, the video {width}x{height}; "
            "they must be of one size"
        )
    return picture > 127
