"""This object, that motion: does a DiT take the object from a reference picture, and its motion from the prompt?

A reference shows an object (colour, shape) on one ground; the prompt names the motion alone ("The object bounces from
side to side, starting on the left."). Every frame of what is sampled is held against the object and the motion by the
strict judge, which is told nothing of ground, camera and light. Beside it stand: the same prompt and noise without the
reference, a prompt that names all, and the true scene through the VAE, which no sample can pass.

    python -m benchmarks.references data runs/refs --sources 700
    filmstock encode runs/refs
    filmstock train-dit runs/refs --out runs/dit --init embedded --references --reference-share 0.85 \\
        --mix short 0.5 original 0.3 dense 0.2 empty 0.15 --minutes 40
    python -m benchmarks.references measure --dit runs/dit --scenes 60

``data`` renders sources of five clips each: one object on five grounds, in five motions. Captions of kind ``short``
name the motion, ``original`` the motion and the ground, ``dense`` all. Three pairs of colour and shape are in no
source, nor in what the embedded DiT was trained on; ``measure --novel`` takes its references from them alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import dit
import pipeline
import vae
from dit.config import SampleConfig
from dit.generation import generate
from dit.video_models import VideoModels
from pipeline import schema as s
from pipeline.shards.write import ShardWriter
from pipeline.tables import shards_schema
from pipeline.video.sheets import contact_sheet, png_bytes
from pipeline.world.captions import MOTION_PHRASES, caption, place
from pipeline.world.claims import Claims, claims_of_scene
from pipeline.world.clips import scene_row
from pipeline.world.intervals import wilson
from pipeline.world.render import render
from pipeline.world.scene import (
    COLOURS,
    NOVEL_COLOUR_SHAPES,
    NOVEL_SHAPE_MOTIONS,
    SHAPES,
    SIZES,
    Obj,
    Scene,
    random_scene,
)
from pipeline.world.strict import Verdict, judge_strictly

SIDE, FRAMES, FPS = 64, 17, 8.0
CLIPS = 5
"""Clips of a source."""
PAIRS = tuple((c, x) for c in COLOURS for x in SHAPES if (c, x) not in NOVEL_COLOUR_SHAPES)
NOVEL = tuple(sorted(NOVEL_COLOUR_SHAPES))
RIGHT = ("colour", "shape", "motion")
"""What of an object is judged: it shows in every frame, as that shape in each frame that shows it whole, so moving."""


def scenes_of(look: tuple[str, str], size: str, first: int, split: str, count: int) -> list[Scene]:
    """Scenes of one object of that colour, shape and size, each with a ground and a motion of its own."""
    colour, shape = look
    found: list[Scene] = []
    seed = first
    while len(found) < count:
        scene = random_scene(seed, split=split, max_objects=1, duration_s=FRAMES / FPS)
        seed += 1
        (thing,) = scene.objects
        if thing.size != size or (shape, thing.motion) in NOVEL_SHAPE_MOTIONS:
            continue
        if scene.camera.startswith("zoom"):  # another size at the end than at the start
            scene = replace(scene, camera="static")
        found.append(replace(scene, objects=(replace(thing, colour=colour, shape=shape),)))
    return found


def motion_alone(thing: Obj, *, still: bool = False) -> str:
    """A caption that does not say what the object is."""
    if still:
        return f"The object is {place(thing)}."
    does = MOTION_PHRASES[thing.motion].format(speed=thing.speed)
    return (
        f"The object {does} {place(thing)}."
        if thing.motion == "still"
        else f"The object {does}, starting {place(thing)}."
    )


def motion_and_ground(scene: Scene, *, still: bool = False) -> str:
    """The same with all that the dense caption says beside the object."""
    rest = caption(scene, "dense", still=still).split(". ", 1)[1]
    return f"{motion_alone(scene.objects[0], still=still)} {rest}"


def make_data(folder: Path, sources: int, image_share: float) -> None:
    """Shards of ``sources`` sources; five clips each, of which ``image_share`` are pictures."""
    rng = np.random.default_rng(8)
    with ShardWriter(folder / "shards", shards_schema(), overwrite=True) as writer:
        for number in range(sources):
            look, size = PAIRS[number % len(PAIRS)], str(rng.choice(list(SIZES)))
            uri = f"world:object/{number}"
            source = s.source_id(0, uri.encode(), b"", b"")
            for k, scene in enumerate(scenes_of(look, size, 1000 * number, "train", CLIPS)):
                still = bool(rng.random() < image_share)
                row = scene_row(scene, (SIDE, SIDE), 1 if still else FRAMES, fps=FPS)
                writer.add(
                    {
                        **row,
                        s.SOURCE_ID: source,
                        s.SOURCE_URI: uri,
                        s.CLIP_ID: s.clip_id(source, k * FRAMES, (k + 1) * FRAMES),
                        s.CAPTION_SHORT: motion_alone(scene.objects[0], still=still),
                        s.CAPTION_ORIGINAL: motion_and_ground(scene, still=still),
                    }
                )


def asked(count: int, looks: Sequence[tuple[str, str]]) -> list[tuple[Scene, Scene]]:
    """(what is asked for, what the reference shows) of held-out scenes: the object the same, all else another."""
    rng = np.random.default_rng(80)
    pairs = []
    for i in range(count):
        look, size = looks[int(rng.integers(len(looks)))], str(rng.choice(list(SIZES)))
        wanted, *others = scenes_of(look, size, 50_000_000 + 1000 * i, "heldout", 30)
        thing = wanted.objects[0]
        other = next(
            x
            for x in others
            if x.background != wanted.background and x.objects[0].motion != thing.motion
        )
        pairs.append((wanted, other))
    return pairs


def judged(video: np.ndarray, wanted: Scene, ground: Scene) -> Verdict:
    """The video held against the object that is wanted and its motion; ``ground_frames`` against a scene's ground."""
    (thing,) = claims_of_scene(wanted).objects
    claims = Claims(
        objects=(replace(thing, size=None),), background=ground.background, texture=ground.texture
    )
    return judge_strictly(video, FPS, claims)


def figures(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Shares of videos: each of ``RIGHT``, the object, object and motion, and these with no fault in any frame."""
    rows = [v.objects[0] for v in verdicts]
    found = {name: float(np.mean([row[name] for row in rows])) for name in RIGHT}
    found["object"] = float(np.mean([row["colour"] and row["shape"] for row in rows]))
    found["object and motion"] = float(np.mean([all(row[n] for n in RIGHT) for row in rows]))
    found["and no fault in any frame"] = float(
        np.mean([all(row[n] for n in RIGHT) and v.every_frame for v, row in zip(verdicts, rows, strict=True)])
    )  # fmt: skip
    found["frames right"] = float(np.mean([v.right_frames.mean() for v in verdicts]))
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Sample every arm with the same noise, judge, print a table; returns the figures."""
    models = VideoModels(
        dit=dit.load(args.dit), vae=vae.load(), text_encoder=pipeline.load_text_encoder()
    )
    pairs = asked(args.scenes, NOVEL if args.novel else PAIRS)
    wanted, others = [a for a, _ in pairs], [b for _, b in pairs]
    seen = [render(x, width=SIDE, height=SIDE, fps=FPS, n_frames=FRAMES) for x in others]
    shown = [[video if args.video else video[0]] for video in seen]
    words = motion_and_ground if args.ground else lambda scene: motion_alone(scene.objects[0])
    prompts = [words(scene) for scene in wanted]

    def sample(
        texts: Sequence[str], references: Any = None, scale: float = 1.0
    ) -> list[np.ndarray]:
        config = SampleConfig(frames=FRAMES, steps=args.steps, guidance=args.guidance)
        return generate(
            texts,
            dit=models.dit, vae=models.vae, text_encoder=models.text_encoder, config=config,
            seed=7, references=references, reference_scale=scale,
        )  # fmt: skip

    arms: dict[str, Callable[[], list[np.ndarray]]] = {}
    if models.dit.model.config.references:
        arms |= {
            f"reference, scale {scale:g}": lambda scale=scale: sample(prompts, shown, scale)  # type: ignore[misc]
            for scale in args.scales
        }
    arms |= {
        "the same prompt alone": lambda: sample(prompts),
        "a prompt that names all": lambda: sample([caption(x, "dense") for x in wanted]),
        "truth through the VAE": lambda: [
            models.decode(models.encode(render(x, width=SIDE, height=SIDE, fps=FPS, n_frames=FRAMES)))
            for x in wanted
        ],
    }  # fmt: skip
    found: dict[str, dict[str, float]] = {}
    for name, make in arms.items():
        videos = make()
        verdicts = [judged(video, x, x) for video, x in zip(videos, wanted, strict=True)]
        found[name] = figures(verdicts)
        leaked = [judged(video, *pair) for video, pair in zip(videos, pairs, strict=True)]
        for ground, rows in (("asked", verdicts), ("reference", leaked)):
            same = [row.ground_frames.all() for row in rows]
            found[name][f"ground of the {ground}"] = float(np.mean(same))
        share = found[name]["object and motion"]
        low, high = wilson(share * len(pairs), len(pairs))
        print(f"{name}: object and motion {share:.1%} ({low:.0%} to {high:.0%})", flush=True)
        if args.sheets is not None:
            args.sheets.mkdir(parents=True, exist_ok=True)
            sheet = contact_sheet(videos[:10], prompts[:10])
            (args.sheets / f"{name.replace(' ', '-')}.png").write_bytes(png_bytes(sheet))
    if args.sheets is not None:
        looks = [f"{x.objects[0].colour} {x.objects[0].shape}" for x in others]
        sheet = contact_sheet(seen[:10], looks[:10])
        (args.sheets / "references.png").write_bytes(png_bytes(sheet))
    names = list(next(iter(found.values())))
    print(f"{'':<28}" + "".join(f"{arm[:24]:>26}" for arm in found))
    for name in names:
        print(f"{name:<28}" + "".join(f"{100 * found[arm][name]:>24.1f} %" for arm in found))
    return found


def main() -> None:
    """Render the training set, or measure a DiT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="what", required=True)
    data = parts.add_parser("data")
    data.add_argument("folder", type=Path)
    data.add_argument("--sources", type=int, default=700)
    data.add_argument("--image-share", type=float, default=0.4)
    look = parts.add_parser("measure")
    look.add_argument("--dit", default="embedded")
    look.add_argument("--scenes", type=int, default=60)
    look.add_argument("--steps", type=int, default=14)
    look.add_argument("--guidance", type=float, default=4.0)
    look.add_argument("--scales", type=float, nargs="+", default=[1.0, 1.5, 2.5])
    look.add_argument("--novel", action="store_true", help="pairs that training never showed")
    look.add_argument("--video", action="store_true", help="the reference is the whole video")
    look.add_argument("--ground", action="store_true", help="the prompt names the ground, too")
    look.add_argument("--sheets", type=Path, help="folder for contact sheets")
    look.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.what == "data":
        make_data(args.folder, args.sources, args.image_share)
        return
    found = measure(args)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
