"""What the evidence scripts share: shards of world images, latents, a DiT trained from nothing, its adherence.

All of it goes through the commands (``encode``, ``train-dit``) and lies in a scratch folder; what is there is not made
again. One-frame videos, because a DiT learns to draw them within minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import schema as s
from pipeline.tables import shards_schema
from pipeline.video.encode import encode_mp4
from pipeline.video.sheets import png_bytes, side_by_side, stacked
from pipeline.world.clips import WorldConfig, world_row

FPS = 8.0
SIDE = 64
TOKENS = 1280
"""Latent tokens of a step: 80 images of 64x64."""
Edit = Callable[[dict[str, Any], int], dict[str, Any]]
"""Takes a shard row and its index, gives what it becomes."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One trained DiT."""

    held_out: float
    """Held-out loss per number, of clips of its own data."""
    marks: dict[str, float]
    """Shares of objects right, see ``jobs.generate.adherence.score``."""
    images: list[np.ndarray]
    """Generated, uint8 (1,H,W,3) each."""


def write_shards(
    folder: Path, n: int, *, seed: int, sizes: tuple[tuple[int, int], ...], edit: Edit | None = None
) -> Path:
    """Shards of ``n`` world images, each passed through ``edit``; the folder that holds them."""
    from pipeline.shards.layout import manifest_of
    from pipeline.shards.write import ShardWriter

    if not manifest_of(folder / "shards").exists():
        config = WorldConfig(clips=n, seed=seed, sizes=sizes, frames=1)
        with ShardWriter(folder / "shards", shards_schema()) as writer:
            for index in range(n):
                row = world_row(config, index)
                writer.add(edit(row, index) if edit else row)
    return folder


def with_frame(row: dict[str, Any], frame: np.ndarray) -> dict[str, Any]:
    """The row with another picture, uint8 RGB (H,W,3), and an id of its own."""
    height, width = frame.shape[:2]
    source = s.source_id(
        0, f"{row[s.SOURCE_URI]}#{width}x{height}".encode(), frame.tobytes()[:64], b""
    )
    return {
        **row,
        s.VIDEO: encode_mp4(frame[None], FPS, crf=18),
        s.WIDTH: width,
        s.HEIGHT: height,
        s.SOURCE_ID: source,
        s.CLIP_ID: s.clip_id(source, 0, 1),
    }


def filmstock(*words: str | Path) -> None:
    """Run a command; its output goes to this process's."""
    subprocess.run([sys.executable, "-m", "jobs.cli", *map(str, words)], check=True)


def train(folder: Path, out: Path, steps: int, *, seed: int = 0) -> Path:
    """A tiny DiT trained from random weights on the folder's shards; its checkpoint folder."""
    if not (out / "dit.safetensors").exists():
        filmstock("encode", folder, "--workers", "1", "--set", 'encode.kinds=["dense"]')
        words = ["--steps", steps, "--tokens-per-pack", TOKENS, "--shift", "1.0", "--seed", seed]
        often = ["--eval-every", steps, "--checkpoint-every", 200, "--sample-every", 0]
        more = ["--resume"] if (out / "state.pt").exists() else []
        filmstock("train-dit", folder / "latents", "--out", out, *map(str, [*words, *often, *more]))
    return out


def held_out(out: Path) -> float:
    """The last held-out loss of a training run."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return float([row["held_out"] for row in rows if "held_out" in row][-1])


def outcome(out: Path, *, prompts: int) -> Outcome:
    """Images for dense captions of held-out scenes, and how much of them is right."""
    from jobs.core.models import load_dit_at, load_vae_for
    from jobs.generate.adherence import Args, draw_scenes, generate, score
    from pipeline.world.captions import caption

    args = Args(prompts=prompts, frames=1, size=f"{SIDE}x{SIDE}", dit=str(out))
    scenes = draw_scenes(args)
    loaded = load_dit_at(args.dit)
    texts = [caption(scene, "dense", still=True) for scene in scenes]
    images = generate(args, loaded, load_vae_for(loaded.latents, args.vae), texts)
    return Outcome(held_out=held_out(out), marks=score(scenes, images, FPS), images=images)


def compare(
    title: str,
    folders: Mapping[str, Path],
    args: argparse.Namespace,
    more: Callable[[Outcome], str] = lambda found: "",
) -> None:
    """Train on each folder alike, print a line of its outcome (ending in ``more``), and save a sheet of all."""
    sheets = {}
    for name, folder in folders.items():
        found = outcome(
            train(folder, args.scratch / f"{folder.name}-{args.steps}", args.steps),
            prompts=args.prompts,
        )
        sheets[name] = found.images[:12]
        marks = found.marks
        print(
            f"{name:<14} {marks['colour']:8.1%} {marks['shape']:8.1%} {marks['every_frame']:11.1%} "
            f"{found.held_out:14.4f}{more(found)}",
            flush=True,
        )
    path = args.scratch / f"{title}.png"
    save_sheet(path, sheets)
    print(f"look at {path}")


HEAD = f"{'':<14} {'colour':>8} {'shape':>8} {'all right':>11} {'held-out loss':>14}"
"""Titles of the columns that ``compare`` prints."""


def arguments(description: str, **extra: int) -> argparse.Namespace:
    """What every script is told: where to work, how many steps, images and prompts."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True)
    for name, default in {"steps": 800, "images": 8000, "prompts": 200, **extra}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def save_sheet(path: Path, rows: dict[str, list[np.ndarray]]) -> None:
    """A PNG with one row of images for each name, in order."""
    lines = [side_by_side(image[0] for image in images) for images in rows.values()]
    path.write_bytes(png_bytes(stacked(lines, gap=4, fill=0)))


def parts(n: int, shares: dict[str, float], seed: int) -> Iterator[str]:
    """``n`` names drawn by their shares, the same ones for a seed."""
    rng = np.random.default_rng(seed)
    yield from map(str, rng.choice(list(shares), size=n, p=list(shares.values())))
