"""``make pictures``: an animated picture of every verb, made with the embedded models from scenes of the world.

    python docs/pictures/draw_verbs.py

A green edge marks frames that were given, an orange one those that were made.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import dit
import pipeline
import vae
from dit.config import SampleConfig
from dit.video_models import VideoModels
from pipeline.video.sheets import webp_bytes
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import Obj, Scene

HERE = Path(__file__).resolve().parent
SCALE, EDGE, GAP, FPS = 3, 6, 12, 8.0
GIVEN, MADE = (46, 160, 67), (242, 140, 18)
CONFIG = SampleConfig(steps=12)


def scene(shape: str, colour: str, motion: str, ground: str, **path: float) -> Scene:
    """One object on a ground with dots, the camera still."""
    place = {"x": 0.5, "y": 0.5, "vx": 0.0, "vy": 0.0, **path}
    speed = "" if motion == "still" or motion.startswith("bounce") else "slowly"
    thing = Obj(
        shape=shape, colour=colour, size="large", radius=0.23, motion=motion, speed=speed, **place
    )
    return Scene(
        seed=1, objects=(thing,), background=ground, texture="dots", camera="static",
        camera_speed=0.0, light="even", duration_s=6.0, texture_period=0.3,
    )  # fmt: skip


def filmed(what: Scene, frames: int) -> tuple[np.ndarray, str]:
    """The scene's frames, 64x64, and its caption without where the object starts."""
    text = caption(what, "dense").split(", starting")
    words = text[0] + (text[1][text[1].index(".") :] if len(text) > 1 else "")
    return render(what, width=64, height=64, fps=FPS, n_frames=frames), words


def edged(video: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    """The video enlarged, each frame with an edge of its colour."""
    big = video.repeat(SCALE, 1).repeat(SCALE, 2)
    out = np.pad(big, ((0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0)))
    for frame, colour in zip(out, colours, strict=True):
        inside = frame[EDGE:-EDGE, EDGE:-EDGE].copy()
        frame[:] = colour
        frame[EDGE:-EDGE, EDGE:-EDGE] = inside
    return out


def beside(*videos: np.ndarray) -> np.ndarray:
    """Videos side by side, the shorter ones held at their last frame."""
    length = max(map(len, videos))
    held = [np.concatenate([v, v[-1:].repeat(length - len(v), 0)]) for v in videos]
    gap = np.full((length, held[0].shape[1], GAP, 3), 255, np.uint8)
    parts = [held[0]]
    for video in held[1:]:
        parts += [gap, video]
    return np.concatenate(parts, axis=2)


def every(video: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """All frames with one edge."""
    return edged(video, [colour] * len(video))


def pictures(models: VideoModels) -> dict[str, np.ndarray]:
    """Name of a picture -> its frames."""
    right, moves = filmed(scene("circle", "red", "right", "grey", x=0.3, vx=0.12), 33)
    bouncing, bounces = filmed(scene("circle", "yellow", "bounce_h", "slate", vx=0.5), 41)
    still, stays = filmed(scene("square", "blue", "still", "beige"), 17)
    options = {"models": models, "config": CONFIG, "seed": 3}
    made: dict[str, np.ndarray] = {}

    video = dit.animate(bouncing[0], bounces, **options)
    made["animate"] = beside(every(bouncing[:1], GIVEN), every(video, MADE))

    video = dit.extend(right[:9], moves, frames=16, **options)
    before = dit.extend(right[16:25], moves, frames=16, backward=True, **options)
    made["extend"] = beside(
        edged(video, [GIVEN] * 9 + [MADE] * 16), edged(before, [MADE] * 16 + [GIVEN] * 9)
    )

    video = dit.loop(bouncing[:17], bounces, frames=15, **options)
    made["loop"] = edged(video, [GIVEN] * 17 + [MADE] * 15)

    video = dit.connect(bouncing[:13], bouncing[20:33], bounces, frames=7, **options)
    made["connect"] = edged(video, [GIVEN] * 13 + [MADE] * 7 + [GIVEN] * 13)

    wanted = stays.replace("blue square", "red circle")
    edits = [dit.edit(still, wanted, strength=s, **options) for s in (0.4, 0.9, 1.0)]
    made["edit"] = beside(every(still, GIVEN), *(every(v, MADE) for v in edits))

    mask = np.zeros((17, 64, 64), bool)
    mask[:, :, 32:] = True
    hidden = still.copy()
    hidden[mask] = 255
    filled = dit.inpaint(still, stays, mask, **options)
    made["inpaint"] = beside(every(hidden, GIVEN), every(filled, MADE))
    return made


def main() -> int:
    """Draw all of them."""
    models = VideoModels(dit=dit.load(), vae=vae.load(), text_encoder=pipeline.load_text_encoder())
    for name, video in pictures(models).items():
        path = HERE / f"{name}.webp"
        path.write_bytes(webp_bytes(video, FPS, side=max(video.shape[1:3]), quality=60))
        print(f"{path}: {path.stat().st_size >> 10} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
