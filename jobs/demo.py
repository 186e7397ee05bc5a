"""``filmstock demo``: the whole data flow on a few minutes of synthetic footage, as the commands a user would type.

Every step prints its command line before it runs, so the demo is also the tutorial. It ends with the funnel, how many
frames of four generated videos show what their prompts say, and where to look.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from jobs.core.args import parse_args
from jobs.core.console import clock, say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.writable import check_own_folder
from pipeline.bounds import Limits, Positive, Seed, check_bounds

PROMPTS = (
    "A large red circle moves slowly to the right, starting on the left. The background is plain grey."
    " The camera is static. The light is even.",
    "A medium green square bounces up and down, starting in the centre. The background is white with dots."
    " The camera is static. The light is even.",
    "A large yellow triangle stays still in the centre. The background is slate with checks."
    " The camera pans left. The light is even.",
    "A large blue diamond moves slowly downward, starting at the top. A small pink ring stays still at the bottom left."
    " The background is beige with a grid. The camera is static. The light comes from the left.",
)

SAMPLES = ("--size", "128x80")
"""Options of the demo's samples: what people look at should be large enough to see."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Film, curate, encode, train, sample, extend, edit, loop and judge: everything, on a laptop CPU in minutes."""

    out: Path = Path("runs/demo")
    """Folder for everything the demo makes."""
    minutes: Annotated[float, Limits(above=0, most=10_000)] = 3.2
    """Raw footage to shoot, minutes."""
    train_minutes: Positive = 1.5
    """Time the DiT trains on the curated clips, from the shipped checkpoint, minutes."""
    seed: Seed = 11
    """Seed of the footage and of the samples."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.out.exists() and not self.out.is_dir():
            raise ValueError(f"--out {self.out} is a file; give a folder")


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    return run(parse_args(Args, argv, "demo"))


def run(args: Args) -> int:
    """Run every step in order; a finished step is not done again."""
    out = args.out
    check_own_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    raw, data, dit, samples = out / "raw", out / "set", out / "dit", out / "samples"
    prompts = out / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS) + "\n")
    look = [*SAMPLES, "--seed", args.seed]
    steps = [
        ["film", raw, "--minutes", args.minutes, "--files", 5, "--seed", args.seed],
        ["curate", raw, "--out", data, "--recipe", "demo"],
        ["encode", data],
        ["train-dit", data, "--out", dit, "--init", "embedded", "--minutes", args.train_minutes],
        ["sample", "--prompts", prompts, "--dit", dit, "--out", samples, *look],
        *verb_steps(samples, dit, out / "verbs"),
    ]
    start = time.monotonic()
    for step in steps:
        words = [str(word) for word in step]
        if words[0] in ("sample", "extend", "edit", "loop") and is_made(words):
            say(f"{words[0]}: nothing to do, it is made already")  # they overwrite nothing
        else:
            _command(words)
    scores = judge_samples(samples)
    say()
    say(f"The demo took {clock(time.monotonic() - start)}.")
    _funnel(data)
    say()
    say("four prompts, every frame of their videos judged from its pixels:")
    for line in scores:
        say(f"  {line}")
    say()
    say("where to look:")
    for label, path in (
        ("how the set was made", data / "report.html"),
        ("the shards", data / "shards"),
        ("generated videos", samples),
        ("three verbs", out / "verbs"),
    ):
        say(f"  {label:<22} {path}")
    for sheet in sorted(samples.glob("*.png")):
        say(f"  {'contact sheet':<22} {sheet}")
    for preview in sorted(out.glob("*/*.webp")):
        say(f"  {'animated preview':<22} {preview}")
    return EXIT_OK


def is_made(words: list[str]) -> bool:
    """Whether the videos that a command line writes are there."""
    out = Path(words[words.index("--out") + 1])
    return (out / "grid.png").exists() if words[0] == "sample" else out.exists()


def verb_steps(samples: Path, dit: Path, out: Path) -> list[list[object]]:
    """Three verbs on three of the samples: one goes on, of one the object changes colour, one is closed to a loop."""
    from jobs.generate.sample import slug

    first, second, third = (
        samples / f"{number:03d}-{slug(PROMPTS[number])}.mp4" for number in range(3)
    )
    later = PROMPTS[0].replace(", starting on the left", "")
    purple = PROMPTS[1].replace("green", "purple")
    models = ["--dit", dit]
    return [
        ["extend", first, "--seconds", 2, "--prompt", later, *models, "--out", out / "extend.mp4"],
        ["edit", second, "--strength", 0.8, "--prompt", purple, *models, "--out", out / "edit.mp4"],
        ["loop", third, "--prompt", PROMPTS[2], *models, "--out", out / "loop.mp4"],
    ]


def _command(words: list[str]) -> None:
    """Print a command as a user would type it, and run it in this process."""
    import importlib

    from jobs.commands import COMMANDS

    say()
    say("$ filmstock " + " ".join(words))
    module, _, name = COMMANDS[words[0]].target.partition(":")
    function: Callable[[list[str]], int | None] = getattr(importlib.import_module(module), name)
    code = function(words[1:]) or EXIT_OK
    if code not in (EXIT_OK, EXIT_PARTIAL):
        raise UserError(f"the demo stopped: filmstock {words[0]} ended with exit code {code}")


def judge_samples(folder: Path) -> list[str]:
    """For each sample: how many frames are right, what is wrong, and what of its prompt training never showed."""
    from pipeline.video.decode import decode_clip
    from pipeline.world.claims import claims_of, untrained_pairs
    from pipeline.world.strict import judge_strictly

    lines = []
    videos = sorted(folder.glob("*.mp4"))
    for prompt, video in zip(PROMPTS, videos, strict=True):
        frames, pts = decode_clip(video.read_bytes())
        fps = (len(pts) - 1) / float(pts[-1] - pts[0]) if len(pts) > 1 else 8.0
        claims = claims_of(prompt)
        verdict = judge_strictly(frames, fps, claims)
        right = verdict.right_frames
        wrong = ", ".join(verdict.reasons())
        lines.append(
            f"{video.name}: {int(right.sum())} of {len(right)} frames right; "
            + (f"wrong: {wrong}" if wrong else "all else right, too")
            + f"  ({prompt.split('.')[0]})"
        )
        lines += [f"  training never showed: {pair}" for pair in untrained_pairs(claims)]
    return lines


def _funnel(folder: Path) -> None:
    say()
    say("the funnel, clips left after each step:")
    last: dict[str, int] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry.get("stage") == "select":
            last = entry.get("funnel", last)
    for step, count in last.items():
        say(f"  {step:<22} {count:>5}")
