"""``filmstock adherence``: does a DiT's video show what its caption says? Held-out scenes, judged from the pixels.

Prompts are dense captions of world scenes that no training clip shows. Beside the generated videos the same judge reads
the same scenes rendered, and rendered then passed through the VAE: the ceilings that the judge and the VAE set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dit.config import SampleConfig
from jobs.core.args import parse_args
from jobs.core.console import Progress, clock, say
from jobs.core.errors import EXIT_OK, UserError
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np

    from dit.checkpoint import Loaded
    from pipeline.contracts import Vae
    from pipeline.world.captions import Attributes
    from pipeline.world.scene import Scene

MARKS = ("colour", "shape", "motion", "camera")
SHEET_VIDEOS = 16


@dataclass(frozen=True, kw_only=True)
class Args(SampleConfig):
    """Generate videos for captions of unseen scenes and judge colour, shape, motion and camera."""

    prompts: int = 200
    """Scenes to generate."""
    seed: int = 1
    """Which held-out scenes; also the seed of the noise."""
    split: str = "heldout"
    """Stream of scenes: train, heldout or novel (unseen colour-shape and shape-motion pairs)."""
    size: str = "64x64"
    """WIDTHxHEIGHT in pixels."""
    max_objects: int = 3
    """Most objects in a scene."""
    dit: str = "embedded"
    """embedded, a dit.safetensors, or a folder of train-dit."""
    vae: str = "embedded"
    """VAE the DiT was trained with."""
    text: str = "embedded"
    """Text encoder the DiT was trained with."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."""
    out: Path | None = None
    """Folder for adherence.json and a contact sheet; default: print only."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "adherence"))
    return EXIT_OK


def run(args: Args) -> dict[str, Any]:
    """Generate, judge, print a table; returns what adherence.json holds."""
    from jobs.core.models import load_dit_at, load_vae_for
    from jobs.generate.sample import parse_size
    from pipeline.world.captions import caption
    from pipeline.world.render import render

    if args.prompts < 1:
        raise UserError(f"--prompts is {args.prompts}; at least one scene is needed")
    width, height = parse_size(args.size)
    scenes = draw_scenes(args)
    captions = [caption(scene, "dense", still=args.frames == 1) for scene in scenes]
    loaded = load_dit_at(args.dit, args.device)
    vae = load_vae_for(loaded.latents, args.vae, args.device)
    start = time.monotonic()
    with Progress("adherence", len(scenes), "videos") as progress:
        videos = generate(args, loaded, vae, captions, on_done=progress.update)
    seconds = time.monotonic() - start
    true = [
        render(s, width=width, height=height, fps=args.fps, n_frames=args.frames) for s in scenes
    ]
    passed = [vae.decode(vae.encode(frames[None])[0][0]) for frames in true]
    result: dict[str, Any] = {
        "dit": loaded.id,
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()},
        "seconds": round(seconds, 1),
        "generated": score(scenes, videos, args.fps),
        "vae": score(scenes, passed, args.fps),
        "rendered": score(scenes, true, args.fps),
    }
    say(table(result))
    say(f"{len(scenes)} videos of {args.frames} frames at {args.size} in {clock(seconds)}")
    if args.out is not None:
        save(args.out, result, videos[:SHEET_VIDEOS], captions[:SHEET_VIDEOS])
    return result


def generate(
    args: Args, loaded: Loaded, vae: Vae, texts: Sequence[str], *, on_done: Any = None
) -> list[np.ndarray]:
    """A video for each text at the size, seed and sampler of ``args``: uint8 (T,H,W,3) each."""
    from dit.generation import generate as generate_from
    from jobs.core.models import load_text_for
    from jobs.generate.sample import parse_size

    width, height = parse_size(args.size)
    return generate_from(
        texts,
        dit=loaded,
        vae=vae,
        text_encoder=load_text_for(loaded.latents, args.text, args.device),
        width=width,
        height=height,
        config=args,
        seed=args.seed * 1_000_003,
        on_done=on_done,
    )


def draw_scenes(args: Args) -> list[Scene]:
    """The scenes of a run: held-out, novel or training ones, as long as the videos."""
    from pipeline.world.clips import SEED_STRIDE
    from pipeline.world.scene import SPLITS, random_scene

    if args.split not in SPLITS:
        raise UserError(f"--split {args.split!r} is unknown; use one of {', '.join(SPLITS)}")
    return [
        random_scene(
            args.seed * SEED_STRIDE + i,
            split=args.split,
            max_objects=args.max_objects,
            duration_s=args.frames / args.fps,
        )
        for i in range(args.prompts)
    ]


def score(scenes: Sequence[Scene], videos: Sequence[np.ndarray], fps: float) -> dict[str, float]:
    """Shares judged right.

    ``colour``, ``shape``, ``motion``: of objects, shape and motion only counting when bound to the right colour.
    ``camera``: of videos. ``all_*``: of videos in which every object is right and none is missing or added.
    """
    from pipeline.world.captions import attributes
    from pipeline.world.judge import judge, score_against

    objects, counts, whole = 0, dict.fromkeys(MARKS, 0), dict.fromkeys(MARKS, 0)
    for scene, video in zip(scenes, videos, strict=True):
        truth = attributes(scene, still=len(video) == 1)
        seen = judge(video, fps)
        objects += len(truth.objects)
        for name, right in object_marks(truth, seen).items():
            counts[name] += right
        for name, right in score_against(truth, seen).items():
            whole[name] += right
    shares = {name: counts[name] / objects for name in MARKS[:3]}
    shares["camera"] = whole["camera"] / len(scenes)
    return {**shares, **{f"all_{name}": whole[name] / len(scenes) for name in MARKS[:3]}}


def object_marks(truth: Attributes, seen: Attributes) -> dict[str, int]:
    """Objects of ``truth`` found in ``seen`` by colour, and of those the ones with the right shape and motion."""
    found = {colour: (shape, motion) for colour, shape, motion in seen.objects}
    marks = dict.fromkeys(MARKS[:3], 0)
    for colour, shape, motion in truth.objects:
        if colour in found:
            marks["colour"] += 1
            marks["shape"] += found[colour][0] == shape
            marks["motion"] += motion is None or found[colour][1] == motion
    return marks


def table(result: dict[str, Any]) -> str:
    """Shares right, in per cent: one row per kind of video."""
    columns = [*MARKS, *(f"all_{name}" for name in MARKS[:3])]
    rows = [f"{'right, %':<10}" + "".join(f"{name.replace('_', ' '):>12}" for name in columns)]
    for kind in ("generated", "vae", "rendered"):
        rows.append(
            f"{kind:<10}" + "".join(f"{100 * result[kind][name]:>12.1f}" for name in columns)
        )
    return "\n".join(rows)


def save(out: Path, result: dict[str, Any], videos: list[np.ndarray], captions: list[str]) -> None:
    """adherence.json and a contact sheet of the first videos."""
    from pipeline.video.sheets import contact_sheet, png_bytes

    write_bytes(out / "adherence.json", (json.dumps(result, indent=2) + "\n").encode())
    write_bytes(out / "adherence.png", png_bytes(contact_sheet(videos, captions)))
