"""``filmstock adherence``: does a DiT's video show what its caption says, in every frame? Held-out scenes, judged.

Prompts are dense captions of world scenes that no training clip shows. Beside the generated videos the strict judge
(``pipeline.world.strict``) reads the same scenes rendered, and rendered then passed through the VAE: the ceilings that
the judge and the VAE set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from dit.config import SampleConfig
from jobs.core.args import Device, parse_args
from jobs.core.console import Progress, clock, say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.model_options import DitName, TextName, VaeName, Weights
from jobs.core.writable import check_own_folder
from pipeline.bounds import Count, Limits, Seed
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np

    from dit.checkpoint import Loaded
    from pipeline.contracts import Vae
    from pipeline.world.scene import Scene

SHEET_VIDEOS = 16
KINDS = ("generated", "vae", "rendered")
"""Kinds of videos that are judged alike."""


@dataclass(frozen=True, kw_only=True)
class Args(SampleConfig):
    """Generate videos for captions of unseen scenes and judge every frame, beside the VAE's ceiling."""

    prompts: Count = 200
    """Scenes to generate."""
    seed: Seed = 1
    """Which held-out scenes; also the seed of the noise."""
    split: str = "heldout"
    """Stream of scenes: train, heldout or novel (unseen colour-shape and shape-motion pairs)."""
    size: str = "64x64"
    """WIDTHxHEIGHT in pixels."""
    max_objects: Annotated[int, Limits(least=1, most=3)] = 3
    """Most objects in a scene."""
    dit: DitName = "embedded"
    weights: Weights = "float"
    vae: VaeName = "embedded"
    text: TextName = "embedded"
    device: Device = "auto"
    out: Path | None = None
    """Folder for adherence.json and a contact sheet; default: print only."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, "adherence"))
    return EXIT_OK


def run(args: Args) -> dict[str, Any]:
    """Generate, judge, print a table; returns what adherence.json holds."""
    from jobs.core.models import load_dit_at, load_vae_for
    from jobs.generate.limits import (
        check_generator,
        check_size,
        is_guided,
        parse_size,
        settled,
    )
    from pipeline.world.captions import caption
    from pipeline.world.figures import table
    from pipeline.world.render import render

    width, height = parse_size(args.size)
    if args.out is not None:
        check_own_folder(args.out)
    args = settled(args, args.dit)
    guided = is_guided(args, args.dit)
    check_size(width, height, args.frames, dit=args.dit, vae=args.vae, guided=guided)
    check_generator(args)
    scenes = draw_scenes(args)
    say(
        f"adherence: {len(scenes)} videos of {args.frames} frames at {args.size}, {args.steps} steps each"
    )
    captions = [caption(scene, "dense", still=args.frames == 1) for scene in scenes]
    loaded = load_dit_at(args.dit, args.device, args.weights)
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
    say(table({name: result[name] for name in KINDS}))
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
    from jobs.generate.limits import parse_size

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
    """Figures of the strict judge, each video held against all that its scene's dense caption claims.

    See ``pipeline.world.figures.figures``: ``right`` and ``every_frame`` are shares of videos, ``frames_right`` of
    frames, ``colour``, ``shape`` and ``motion`` of objects.
    """
    from pipeline.world.claims import claims_of_scene
    from pipeline.world.figures import figures
    from pipeline.world.strict import judge_strictly

    claims = [
        claims_of_scene(scene, still=len(video) == 1)
        for scene, video in zip(scenes, videos, strict=True)
    ]
    verdicts = [
        judge_strictly(video, fps, claim) for video, claim in zip(videos, claims, strict=True)
    ]
    return figures(verdicts, claims)


def save(out: Path, result: dict[str, Any], videos: list[np.ndarray], captions: list[str]) -> None:
    """adherence.json and a contact sheet of the first videos."""
    from pipeline.video.sheets import contact_sheet, png_bytes

    write_bytes(out / "adherence.json", (json.dumps(result, indent=2) + "\n").encode())
    write_bytes(out / "adherence.png", png_bytes(contact_sheet(videos, captions)))
