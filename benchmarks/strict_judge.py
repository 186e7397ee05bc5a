"""The strict judge, judged: faults planted into rendered scenes that it must find, and truth that it must pass.

    python -m benchmarks.strict_judge --scenes 200

Each scene of a split is rendered and encoded as ``sample`` writes it. A fault is planted into the pixels or into the
scene before rendering; one that the caption does not rule out (a mirrored symmetric scene) is not planted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.claims import claims_of_scene
from pipeline.world.intervals import wilson
from pipeline.world.judge import judge, score_against
from pipeline.world.render import render
from pipeline.world.scene import BACKGROUNDS, COLOURS, SHAPES, Obj, Scene, position, random_scene
from pipeline.world.strict import judge_strictly

SIZES = ((64, 64), (80, 48), (48, 80))
FPS, FRAMES = 8.0, 17
SEED = 91_000_000
"""Other scenes than those by which the judge's bounds were chosen."""
Fault = Callable[[Scene, int, int, np.random.Generator], np.ndarray | None]
"""Takes a scene and a size, gives the frames of a video that is wrong; None where this fault would not show."""


def film(scene: Scene, width: int, height: int) -> np.ndarray:
    """The scene as it is."""
    return render(scene, width=width, height=height, fps=FPS, n_frames=FRAMES)


def spliced(
    good: np.ndarray, bad: np.ndarray, rng: np.random.Generator, share: float
) -> np.ndarray:
    """``good`` with a stretch of frames from ``bad``."""
    count = max(2, round(share * len(good)))
    start = int(rng.integers(len(good) - count + 1))
    out = good.copy()
    out[start : start + count] = bad[start : start + count]
    return out


def with_object(scene: Scene, index: int, **changes: object) -> Scene:
    """The scene with one object changed."""
    objects = list(scene.objects)
    objects[index] = replace(objects[index], **changes)  # type: ignore[arg-type]
    return replace(scene, objects=tuple(objects))


def wrong_shape(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An object has another shape in a third of the frames."""
    return _other_shape(scene, width, height, rng, 1 / 3)


def wrong_shape_mostly(
    scene: Scene, width: int, height: int, rng: np.random.Generator
) -> np.ndarray:
    """An object has another shape in 15 of 17 frames."""
    return _other_shape(scene, width, height, rng, 15 / 17)


def _other_shape(
    scene: Scene, width: int, height: int, rng: np.random.Generator, share: float
) -> np.ndarray:
    index = int(rng.integers(len(scene.objects)))
    others = [shape for shape in SHAPES if shape != scene.objects[index].shape]
    bad = with_object(scene, index, shape=str(rng.choice(others)))
    return spliced(film(scene, width, height), film(bad, width, height), rng, share)


def object_gone(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """The front-most object is not there in a third of the frames."""
    bad = replace(scene, objects=scene.objects[1:])
    return spliced(film(scene, width, height), film(bad, width, height), rng, 1 / 3)


def intruder(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """An object of a colour that the caption does not name, in 5 of 17 frames, beside the others."""
    free = [name for name in COLOURS if name not in {o.colour for o in scene.objects}]
    extra = _beside(scene, str(rng.choice(free)), str(rng.choice(SHAPES)), rng)
    if extra is None:
        return None
    bad = replace(scene, objects=(*scene.objects, extra))
    return spliced(film(scene, width, height), film(bad, width, height), rng, 5 / 17)


def double(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """A second copy of an object in every other frame."""
    of = scene.objects[int(rng.integers(len(scene.objects)))]
    extra = _beside(scene, of.colour, of.shape, rng)
    if extra is None:
        return None
    out = film(scene, width, height)
    out[::2] = film(replace(scene, objects=(*scene.objects, extra)), width, height)[::2]
    return out


def ghost(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """A pale copy of an object in a third of the frames."""
    of = scene.objects[int(rng.integers(len(scene.objects)))]
    extra = _beside(scene, of.colour, "circle", rng)
    if extra is None:
        return None
    good = film(scene, width, height)
    full = film(replace(scene, objects=(*scene.objects, extra)), width, height)
    pale = (0.6 * good.astype(np.float32) + 0.4 * full).astype(np.uint8)
    return spliced(good, pale, rng, 1 / 3)


def _beside(scene: Scene, colour: str, shape: str, rng: np.random.Generator) -> Obj | None:
    """A still object that touches no other one at any time; None when there is no room."""
    times = np.arange(FRAMES) / FPS
    radius = 0.14
    for _ in range(60):
        x, y = rng.uniform(0.2, 0.8, 2)
        gaps = [
            np.hypot(*(np.array(position(o, times)) - [[x], [y]])).min()
            - 1.25 * (o.radius + radius)
            for o in scene.objects
        ]
        if min(gaps) > 0:
            return Obj(
                shape=shape, colour=colour, size="small", radius=radius, x=float(x), y=float(y),
                vx=0.0, vy=0.0, motion="still", speed="",
            )  # fmt: skip
    return None


def wrong_size(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An object of the next size class, in every frame."""
    index = int(rng.integers(len(scene.objects)))
    size = scene.objects[index].size
    other = {
        "small": "medium",
        "medium": ("small", "large")[int(rng.integers(2))],
        "large": "medium",
    }
    radius = {"small": 0.135, "medium": 0.18, "large": 0.235}[other[size]]
    return film(with_object(scene, index, radius=radius), width, height)


def size_step(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An object is 1.4 times as large in a third of the frames."""
    index = int(rng.integers(len(scene.objects)))
    bad = with_object(scene, index, radius=1.4 * scene.objects[index].radius)
    return spliced(film(scene, width, height), film(bad, width, height), rng, 1 / 3)


def wrong_ground(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Another colour or another texture of the ground, in a third of the frames."""
    if rng.random() < 0.5:
        others = [name for name in BACKGROUNDS if name != scene.background]
        bad = replace(scene, background=str(rng.choice(others)))
    else:
        others = [name for name in ("plain", "dots", "checks", "grid") if name != scene.texture]
        bad = replace(scene, texture=str(rng.choice(others)))
    return spliced(film(scene, width, height), film(bad, width, height), rng, 1 / 3)


def mirror(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """Left and right exchanged in every frame, where the caption tells them apart."""
    sided = (
        any(o.motion in ("left", "right") or not 1 / 3 <= o.x < 2 / 3 for o in scene.objects)
        or scene.light != "even"
        or scene.camera.startswith("pan")
    )
    return np.ascontiguousarray(film(scene, width, height)[:, :, ::-1]) if sided else None


def flicker(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Every other frame 15 % darker."""
    out = film(scene, width, height)
    out[1::2] = (0.85 * out[1::2]).astype(np.uint8)
    return out


def jump(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """An object stands a quarter of the frame aside for a third of the frames."""
    index = int(rng.integers(len(scene.objects)))
    obj = scene.objects[index]
    axis = "y" if obj.motion in ("left", "right", "bounce_h") else "x"
    at = getattr(obj, axis)
    bad = with_object(scene, index, **{axis: at + (0.25 if at < 0.5 else -0.25)})
    return spliced(film(scene, width, height), film(bad, width, height), rng, 1 / 3)


def frozen(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """The first frame in place of all, where something moves."""
    if scene.camera == "static" and all(o.motion == "still" for o in scene.objects):
        return None
    return np.repeat(film(scene, width, height)[:1], FRAMES, axis=0)


def backward(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray | None:
    """The frames from last to first, where something moves along one way."""
    if scene.camera == "static" and all(
        o.motion in ("still", "bounce_h", "bounce_v") for o in scene.objects
    ):
        return None
    return film(scene, width, height)[::-1]


def wrong_speed(
    scene: Scene, width: int, height: int, rng: np.random.Generator
) -> np.ndarray | None:
    """A slow object at more than twice its speed, or a quick one at less than half."""
    moving = [i for i, o in enumerate(scene.objects) if o.speed]
    if not moving:
        return None
    index = int(rng.choice(moving))
    obj = scene.objects[index]
    speed = abs(obj.vx) + abs(obj.vy)
    factor = (0.27 if obj.speed == "slowly" else 0.12) / speed
    if factor > 1 and speed * factor * FRAMES / FPS + 2 * obj.radius > 1:
        return None
    changes = {"vx": obj.vx * factor, "vy": obj.vy * factor}
    return film(with_object(scene, index, **changes), width, height)


def wrong_light(scene: Scene, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Light from another side."""
    others = [name for name in ("even", "left", "right") if name != scene.light]
    return film(replace(scene, light=str(rng.choice(others))), width, height)


FAULTS: dict[str, Fault] = {
    fault.__name__.replace("_", " "): fault
    for fault in (
        wrong_shape, wrong_shape_mostly, object_gone, intruder, double, ghost, wrong_size, size_step, wrong_ground,
        mirror, flicker, jump, frozen, backward, wrong_speed, wrong_light,
    )
}  # fmt: skip


def one(
    name: str, index: int, split: str, seed: int = SEED, lenient: bool = False
) -> tuple[bool, bool] | None:
    """Whether the strict (and, if asked, the lenient) judge finds something wrong; ``truth`` is the scene as it is."""
    scene = random_scene(seed + index, split=split, duration_s=FRAMES / FPS)
    width, height = SIZES[index % len(SIZES)]
    rng = np.random.default_rng([index, len(name)])
    frames = (
        film(scene, width, height)
        if name in ("truth", "truth, encoded")
        else FAULTS[name](scene, width, height, rng)
    )
    if frames is None:
        return None
    if name != "truth":
        frames, _ = decode_clip(encode_mp4(np.ascontiguousarray(frames), FPS))
    strict = judge_strictly(frames, FPS, claims_of_scene(scene)).right
    return not strict, lenient and not all(score_against(scene, judge(frames, FPS)).values())


def main() -> None:
    """Print a line for truth and for each fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--split", default="heldout")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=["truth", "truth, encoded", *FAULTS])
    parser.add_argument("--lenient", action="store_true", help="ask pipeline.world.judge, too")
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    figures = {}
    print(f"{'found wrong, %':<20} {'strict':>8}  {'95 % interval':<15} {'lenient':>8} {'n':>6}")
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for name in args.only:
            found = list(
                pool.map(
                    one,
                    [name] * args.scenes,
                    range(args.scenes),
                    [args.split] * args.scenes,
                    [args.seed] * args.scenes,
                    [args.lenient] * args.scenes,
                    chunksize=10,
                )
            )
            judged = [pair for pair in found if pair is not None]
            strict, lenient = (sum(pair[i] for pair in judged) for i in (0, 1))
            low, high = wilson(strict, len(judged))
            print(
                f"{name:<20} {100 * strict / len(judged):>8.1f}  {100 * low:5.1f} to {100 * high:5.1f}  "
                f"{100 * lenient / len(judged):>8.1f} {len(judged):>6}",
                flush=True,
            )
            figures[name] = {"strict": strict, "lenient": lenient, "n": len(judged)}
            missed = [i for i, pair in enumerate(found) if pair and not pair[0]]
            if name not in ("truth", "truth, encoded") and missed:
                print(f"  not found in scenes {missed[:12]}")
            if name in ("truth", "truth, encoded") and strict:
                print(
                    f"  refused: scenes {[i for i, pair in enumerate(found) if pair and pair[0]]}"
                )
    if args.json:
        with open(args.json, "w") as handle:
            json.dump(figures, handle, indent=1)


if __name__ == "__main__":
    main()
