"""Shots that a curator should drop, and files it should quarantine: what real footage is full of."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.world.render import render
from pipeline.world.scene import Scene

JUNK_KINDS = ("black", "static", "blurred", "text", "duplicate", "letterbox", "shaking")
"""static: one frame held. duplicate: an earlier shot again. letterbox: bars above and below. text: covered by it."""
TEXT_LINES = (
    "SUBSCRIBE NOW",
    "LIMITED OFFER",
    "CALL 555 0199",
    "50% OFF TODAY",
    "CLICK THE LINK",
    "SALE ENDS SOON",
)
LETTERBOX_SHARE = 0.62
"""Share of the height that the picture keeps between the bars."""
SHAKE_SHARE = 0.09
"""Largest jump of a shaking shot, as a share of the shorter side."""


def junk_shot(
    kind: str, scene: Scene, *, width: int, height: int, fps: float, n_frames: int, seed: int
) -> np.ndarray:
    """Frames of a junk shot of ``kind`` over ``scene``, uint8 RGB (T, H, W, 3)."""
    rng = np.random.default_rng([seed, 0x17AB])
    side = min(width, height)
    plain: dict[str, Any] = {"width": width, "height": height, "fps": fps, "n_frames": n_frames}
    if kind == "black":
        noise = rng.integers(0, 3, (n_frames, height, width, 1), dtype=np.uint8)
        return np.repeat(noise, 3, axis=3)
    if kind == "static":
        return np.repeat(render(scene, **{**plain, "n_frames": 1}), n_frames, axis=0)
    if kind == "blurred":
        return _blur(render(scene, **plain), radius=max(2, side // 12))
    if kind == "text":
        return _cover_with_text(render(scene, **plain), rng)
    if kind == "duplicate":
        return render(scene, **plain)
    if kind == "letterbox":
        inner = max(2, int(height * LETTERBOX_SHARE) // 2 * 2)
        top = (height - inner) // 2
        frames = np.zeros((n_frames, height, width, 3), np.uint8)
        frames[:, top : top + inner] = render(scene, **{**plain, "height": inner})
        return frames
    if kind == "shaking":
        margin = max(1, round(side * SHAKE_SHARE))
        wide = render(
            scene, **{**plain, "width": width + 2 * margin, "height": height + 2 * margin}
        )
        jumps = rng.integers(0, 2 * margin + 1, (n_frames, 2))
        return np.stack(
            [f[y : y + height, x : x + width] for f, (y, x) in zip(wide, jumps, strict=True)]
        )
    raise ValueError(f"junk kind {kind!r} is unknown; use one of {', '.join(JUNK_KINDS)}")


def without_index(mp4: bytes) -> bytes:
    """An interrupted recording: the boxes of ``mp4`` without ``moov``, and only half of the picture data."""
    kept, at = bytearray(), 0
    while at + 8 <= len(mp4):
        size, name = int.from_bytes(mp4[at : at + 4], "big"), mp4[at + 4 : at + 8]
        if size < 8:
            raise ValueError(
                f"box {name!r} at byte {at} has size {size}; this needs plain 32-bit MP4 boxes"
            )
        if name == b"mdat":
            kept += mp4[at : at + size // 2]
        elif name != b"moov":
            kept += mp4[at : at + size]
        at += size
    return bytes(kept)


def _blur(frames: np.ndarray, radius: int) -> np.ndarray:
    """Three box blurs in each direction, close to a Gaussian of standard deviation ``radius`` pixels."""
    out = frames.astype(np.float32)
    for axis in (1, 2):
        for _ in range(3):
            pad = [(0, 0)] * 4
            pad[axis] = (radius + 1, radius)
            total = np.cumsum(np.pad(out, pad, mode="edge"), axis=axis, dtype=np.float64)
            length, window = frames.shape[axis], 2 * radius + 1
            high = np.take(total, range(window, window + length), axis=axis)
            low = np.take(total, range(length), axis=axis)
            out = ((high - low) / window).astype(np.float32)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def _cover_with_text(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines of text over most of the frame, white with a black edge, the same in every frame."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = frames.shape[1:3]
    lines = [TEXT_LINES[int(i)] for i in rng.permutation(len(TEXT_LINES))[:4]]
    probe = max(ImageFont.load_default(100).getlength(line) for line in lines) / 100
    size = max(8, int(min(0.94 * width / probe, height / 5.2)))
    font = ImageFont.load_default(size)
    picture = Image.new("L", (width, height), 0)
    edge = Image.new("L", (width, height), 0)
    for row, line in enumerate(lines):
        where = (width * 0.03, height * (0.05 + 0.235 * row))
        ImageDraw.Draw(picture).text(where, line, fill=255, font=font)
        ImageDraw.Draw(edge).text(where, line, fill=255, font=font, stroke_width=2, stroke_fill=255)
    light = np.asarray(picture, np.float32)[None, ..., None] / 255
    dark = np.asarray(edge, np.float32)[None, ..., None] / 255
    out = frames.astype(np.float32) * (1 - dark)
    return np.clip(out + 255 * light + 0.5, 0, 255).astype(np.uint8)
