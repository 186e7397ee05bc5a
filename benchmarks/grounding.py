"""Truth checks of captions on held-out scenes of the world with one injected error each: AUC of every check.

    python -m benchmarks.grounding --clips 200

Prints one line per error and check: how well the check's score tells captions with the error from true ones (0.5 is
chance), and for flags how often they are raised on captions with the error and on true ones. The camera is measured by
ingest's own analysis of the encoded clip, never read from the scene. ``whole caption`` is the usual CLIP score of the
caption in one piece. What a check of precision cannot see, a thing left out, is in the list to show that it cannot.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.strict_judge import with_object
from captioner.truth.claims import text_faults
from captioner.truth.grounding import (
    CAMERA_CONTRADICTS,
    MOTION_CONTRADICTS,
    MeasuredCamera,
    assertion_scores,
    camera_contradiction,
    motion_score,
    scored_assertions,
)
from pipeline import schema as s
from pipeline.scores.object_motion import object_motion
from pipeline.world.captions import caption
from pipeline.world.scene import BACKGROUNDS, CAMERAS, COLOURS, SHAPES, Scene, random_scene

FORMS = ((192, 128, 24), (128, 192, 25), (160, 160, 30), (96, 96, 12))
"""(width, height, frames per second)."""
FIRST_SEED = 60_000_000
OTHER_WAY = {"left": "right", "right": "left", "up": "down", "down": "up"}
HEDGES = (
    "The object could possibly be made of plastic.",
    "It seems that the object is slowing down.",
    "This might be a scene from a game.",
    "Perhaps the shape is a toy of some kind.",
    "What looks like a shape crosses the frame.",
    "The lighting is presumably artificial.",
)
ABSENCES = (
    "There are no people in the scene.",
    "No other objects can be seen.",
    "The background does not contain any text.",
    "Nothing else moves.",
    "The frame is free of clutter.",
    "There isn't any zoom.",
)
TRUE_TAILS = (
    "The edges of the shape stay sharp as it is seen against the ground behind it.",
    "The colours are clear and saturated, and the picture is sharp.",
    "The scene is simple and graphic, drawn with flat colours.",
)


def other(rng: np.random.Generator, value: str, values: Any) -> str:
    """Another of ``values`` than ``value``."""
    left = [v for v in values if v != value]
    return left[int(rng.integers(len(left)))]


def wrong_colour(scene: Scene, rng: np.random.Generator) -> str | None:
    at = int(rng.integers(len(scene.objects)))
    free = [c for c in COLOURS if c not in {o.colour for o in scene.objects}]
    return caption(with_object(scene, at, colour=other(rng, "", free)), "dense")


def wrong_shape(scene: Scene, rng: np.random.Generator) -> str | None:
    at = int(rng.integers(len(scene.objects)))
    return caption(
        with_object(scene, at, shape=other(rng, scene.objects[at].shape, SHAPES)), "dense"
    )


def wrong_background(scene: Scene, rng: np.random.Generator) -> str | None:
    return caption(replace(scene, background=other(rng, scene.background, BACKGROUNDS)), "dense")


def wrong_direction(scene: Scene, rng: np.random.Generator) -> str | None:
    moving = [i for i, o in enumerate(scene.objects) if o.motion in OTHER_WAY]
    if not moving:
        return None
    at = moving[int(rng.integers(len(moving)))]
    return caption(with_object(scene, at, motion=OTHER_WAY[scene.objects[at].motion]), "dense")


def wrong_camera(scene: Scene, rng: np.random.Generator) -> str | None:
    return caption(replace(scene, camera=other(rng, scene.camera, CAMERAS)), "dense")


def extra_object(scene: Scene, rng: np.random.Generator) -> str | None:
    free = [c for c in COLOURS if c not in {o.colour for o in scene.objects}]
    extra = replace(
        random_scene(int(rng.integers(1 << 30)), split="heldout").objects[0],
        colour=other(rng, "", free),
    )
    return caption(replace(scene, objects=(*scene.objects, extra)), "dense")


def missing_object(scene: Scene, rng: np.random.Generator) -> str | None:
    if len(scene.objects) < 2:
        return None
    return caption(replace(scene, objects=scene.objects[:-1]), "dense")


def hedging(scene: Scene, rng: np.random.Generator) -> str | None:
    return f"{caption(scene, 'dense')} {HEDGES[int(rng.integers(len(HEDGES)))]}"


def absence(scene: Scene, rng: np.random.Generator) -> str | None:
    return f"{caption(scene, 'dense')} {ABSENCES[int(rng.integers(len(ABSENCES)))]}"


def contradiction(scene: Scene, rng: np.random.Generator) -> str | None:
    """One of: two cameras, one thing in two colours, one thing at rest and moving."""
    main = scene.objects[0]
    colour = other(rng, "", [c for c in COLOURS if c not in {o.colour for o in scene.objects}])
    moved = "stays still" if main.motion != "still" else "moves slowly to the left"
    camera = "slowly pans to the left" if scene.camera != "pan_left" else "is static"
    added = (
        f"The {main.shape} is {colour}."
        if sum(o.shape == main.shape for o in scene.objects) == 1
        else f"The camera {camera}.",
        f"The camera {camera}.",
        f"The {main.colour} {main.shape} {moved}.",
    )
    return f"{caption(scene, 'dense')} {added[int(rng.integers(3))]}"


ERRORS: dict[str, Callable[[Scene, np.random.Generator], str | None]] = {
    "wrong colour": wrong_colour,
    "wrong shape": wrong_shape,
    "wrong background": wrong_background,
    "extra object": extra_object,
    "missing object": missing_object,
    "wrong direction": wrong_direction,
    "wrong camera": wrong_camera,
    "hedging": hedging,
    "absence": absence,
    "contradiction": contradiction,
}
CHECKS = {
    "wrong colour": "truth_min",
    "wrong shape": "truth_min",
    "wrong background": "truth_min",
    "extra object": "truth_min",
    "missing object": "truth_min",
    "wrong direction": MOTION_CONTRADICTS,
    "wrong camera": CAMERA_CONTRADICTS,
}
"""The check that is there for an error; the others are flags of their own name."""


class Clips:
    """Encoded held-out clips with everything that ingest and the captioner would know of them."""

    def __init__(self, count: int, model: Any) -> None:
        from pipeline.video.decode import decode_clip, sample_indices
        from pipeline.video.encode import encode_mp4
        from pipeline.world.render import render

        self.scenes: list[Scene] = []
        self.frames: list[np.ndarray] = []
        self.cameras: list[MeasuredCamera] = []
        self.motions = []
        with tempfile.TemporaryDirectory() as folder:
            for i in range(count):
                width, height, fps = FORMS[i % len(FORMS)]
                scene = random_scene(FIRST_SEED + i, split="heldout")
                shot = render(
                    scene,
                    width=width,
                    height=height,
                    fps=fps,
                    n_frames=int(scene.duration_s * fps),
                )
                data = encode_mp4(shot, fps, crf=20)
                path = Path(folder) / "clip.mp4"
                path.write_bytes(data)
                frames, _ = decode_clip(data)
                self.scenes.append(scene)
                self.frames.append(model.embed_images(frames[sample_indices(len(frames), 8)]))
                self.cameras.append(measure_camera(path))
                self.motions.append(object_motion(frames, fps))
        means = np.stack([frames.mean(0) for frames in self.frames])
        self.reference = means / np.linalg.norm(means, axis=1, keepdims=True)


def measure_camera(path: Path) -> MeasuredCamera:
    """The camera as ingest measures it."""
    from pipeline.motion.analysis import analyse
    from pipeline.scores.camera import camera_scores

    *_, found = analyse(path)
    assert found is not None
    row = camera_scores(found, 0, len(found.pts))
    kind: Any = row[s.CAMERA]
    speeds = [float(row[name] or 0) for name in (s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM)]
    return MeasuredCamera(kind=kind, pan=speeds[0], tilt=speeds[1], zoom=speeds[2])


def scores(clips: Clips, model: Any, at: int, text: str) -> dict[str, float]:
    """Every check's score of a caption of clip ``at``; larger is worse."""
    assertions = scored_assertions(text)
    found = assertion_scores(model.embed_texts(assertions), clips.frames[at], clips.reference)
    plain = assertion_scores(model.embed_texts(assertions), clips.frames[at])
    whole = (clips.frames[at] @ model.embed_texts([text])[0]).max()
    faults = text_faults(text)
    return {
        "truth_min": -float(found.min()),
        "truth_mean": -float(found.mean()),
        "plain cosine, mean": -float(plain.mean()),
        "whole caption": -float(whole),
        MOTION_CONTRADICTS: motion_score(text, clips.motions[at]),
        CAMERA_CONTRADICTS: float(camera_contradiction(text, clips.cameras[at])),
        **{name: float(name in faults) for name in ("hedging", "absence", "contradiction")},
    }


def auc(worse: np.ndarray, better: np.ndarray) -> float:
    """Chance that a caption with the error scores higher than a true one; ties count half."""
    wins = (worse[:, None] > better[None]).mean() + 0.5 * (worse[:, None] == better[None]).mean()
    return float(wins)


def by_position(clips: Clips, model: Any, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """AUC of a wrong colour said early, and said after more tokens than the text tower reads."""
    filler = " ".join(TRUE_TAILS * 4)
    out: dict[str, dict[str, float]] = {}
    for name, build in (("first", "{0} {1}"), ("after the context", "{1} {0}")):
        table: dict[str, list[list[float]]] = {"min": [[], []], "whole": [[], []]}
        for at, scene in enumerate(clips.scenes):
            for wrong, text in enumerate((caption(scene, "dense"), wrong_colour(scene, rng))):
                found = scores(clips, model, at, build.format(text, filler))
                table["min"][wrong].append(found["truth_min"])
                table["whole"][wrong].append(found["whole caption"])
        out[name] = {key: auc(np.array(bad), np.array(good)) for key, (good, bad) in table.items()}
    return out


def main() -> None:
    """Measure and print."""
    from pipeline.openclip.model import load_openclip

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--model", default="embedded", help="CLIP model")
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    model = load_openclip(args.model)
    clips = Clips(args.clips, model)
    true = [scores(clips, model, i, caption(sc, "dense")) for i, sc in enumerate(clips.scenes)]
    figures: dict[str, Any] = {}
    for error, inject in ERRORS.items():
        rng = np.random.default_rng([7, len(figures)])
        texts = [inject(scene, rng) for scene in clips.scenes]
        wrong = [scores(clips, model, i, text) for i, text in enumerate(texts) if text is not None]
        kept = [true[i] for i, text in enumerate(texts) if text is not None]
        table = {
            name: auc(np.array([w[name] for w in wrong]), np.array([t[name] for t in kept]))
            for name in wrong[0]
        }
        check = CHECKS.get(error, error)
        line = f"{error:<17} n={len(wrong):<4} {check} {table[check]:.3f}"
        if check == "truth_min":
            line += "".join(
                f"  {n} {table[n]:.3f}"
                for n in ("truth_mean", "plain cosine, mean", "whole caption")
            )
        else:
            raised = np.mean([w[check] >= 1 for w in wrong])
            falsely = np.mean([t[check] >= 1 for t in true])
            line += f"  raised {100 * raised:.0f} %, on true captions {100 * falsely:.1f} %"
        print(line, flush=True)
        figures[error] = table
    positions = by_position(clips, model, np.random.default_rng(9))
    for name, row in positions.items():
        print(f"wrong colour {name}: truth_min {row['min']:.3f}  whole caption {row['whole']:.3f}")
    if args.json:
        Path(args.json).write_text(
            json.dumps({"auc": figures, "position": positions, "clips": args.clips}, indent=1)
        )


if __name__ == "__main__":
    main()
