"""Clips with a known defect, for ``benchmarks/scores.py``: world scenes, and what was done to them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.world.junk import junk_shot
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene

SIZES = ((320, 180), (240, 240), (180, 320))
FPS, FRAMES = 24, 48
SEED = 80_000_000
"""First seed of the scenes; thresholds were set on others."""
CODECS = {
    "h264": ("mp4", "libx264", ({"crf": "20"}, {"crf": "34"})),
    "hevc": ("mp4", "libx265", ({"crf": "22"}, {"crf": "36"})),
    "vp9": ("webm", "libvpx-vp9", ({"b": "900k"}, {"b": "150k"})),
    "mpeg4": ("avi", "mpeg4", ({"b": "1500k"}, {"b": "250k"})),
}
"""Name -> container, encoder, options of a good and of a poor encoding."""


def a_scene(number: int) -> tuple[Scene, tuple[int, int]]:
    """Scene and frame size of a number."""
    scene = random_scene(SEED + number, split="heldout")
    return scene, SIZES[number % len(SIZES)]


def frames_of(scene: Scene, size: tuple[int, int], kind: str | None = None) -> np.ndarray:
    """uint8 RGB (48, h, w, 3) of a scene, or of junk of a ``kind`` over it."""
    form: dict[str, Any] = {"width": size[0], "height": size[1], "fps": FPS, "n_frames": FRAMES}
    return junk_shot(kind, scene, seed=scene.seed, **form) if kind else render(scene, **form)


def moving_frames(number: int) -> np.ndarray:
    """A clip under a camera that moves, over a ground with texture; objects that stand in the frame, which are as good
    as marks, are left out."""
    scene, size = a_scene(number)
    changes: dict[str, Any] = {}
    if scene.camera == "static":
        camera = ("pan_left", "tilt_up", "zoom_in")[number % 3]
        changes = {"camera": camera, "camera_speed": 0.22 if camera == "zoom_in" else 0.3}
    if scene.texture == "plain":
        changes["texture"] = "clouds"
    objects = tuple(obj for obj in scene.objects if obj.motion != "still")
    return frames_of(
        dataclasses.replace(scene, objects=objects or scene.objects[:1], **changes), size
    )


def soften(frames: np.ndarray) -> np.ndarray:
    """Means over 3x3 pixels."""
    out = frames.astype(np.float32)
    for axis in (1, 2):
        out = (np.roll(out, 1, axis) + out + np.roll(out, -1, axis)) / 3
    return out.round().astype(np.uint8)


def stamp(
    frames: np.ndarray, text: str, *, opacity: float, height: float, corner: int
) -> tuple[np.ndarray, float]:
    """``frames`` with white ``text`` of a height given as a share of theirs; and the share that its box covers.

    ``corner``: 0 to 3, from top left to bottom right; 4 is the middle.
    """
    from PIL import Image, ImageDraw, ImageFont

    h, w = frames.shape[1:3]
    picture = Image.new("L", (w, h))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(max(7, round(height * h)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    wide, high, margin = right - left, bottom - top, round(0.04 * h)
    x = margin if corner % 2 == 0 else w - wide - margin
    y = margin if corner < 2 else h - high - margin
    if corner == 4:
        x, y = (w - wide) // 2, (h - high) // 2
    draw.text((x - left, y - top), text, fill=255, font=font)
    share = np.asarray(picture, np.float32)[None, ..., None] / 255 * opacity
    covered = wide * high / (w * h)
    return (frames * (1 - share) + 255 * share + 0.5).astype(np.uint8), float(covered)


def shake(frames: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """``frames`` shifted by a hand's tremor: two waves of 2 to 6 per second of up to ``amount`` of the shorter side."""
    rng = np.random.default_rng(seed)
    h, w = frames.shape[1:3]
    margin = max(1, round(amount * min(h, w)))
    t = np.arange(len(frames)) / FPS
    waves = [
        sum(np.sin(2 * np.pi * (rng.uniform(2, 6) * t + rng.uniform())) for _ in range(2)) / 2
        for _ in range(2)
    ]
    ys, xs = (np.round(margin * wave).astype(int) + margin for wave in waves)
    padded = np.pad(frames, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
    return np.stack([f[y : y + h, x : x + w] for f, y, x in zip(padded, ys, xs, strict=True)])


def barred(frames: np.ndarray, number: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """``frames`` inside black or plain bars on two or four sides, and the box (x, y, width, height) of the picture."""
    rng = np.random.default_rng([SEED, number])
    h, w = frames.shape[1:3]
    tall, wide = (2 * int(n) for n in rng.integers(2, 24, 2))
    top, left = ((tall, 0), (0, wide), (tall, wide))[number % 3]
    level = 0 if number % 4 or number % 3 == 2 else 220
    out = np.full((len(frames), h + 2 * top, w + 2 * left, 3), level, np.uint8)
    out[:, top : top + h, left : left + w] = frames
    return out, (left, top, w, h)


def encode(frames: np.ndarray, codec: str = "h264", poor: bool = False) -> tuple[str, bytes]:
    """(file suffix, bytes) of a video."""
    import av

    suffix, encoder, options = CODECS[codec]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format={"mp4": "mp4", "webm": "webm", "avi": "avi"}[suffix]) as file:
        stream = file.add_stream(encoder, rate=Fraction(FPS))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        quiet = {"x265-params": "log-level=none:pools=1"} if codec == "hevc" else {}
        stream.options = {**options[int(poor)], **quiet}
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return suffix, buffer.getvalue()


def exposures(frames: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """(name, frames) of the same clip too bright, and too dark."""
    yield "bright", np.clip(frames.astype(np.float32) * 1.7 + 20, 0, 255).astype(np.uint8)
    yield "dark", np.clip(frames.astype(np.float32) * 1.4 - 110, 0, 255).astype(np.uint8)
