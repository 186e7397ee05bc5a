"""What ``reward-dit`` shows and writes besides its weights: progress, sheets of samples, the card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.console import Progress, clock
from jobs.reward.args import Args, options_of
from jobs.reward.asks import FilePrompts, Form, Wanted, as_asks
from pipeline.store.atomic import write_bytes
from pipeline.training.state import METRICS_NAME

if TYPE_CHECKING:
    from dit.latents import LatentSpec
    from dit.model import DiT
    from dit.reward.config import RewardConfig
    from pipeline.contracts import TextEncoder, Vae

SHEET_VIDEOS = 8
SHEET_STEPS = 20
SHEET_SEED = 900_000_000
"""Scenes and noise of the sheets, the same each time."""


class Reports:
    """One line of progress: videos drawn while a step goes on, its numbers when it is done."""

    def __init__(self, config: RewardConfig) -> None:
        self.config = config
        self.progress = Progress("reward-dit", config.steps, "steps")
        self.videos = 0
        self.note = ""
        self.began = False

    def drawn(self, count: int) -> None:
        """Count videos: each once when it is drawn, once when it is scored."""
        self.videos += count
        every = self.config.prompts_per_step * self.config.group
        done = min(self.videos, every)
        what = "drawn" if self.videos <= every else "scored"
        scored = done if what == "drawn" else self.videos - every
        self.progress.update(0, f"{scored} of {every} videos {what}{self.note}")

    def __call__(self, row: dict[str, Any]) -> None:
        """The numbers of a step."""
        if not self.began:  # steps of an earlier call say nothing of the time left
            self.progress.skip(row["step"] - 1)
            self.began = True
        self.videos = 0
        numbers = (
            f"reward {row['reward']:.3f} spread {row['spread']:.3f} diversity {row['diversity']:.3f} "
            f"distance {row['distance']:.4f} lr {row['lr']:.1e}"
        )
        self.note = f"; {numbers}"
        self.progress.update(row["step"] - self.progress.done, numbers)

    def close(self) -> None:
        """End the line."""
        self.progress.close(self.note.removeprefix("; "))


def sheet_prompts(args: Args, wanted: Wanted) -> list[tuple[str, Form]]:
    """What the sheets show: held-out scenes, or the first prompts of the file."""
    from jobs.reward.args import sizes_of

    width, height = sizes_of(args)[0]
    form = Form(width=width, height=height, frames=args.frames)
    if isinstance(wanted, FilePrompts):
        return [(prompt, form) for prompt in wanted.prompts[:SHEET_VIDEOS]]
    from pipeline.world.captions import caption
    from pipeline.world.scene import random_scene

    scenes = [
        random_scene(
            SHEET_SEED + i,
            split="heldout",
            max_objects=args.max_objects,
            duration_s=args.frames / args.train.fps,
        )
        for i in range(SHEET_VIDEOS)
    ]
    return [(caption(scene, "dense", still=args.frames == 1), form) for scene in scenes]


def make_sheet(
    args: Args, spec: LatentSpec, wanted: Wanted, vae: Vae, text_encoder: TextEncoder
) -> Callable[[int, DiT], None]:
    """A function that draws the same prompts from the same noise and writes ``samples/step-N.png``."""
    from dataclasses import replace

    from dit.checkpoint import Loaded
    from dit.generation import sample_videos, text_features
    from pipeline.video.sheets import contact_sheet, png_bytes

    shown = sheet_prompts(args, wanted)
    asks = as_asks(shown, vae)
    texts = text_features(text_encoder, [ask.prompt for ask in asks])

    def draw(step: int, model: DiT) -> None:
        videos = sample_videos(
            Loaded(model=model, latents=spec, id="", info={}),
            vae,
            texts,
            [ask.shape for ask in asks],
            seeds=[SHEET_SEED + i for i in range(len(asks))],
            config=replace(args.train.sampler, steps=SHEET_STEPS),
        )
        image = contact_sheet(videos, [ask.prompt for ask in asks])
        write_bytes(args.out / "samples" / f"step-{step:06d}.png", png_bytes(image))

    return draw


def write_card(args: Args, weights: Path) -> None:
    """CARD.md beside the weights: from what, by which rewards, and what became of them on the videos drawn."""
    from dit.files import open_dit

    loaded = open_dit(weights)
    rows = [json.loads(line) for line in (args.out / METRICS_NAME).read_text().splitlines()]
    few = max(1, min(5, len(rows) // 2))
    names = [name for name in rows[-1] if name.startswith("reward_")]
    lines = [
        f"| {name.replace('_', ' ')} | {_mean(rows[:few], name):.3f} | {_mean(rows[-few:], name):.3f} |"
        for name in ("reward", *names, "spread", "diversity", "distance")
    ]
    text = "\n".join(
        [
            f"# DiT {loaded.id}",
            "",
            f"DiT `{loaded.info['started_from']}` fine-tuned by reward (DiffusionNFT, arXiv 2509.16117).",
            "",
            f"Command: `filmstock reward-dit --out DIR {' '.join(options_of(args))}`, "
            f"{loaded.info['steps']} steps in {clock(loaded.info['seconds'])}.",
            "",
            f"| of the videos drawn | first {few} steps | last {few} |",
            "|---|---|---|",
            *lines,
            "",
            "Rewards are those that were trained for: judge the weights by others, too (`filmstock adherence`, "
            "`filmstock judge`).",
            "",
        ]
    )
    write_bytes(weights.with_name("CARD.md"), text.encode())


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows) / len(rows))
