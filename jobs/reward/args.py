"""What ``filmstock reward-dit`` is told, and which of it does not go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from dit.reward.config import RewardConfig
from jobs.core.args import Device
from jobs.core.errors import UserError
from jobs.core.model_options import TextName, VaeName
from jobs.reward.asks import FilePrompts, Wanted, WorldPrompts, read_prompts
from jobs.reward.rewards import check_rewards
from pipeline.bounds import Bounded, Count, Limits, Share


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Fine-tune a DiT by reward: draw videos, score them, train on what sets the good ones apart (DiffusionNFT).

    Prompts are scenes of the synthetic world that never come twice, or those of a file. The same command goes on with a
    run that was stopped: Ctrl-C saves the step in hand, a kill loses at most the steps since a checkpoint.
    """

    out: Path
    """Folder for checkpoints, metrics, sample sheets and dit.safetensors."""
    init: str | None = None
    """DiT to begin with: embedded, a file, or a folder of a trainer. Default: embedded, or what OUT began with."""
    reward: dict[str, float] = field(default_factory=dict)
    """Rewards and their weights: strict (the world's judge), relevance (CLIP), coherence, fluency, or module:object:
    --reward strict 0.7 fluency 0.3. Default: strict 1."""
    prompts: Path | None = None
    """Text file with one prompt a line; default: captions of training scenes of the synthetic world."""
    size: tuple[str, ...] = ("64x64",)
    """WIDTHxHEIGHT of the videos in pixels; of several each prompt draws one."""
    frames: Count = 17
    """Frames of a video; 1 + 4k for the embedded VAE."""
    image_share: Share = 0.0
    """Share of the scenes that are drawn as single images."""
    short_share: Share = 0.0
    """Share of the scenes that have a short caption; the others have a dense one."""
    max_objects: Annotated[int, Limits(least=1, most=3)] = 3
    """Most objects in a scene."""
    train: tyro.conf.OmitArgPrefixes[RewardConfig] = RewardConfig()
    """The run; with prompts, rewards and the weights it begins with it determines every weight."""
    clip_model: str = "embedded"
    """CLIP that relevance asks: embedded (knows the synthetic world), or one as in a recipe."""
    vae: VaeName = "embedded"
    text: TextName = "embedded"
    resume: bool = False
    """Refuse to start anew: OUT must hold a checkpoint to go on from."""
    device: Device = "auto"
    threads: Count | None = None
    """CPU threads; default: all cores."""


UNKEYED = {"out", "resume", "device", "threads", "init", "reward", "prompts"}
"""Options that change nothing about the weights, or count by what they stand for: weights by id, prompts by text."""


def weights_of(args: Args) -> dict[str, float]:
    """Weight of each reward."""
    return args.reward or {"strict": 1.0}


def sizes_of(args: Args) -> tuple[tuple[int, int], ...]:
    """(width, height) of each ``--size``."""
    from jobs.generate.limits import parse_size

    if not args.size:
        raise UserError("--size names none; give WIDTHxHEIGHT, such as 64x64")
    return tuple(parse_size(text) for text in args.size)


def wanted_of(args: Args) -> Wanted:
    """The stream of prompts that the options name; UserError for a file that holds none."""
    common: dict[str, Any] = {
        "seed": args.train.seed,
        "count": args.train.prompts_per_step,
        "sizes": sizes_of(args),
        "frames": args.frames,
    }
    if args.prompts is not None:
        if args.image_share or args.short_share:
            raise UserError(
                "--image-share and --short-share are about scenes of the world; leave them out, or --prompts"
            )
        return FilePrompts(prompts=read_prompts(args.prompts), **common)
    return WorldPrompts(
        fps=args.train.fps,
        image_share=args.image_share,
        short_share=args.short_share,
        max_objects=args.max_objects,
        **common,
    )


def check(args: Args, init: str) -> Wanted:
    """Refuse what cannot be, from headers and arithmetic, before a model is loaded; returns what is asked for."""
    from jobs.generate.limits import check_models, check_sampler, check_size, few_steps_of

    wanted = wanted_of(args)
    prompts = wanted.prompts if isinstance(wanted, FilePrompts) else ()
    check_rewards(weights_of(args), prompts)
    for width, height in sizes_of(args):
        guided = args.train.guidance != 1
        check_size(width, height, args.frames, dit=init, vae=args.vae, guided=guided)
    check_sampler(args.train.sampler, args.device)
    check_models(init, args.vae, args.text)
    if few := few_steps_of(init):
        raise UserError(
            f"--init {init} was distilled to {few.steps} steps, and fine-tuning by reward would undo it; "
            "start from the DiT that it was distilled from"
        )
    return wanted


def facts_of(args: Args, wanted: Wanted) -> dict[str, Any]:
    """Plain values that say what is asked for and who judges: a checkpoint of others is refused."""
    facts: dict[str, Any] = {
        "rewards": weights_of(args),
        "wanted": dataclasses.asdict(wanted),  # type: ignore[call-overload]
    }
    if "relevance" in weights_of(args):
        facts["clip_model"] = args.clip_model
    return facts


def options_of(args: Any) -> Iterator[str]:
    """Command-line options that differ from their defaults."""
    for each in dataclasses.fields(args):
        value = getattr(args, each.name)
        default = each.default_factory() if callable(each.default_factory) else each.default
        name = "--" + each.name.replace("_", "-")
        if each.name in ("out", "resume") or value == default:
            continue
        if dataclasses.is_dataclass(value):
            yield from options_of(value)
        elif isinstance(value, dict):
            yield from (name, *(f"{key} {weight:g}" for key, weight in value.items()))
        elif isinstance(value, tuple):
            yield from (name, *map(str, value))
        else:
            yield from [name] if value is True else [name, str(value)]
