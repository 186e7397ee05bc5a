"""What the evidence scripts share: sets of pictures of the world, DiTs trained on them from nothing, the strict judge.

All goes through the commands (``encode``, ``train-dit``) and lies in a scratch folder: what is there is not made again,
so a script that was stopped goes on where it was. Pictures of one object, because a DiT learns to draw those within
minutes of a core. Each arm is trained with several seeds, which draw its weights, its order, and its test scenes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.tables import shards_schema
from pipeline.video.encode import encode_mp4
from pipeline.video.sheets import png_bytes, side_by_side, stacked
from pipeline.world.clips import WorldConfig, world_row
from pipeline.world.scene import Scene

FPS = 8.0
SIDE = 64
TOKENS = 640
"""Latent tokens of a step: 40 pictures of 64x64."""
SHEET = 12
Row = dict[str, Any]
Style = Callable[[Scene, int], str]
"""The prompt for a held-out scene, given its index."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a script was told."""

    scratch: Path
    steps: int = 800
    images: int = 6000
    prompts: int = 100
    seeds: int = 3


def plan(description: str | None, argv: list[str] | None = None) -> Plan:
    """The command line of every script."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--scratch", type=Path, default=Path("runs/evidence"))
    parser.add_argument("--steps", type=int, default=Plan.steps, help="of one training")
    parser.add_argument("--images", type=int, default=Plan.images, help="of one training set")
    parser.add_argument("--prompts", type=int, default=Plan.prompts, help="held-out scenes a seed")
    parser.add_argument("--seeds", type=int, default=Plan.seeds)
    return Plan(**vars(parser.parse_args(argv)))


def world(
    n: int, *, seed: int, sizes: tuple[tuple[int, int], ...] = ((SIDE, SIDE),)
) -> WorldConfig:
    """Pictures of one object each."""
    return WorldConfig(clips=n, seed=seed, sizes=sizes, frames=1, max_objects=1)


def write_shards(folder: Path, rows: Iterable[Row]) -> Path:
    """Shards of the rows, where there are none; the folder that holds them."""
    from pipeline.shards.layout import manifest_of
    from pipeline.shards.write import ShardWriter

    if not manifest_of(folder / "shards").exists():
        with ShardWriter(folder / "shards", shards_schema()) as writer:
            for row in rows:
                writer.add(row)
    return folder


def world_rows(config: WorldConfig) -> Iterator[Row]:
    """Its rows, in order."""
    return (world_row(config, index) for index in range(config.clips))


def with_frame(row: Row, frame: np.ndarray) -> Row:
    """The row with another picture, uint8 RGB (H,W,3), and an id of its own."""
    height, width = frame.shape[:2]
    source = s.source_id(0, f"{row[s.SOURCE_URI]}#{width}x{height}".encode(), frame.tobytes(), b"")
    return {
        **row,
        s.VIDEO: encode_mp4(frame[None], FPS, crf=18),
        s.WIDTH: width,
        s.HEIGHT: height,
        s.SOURCE_ID: source,
        s.CLIP_ID: s.clip_id(source, 0, 1),
    }


def filmstock(*words: str | Path | int) -> None:
    """Run a command; its output goes to this process's."""
    subprocess.run([sys.executable, "-m", "jobs.cli", *map(str, words)], check=True)


def train(
    folder: Path, out: Path, steps: int, *, seed: int, kinds: Iterable[str] = ("dense",)
) -> Path:
    """A tiny DiT trained from random weights on the folder's shards, kinds of captions drawn evenly; its folder."""
    if not (out / "dit.safetensors").exists():
        kinds = list(kinds)
        filmstock("encode", folder, "--workers", 1, "--set", 'encode.kinds=["dense", "short"]')
        mix = [word for kind in kinds for word in (kind, 0.9 / len(kinds))]
        words = [
            "--optimizer",
            "adamw",
            "--steps",
            steps,
            "--tokens-per-pack",
            TOKENS,
            "--shift",
            1.0,
            "--seed",
            seed,
        ]
        often = ["--eval-every", steps, "--checkpoint-every", 200, "--sample-every", 0]
        more = ["--resume"] if (out / "state.pt").exists() else []
        mixed = ["--mix", *mix, "empty", 0.1]
        filmstock("train-dit", folder / "latents", "--out", out, *words, *often, *mixed, *more)
    return out


def held_out(out: Path) -> float:
    """The last held-out loss of a training run, per number, of pictures of its own set."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return float([row["held_out"] for row in rows if "held_out" in row][-1])


def dense(scene: Scene, index: int) -> str:
    """The dense caption of a scene."""
    from pipeline.world.captions import caption

    return caption(scene, "dense", still=True)


def outcome(
    out: Path, told: Plan, *, seed: int, style: Style = dense, name: str = "dense", more: Any = None
) -> dict[str, float]:
    """Pictures that a DiT draws for held-out scenes, by the strict judge; kept in its folder as ``outcome-NAME.json``.

    ``style`` words the prompts; ``more`` takes the pictures and gives further figures.
    """
    kept = out / f"outcome-{name}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    from jobs.core.models import load_dit_at, load_vae_for
    from jobs.generate.adherence import Args, draw_scenes, generate, score

    args = Args(
        prompts=told.prompts, frames=1, size=f"{SIDE}x{SIDE}", dit=str(out), seed=1 + seed, max_objects=1
    )  # fmt: skip
    scenes = draw_scenes(args)
    loaded = load_dit_at(args.dit)
    texts = [style(scene, index) for index, scene in enumerate(scenes)]
    images = generate(args, loaded, load_vae_for(loaded.latents, args.vae), texts)
    found = {
        **score(scenes, images, FPS),
        "held_out": held_out(out),
        **(more(images) if more else {}),
    }
    write_bytes(out / f"outcome-{name}.png", png_bytes(side_by_side(i[0] for i in images[:SHEET])))
    write_bytes(kept, (json.dumps(found, indent=1) + "\n").encode())
    return found


def compare(
    told: Plan, title: str, sets: Mapping[str, tuple[Path, int]], more: Any = None
) -> dict[str, list[dict[str, float]]]:
    """Train on each set (folder, steps) with every seed: name of a set -> what each found; and a sheet of seed 0."""
    arms: dict[str, list[dict[str, float]]] = {name: [] for name in sets}
    pictures = []
    for seed in range(told.seeds):
        for name, (folder, steps) in sets.items():
            out = told.scratch / f"{title}-{folder.name}-{steps}-{seed}"
            arms[name].append(
                outcome(train(folder, out, steps, seed=seed), told, seed=seed, more=more)
            )
            pictures += [out / "outcome-dense.png"] if seed == 0 else []
    save_sheet(told.scratch / f"{title}.png", pictures)
    return arms


def save_sheet(path: Path, pictures: Iterable[Path]) -> None:
    """One PNG of the rows of pictures that ``outcome`` kept."""
    from PIL import Image

    lines = [np.asarray(Image.open(each).convert("RGB")) for each in pictures]
    write_bytes(path, png_bytes(stacked(lines, gap=4, fill=0)))
