"""Pictures and videos that a job is given: uploads, kept by their content, and results of other jobs.

An upload is decoded in a child process, which may crash or hang alone, and never before its job runs.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from pipeline.store.atomic import write_bytes

FOLDER = "inputs"
MOST_FRAMES = 129
"""Frames of an upload that are used at most, from its start on."""
MOST_SIDE = 512
"""Longer side that an upload is scaled down to, pixels."""
MAX_BYTES = 64 << 20
"""Bytes of an upload at most."""


class Inputs:
    """What jobs may name as ``input:ID`` or ``result:ID``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> str:
        """Store an upload; its name follows from its content."""
        if not data:
            raise ValueError("the upload is empty")
        key = hashlib.blake2b(data, digest_size=8).hexdigest()
        path = self.folder / FOLDER / key
        if not path.is_file():
            write_bytes(path, data)
        return f"input:{key}"

    def path(self, name: str) -> Path:
        """The file of an input; ValueError when there is none."""
        kind, _, key = name.partition(":")
        if not re.fullmatch(r"[0-9a-f]{16}", key) or kind not in ("input", "result"):
            raise ValueError(f"{name[:60]!r} names no input; upload one, or give result:ID")
        where = self.folder / FOLDER / key
        path = where if kind == "input" else self.folder / "results" / key / "video.mp4"
        if not path.is_file():
            raise ValueError(f"there is no {name}; upload it first, or wait until its job is done")
        return path

    def frames(
        self, name: str, fps: float, multiple: int, like: tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Frames of an input at ``fps``, uint8 RGB (T, H, W, 3); sides are multiples of ``multiple``, or ``like``'s."""
        from pipeline.video.probe import MediaError
        from pipeline.video.stills import sample_picture, sample_video

        path = self.path(name)
        try:
            if looks_like_picture(path):
                found = sample_picture(path, side=MOST_SIDE)
            else:
                found = sample_video(path, count=MOST_FRAMES, side=MOST_SIDE, deadline_s=60)
        except MediaError as error:
            raise ValueError(
                f"{name} cannot be read as a picture or video: {error.message}"
            ) from None
        count = max(1, min(MOST_FRAMES, round(found.seconds * fps)))
        picks = np.minimum(
            np.arange(count) / max(1, count) * len(found.frames) + 1e-6, len(found.frames) - 1
        )
        frames = found.frames[picks.astype(int)]
        return fitted(frames, multiple, like)

    def mask(self, region: str, shape: tuple[int, ...]) -> np.ndarray:
        """bool (T, H, W): the rectangle ``X,Y,WxH`` in every frame."""
        x, y, width, height = map(int, re.split("[,x]", region))
        frames, rows, columns = shape[:3]
        if not width or not height or x + width > columns or y + height > rows:
            raise ValueError(f"region {region} does not lie inside the video, {columns}x{rows}")
        mask = np.zeros((frames, rows, columns), bool)
        mask[:, y : y + height, x : x + width] = True
        return mask


def looks_like_picture(path: Path) -> bool:
    """Whether a file begins as a PNG, JPEG, WebP or BMP does; what it is is found out in the child."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM")) or head[8:] == b"WEBP"


def fitted(frames: np.ndarray, multiple: int, like: tuple[int, ...] | None) -> np.ndarray:
    """Frames scaled and cropped to sides that ``multiple`` divides, or to the size of ``like``."""
    from PIL import Image, ImageOps

    height, width = frames.shape[1:3]
    if like is not None:
        size = (like[2], like[1])
    else:
        size = (
            max(multiple, width // multiple * multiple),
            max(multiple, height // multiple * multiple),
        )
    if (width, height) == size:
        return frames
    return np.stack([np.array(ImageOps.fit(Image.fromarray(frame), size)) for frame in frames])
