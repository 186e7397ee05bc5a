"""Fine-tuning by reward, before and after, on held-out scenes; and what becomes of the truth where CLIP alone rewards.

Arms are runs of ``filmstock reward-dit`` from the embedded DiT: by the strict judge, which is the truth, and by CLIP
relevance alone. All are judged by both, on scenes that training never shows, from the same noise. ``diversity`` is that
of one prompt's videos (root mean square distance of latents), ``creativity`` that of all videos (Vendi score of CLIP
embeddings). Runs and figures that are there are not made again, so the same command goes on.

    OMP_NUM_THREADS=1 python -m benchmarks.reward --scratch runs/reward --frames 1 --guidance 1 --steps 40
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dit.config import SampleConfig
from dit.reward.objective import diversity
from pipeline.store.atomic import write_bytes

ARMS = {"strict": ("strict", "1"), "relevance": ("relevance", "1")}
"""Name -> its ``--reward``."""
FPS = 8.0
SAME = 8
"""Prompts whose videos are drawn more than once, for diversity."""
TIMES = 6
"""How often."""
SEED = 7
"""Held-out scenes of this script."""


def train(args: argparse.Namespace, arm: str) -> Path:
    """The folder of an arm, trained to its end."""
    out = Path(args.scratch / arm)
    if (out / "dit.safetensors").exists():
        return out
    words = [
        "reward-dit", "--out", out, "--reward", *ARMS[arm], "--size", args.size, "--frames", args.frames,
        "--guidance", f"{args.guidance:g}", "--steps", args.steps, "--group", args.group, "--updates", args.updates,
        "--draw-steps", args.draw_steps, "--lr", f"{args.lr:g}", "--follow-decay", f"{args.follow_decay:g}",
        "--sample-every", 0, "--checkpoint-every", 1, "--threads", 1,
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "jobs.cli", *map(str, words)], check=True)
    return out


class Held:
    """Held-out scenes and the models that draw and judge them."""

    def __init__(self, args: argparse.Namespace) -> None:
        import pipeline
        import vae
        from dit.generation import text_features
        from jobs.generate.limits import parse_size
        from jobs.reward.rewards import RelevanceReward, open_model
        from pipeline.world.captions import caption
        from pipeline.world.claims import claims_of
        from pipeline.world.clips import SEED_STRIDE
        from pipeline.world.scene import random_scene

        self.args, self.vae = args, vae.load()
        self.frames = args.eval_frames or args.frames
        self.scenes = [
            random_scene(
                SEED * SEED_STRIDE + i, split=args.split, duration_s=max(17, self.frames) / FPS
            )
            for i in range(args.scenes)
        ]
        still = self.frames == 1
        self.prompts = [caption(scene, "dense", still=still) for scene in self.scenes]
        self.claims = [claims_of(prompt) for prompt in self.prompts]
        self.texts = text_features(pipeline.load_text_encoder(), self.prompts)
        self.size = parse_size(args.size)
        self.clip = open_model("embedded", "cpu")
        self.relevance = RelevanceReward(self.clip)

    def kept(self, make: Callable[[], dict[str, Any]], *key: object) -> dict[str, Any]:
        """What ``make`` gives, or what it gave when it was called with this key before."""
        args = self.args
        name = "-".join(map(str, [*key, args.scenes, args.split, args.size, self.frames]))
        path = args.scratch / f"figures-{name}.json"
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        found = make()
        write_bytes(path, (json.dumps(found, indent=1) + "\n").encode())
        return found

    def figures(self, name: str, dit: str, guidance: float) -> dict[str, Any]:
        """All figures of one DiT."""
        from dit.files import open_dit

        key = (name, open_dit(dit).id, self.args.eval_steps, f"{guidance:g}")
        return self.kept(lambda: self.measure(dit, guidance), *key)

    def measure(self, dit: str, guidance: float) -> dict[str, Any]:
        """Draw the scenes and judge them; draw the first few of them again for diversity."""
        from dit.generation import ToSample, load, sample_latents

        loaded = load(dit)
        config = SampleConfig(steps=self.args.eval_steps, guidance=guidance, fps=FPS)
        width, height = self.size
        shape = self.vae.latent_shape(self.frames, height, width)[1:]

        def draw(numbers: list[int], seeds: list[int]) -> list[torch.Tensor]:
            found: dict[int, torch.Tensor] = {}
            texts = [self.texts[i] for i in numbers]
            asked = ToSample(texts=texts, shapes=[shape] * len(numbers), seeds=seeds)
            for part in sample_latents(loaded, asked, config):
                found |= part
            return [found[i] for i in range(len(numbers))]

        every = list(range(len(self.scenes)))
        latents = draw(every, [SEED * 1_000_003 + i for i in every])
        videos = [self.vae.decode(loaded.latents.denormalise(z)) for z in latents]
        again = [i for i in range(SAME) for _ in range(TIMES)]
        copies = draw(again, [SEED * 2_000_003 + n for n in range(len(again))])
        groups = [torch.stack(copies[i * TIMES : (i + 1) * TIMES]) for i in range(SAME)]
        return {**self.judged(videos), "diversity": float(np.mean([diversity(g) for g in groups]))}

    def judged(self, videos: list[np.ndarray]) -> dict[str, Any]:
        """Figures of videos of the scenes: by the strict judge, by CLIP, and how they differ."""
        from jobs.generate.judge import embed
        from pipeline.quality.sets import creativity
        from pipeline.world.figures import figures
        from pipeline.world.strict import judge_strictly

        verdicts = [judge_strictly(v, FPS, c) for v, c in zip(videos, self.claims, strict=True)]
        said = self.relevance(videos, self.prompts, FPS)
        return {
            **figures(verdicts, self.claims),
            "score": float(np.mean([verdict.score for verdict in verdicts])),
            "relevance": float(said.mean()),
            "creativity": creativity(np.stack([embed(video, self.clip) for video in videos])),
        }

    def ceiling(self) -> dict[str, Any]:
        """Figures of the scenes themselves, rendered and passed through the VAE."""
        from pipeline.world.render import render

        width, height = self.size
        videos = []
        for scene in self.scenes:
            true = render(scene, width=width, height=height, fps=FPS, n_frames=self.frames)
            videos.append(self.vae.decode(self.vae.encode(true[None])[0][0]))
        return self.judged(videos)


ROWS = {
    "right": "videos right in all",
    "every_frame": "videos right in every frame",
    "frames_right": "frames right",
    "score": "the strict reward",
    "relevance": "CLIP relevance",
    "shape": "objects: shape right",
    "colour": "objects: colour right",
    "size_right": "size right",
    "start_right": "start right",
    "ground_right": "ground right",
    "motion_right": "motion right",
    "diversity": "diversity of a prompt's videos",
    "creativity": "creativity of all videos",
}


def table(columns: dict[str, dict[str, Any]]) -> str:
    """Markdown, with 95 % intervals for shares of videos."""
    from pipeline.world.intervals import wilson

    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for key, words in ROWS.items():
        cells = []
        for found in columns.values():
            value = found.get(key)
            if value is None:
                cells.append("")
            elif key in ("right", "every_frame"):
                low, high = wilson(value * found["videos"], int(found["videos"]))
                cells.append(f"{100 * value:.1f} % ({100 * low:.0f} to {100 * high:.0f})")
            elif key in ("score", "relevance", "diversity", "creativity"):
                cells.append(f"{value:.3f}")
            else:
                cells.append(f"{100 * value:.1f} %")
        if any(cells):
            lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ways(scratch: Path, arm: str) -> str:
    """A line on a run: what its own reward did on the videos it drew, and how far the weights went."""
    path = scratch / arm / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    few = max(1, min(5, len(rows) // 2))

    def mean(part: list[dict[str, Any]], name: str) -> float:
        return float(np.mean([row[name] for row in part]))

    first, last = rows[:few], rows[-few:]
    names = ("reward", "spread", "diversity")
    moved = ", ".join(f"{n} {mean(first, n):.3f} -> {mean(last, n):.3f}" for n in names)
    return (
        f"{arm}: {len(rows)} steps; of the videos drawn, first and last {few} steps: {moved}; "
        f"distance {mean(last, 'distance'):.4f}"
    )


def main() -> None:
    """Train the arms, judge them and the beginning, print tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--scratch", type=Path, required=True, help="folder for runs and figures")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--draw-steps", type=int, default=6)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--follow-decay", type=float, default=0.5)
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--scenes", type=int, default=120, help="held-out scenes")
    parser.add_argument("--split", default="heldout", choices=("heldout", "novel"))
    parser.add_argument(
        "--eval-steps", type=int, default=12, help="sampling steps of the videos judged"
    )
    parser.add_argument(
        "--eval-guidance", type=float, nargs="*", help="default: that of the training"
    )
    parser.add_argument("--eval-frames", type=int, help="default: those of the training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.scratch.mkdir(parents=True, exist_ok=True)
    dits = {"before": "embedded", **{arm: str(train(args, arm)) for arm in args.arms}}
    held = Held(args)
    for guidance in args.eval_guidance or [args.guidance]:
        columns = {name: held.figures(name, dit, guidance) for name, dit in dits.items()}
        columns["through the VAE"] = held.kept(held.ceiling, "vae")
        form = (
            f"{args.frames} frames of {args.size}, {args.eval_steps} steps, guidance {guidance:g}"
        )
        print(f"\n{args.scenes} {args.split} scenes, {form}\n")
        print(table(columns), flush=True)
    print()
    for arm in args.arms:
        print(ways(args.scratch, arm))


if __name__ == "__main__":
    main()
