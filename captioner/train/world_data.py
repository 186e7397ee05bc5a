"""Training examples for the embedded captioner: world scenes as 64x64 frames with their true captions.

``WorldPool`` renders each scene once into a memory-mapped array and hands it out mirrored, upside down or backwards,
with the scene changed to match, so a pool of N scenes yields several times N distinct examples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from captioner.backends.embedded import SIDE
from pipeline.video.decode import sample_indices
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import Scene, position, random_scene

FRAMES = 8
"""Frames of an example."""
SIZES = ((64, 64), (64, 64), (80, 48), (48, 80), (72, 56), (56, 72), (96, 64), (64, 96), (128, 80))
"""(width, height) scenes are rendered at, drawn uniformly, before they are squashed to a square."""
MIN_CROP_S = 2.0
"""A cropped scene lasts at least this long, seconds: shorter, a bounce may not be seen to turn."""

MIRROR = {
    "left": "right",
    "right": "left",
    "pan_left": "pan_right",
    "pan_right": "pan_left",
}
FLIP = {"up": "down", "down": "up", "tilt_up": "tilt_down", "tilt_down": "tilt_up"}
REVERSE = MIRROR | FLIP | {"zoom_in": "zoom_out", "zoom_out": "zoom_in"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """Frames and the scene that they show."""

    images: np.ndarray
    """uint8 RGB (T, 64, 64, 3)."""
    seconds: float
    """Length of the clip that the frames stand for."""
    times_s: np.ndarray
    """(T,) time of each frame from the clip's start, seconds."""
    scene: Scene
    """Scene whose captions are true of the frames, in this order."""

    def text(self, kind: str) -> str:
        """True caption of ``kind``; one frame is captioned as a still."""
        return caption(self.scene, kind, still=len(self.images) == 1)


def squash(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """What the processor does to frames before it scales values: resized to a square of ``side``; uint8."""
    from PIL import Image

    if images.shape[1:3] == (side, side):
        return images
    size, bilinear = (side, side), Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image).resize(size, bilinear)) for image in images])


def shift(scene: Scene, start_s: float, end_s: float) -> Scene:
    """The scene as seen from ``start_s`` to ``end_s``: objects start where, and as fast as, they are by then.

    True of captions and of ``position``; the camera's own offset is not carried over, so do not render it.
    """
    objects = []
    instant = 1e-4
    for obj in scene.objects:
        x, y = position(obj, np.array([start_s, start_s + instant]))
        backward = (x[1] - x[0]) * obj.vx + (y[1] - y[0]) * obj.vy < 0  # a bounce has turned
        sign = -1 if backward else 1
        objects.append(
            replace(obj, x=float(x[0]), y=float(y[0]), vx=sign * obj.vx, vy=sign * obj.vy)
        )
    return replace(scene, objects=tuple(objects), duration_s=end_s - start_s)


def mirrored(scene: Scene) -> Scene:
    """The scene left to right."""
    objects = tuple(
        replace(o, x=1 - o.x, vx=-o.vx, motion=MIRROR.get(o.motion, o.motion))
        for o in scene.objects
    )
    return replace(
        scene,
        objects=objects,
        camera=MIRROR.get(scene.camera, scene.camera),
        light=MIRROR.get(scene.light, scene.light),
    )


def flipped(scene: Scene) -> Scene:
    """The scene upside down; only for scenes without triangles, which would point down."""
    objects = tuple(
        replace(o, y=1 - o.y, vy=-o.vy, motion=FLIP.get(o.motion, o.motion)) for o in scene.objects
    )
    return replace(scene, objects=objects, camera=FLIP.get(scene.camera, scene.camera))


def backwards(scene: Scene) -> Scene:
    """The scene from its end to its beginning."""
    ended = shift(scene, scene.duration_s, 2 * scene.duration_s)
    objects = tuple(
        replace(o, vx=-o.vx, vy=-o.vy, motion=REVERSE.get(o.motion, o.motion))
        for o in ended.objects
    )
    return replace(ended, objects=objects, camera=REVERSE.get(scene.camera, scene.camera))


def render_example(
    seed: int,
    split: str = "train",
    size: tuple[int, int] | None = None,
    crop: bool = True,
    pixels: bool = True,
) -> Example:
    """Scene ``seed`` of ``split`` through a varied camera: size, frame rate, crop in time, colour subsampling.

    Without ``pixels`` the frames are left out (an empty array), the rest is the same.
    """
    rng = np.random.default_rng([3, seed])
    scene = random_scene(seed, split=split)
    drawn = SIZES[int(rng.integers(len(SIZES)))]
    width, height = size or drawn
    start_s, end_s = 0.0, scene.duration_s
    if crop and rng.random() < 0.4 and scene.duration_s > MIN_CROP_S:
        length = rng.uniform(MIN_CROP_S, scene.duration_s)
        start_s = float(rng.uniform(0, scene.duration_s - length))
        end_s = start_s + length
    count = int(rng.integers(16, 22))
    first = round(start_s / scene.duration_s * count)
    last = max(first + FRAMES, round(end_s / scene.duration_s * count))
    picked = [first + i for i in sample_indices(min(last, count) - first, FRAMES)]
    seconds = (min(last, count) - first) * scene.duration_s / count
    start_s = first * scene.duration_s / count
    images = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    if pixels:
        fps = count / scene.duration_s
        images = render(scene, width=width, height=height, fps=fps, n_frames=count, picked=picked)
        images = squash(subsample_colour(images) if rng.random() < 0.5 else images)
    return Example(
        images=images,
        seconds=seconds,
        times_s=np.array(picked) * scene.duration_s / count - start_s,
        scene=shift(scene, start_s, start_s + seconds),
    )


def subsample_colour(images: np.ndarray) -> np.ndarray:
    """Halve the colour resolution as 4:2:0 video does: each 2x2 block shares one chroma; uint8 in and out."""
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    pixels = images[:, :height, :width].astype(np.float32)
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    chroma = pixels - luma[..., None]
    blocks = chroma.reshape(len(images), height // 2, 2, width // 2, 2, 3).mean((2, 4))
    chroma = blocks.repeat(2, 1).repeat(2, 2)
    out = images.copy()
    out[:, :height, :width] = np.clip(luma[..., None] + chroma + 0.5, 0, 255).astype(np.uint8)
    return out


def augment(example: Example, rng: np.random.Generator, window: range = range(FRAMES)) -> Example:
    """Mirror, flip or reverse an example, with its scene; then disturb the frames of ``window``, the only ones kept."""
    images, scene, times_s = example.images, example.scene, example.times_s
    if rng.random() < 0.5:
        images, scene = images[:, :, ::-1], mirrored(scene)
    if rng.random() < 0.5 and all(o.shape != "triangle" for o in scene.objects):
        images, scene = images[:, ::-1], flipped(scene)
    if rng.random() < 0.5:
        images, scene = images[::-1], backwards(scene)
        times_s = example.seconds - times_s[::-1]
    images, times_s = images[window.start : window.stop], times_s[window.start : window.stop]
    gain, offset = rng.uniform(0.93, 1.07), rng.uniform(-6, 6)
    noisy = images * np.float32(gain) + np.float32(offset)
    if rng.random() < 0.5:
        noisy += rng.standard_normal(noisy.shape, np.float32) * np.float32(rng.uniform(0, 5))
    images = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
    return replace(example, images=images, scene=scene, times_s=times_s)


class WorldPool:
    """Rendered scenes of one split, kept in a file of uint8 frames: what a stopped run rendered is not lost."""

    def __init__(self, folder: Path, size: int, split: str = "train") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{split}-{size}.npy"
        shape = (size, FRAMES, SIDE, SIDE, 3)
        if path.exists():
            self.images = np.load(path, mmap_mode="r+")
        else:
            self.images = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        if self.images.shape != shape:
            raise ValueError(f"{path} holds {self.images.shape}, expected {shape}; delete it")
        self.split = split
        self._known: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Example:
        if index not in self._known:
            stored = self.images[index]
            # A scene is never black to its last row, so a stored one is told from a place not yet written.
            there = bool(stored[-1, -1].any())
            example = render_example(index, self.split, pixels=not there)
            if not there:
                stored[:] = example.images
            self._known[index] = replace(example, images=stored)
        return self._known[index]
