"""What ``filmstock train-dit`` is told: its flags, what they default to, and which do not go together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from jobs.core.args import Data
from jobs.core.errors import UserError
from jobs.core.recipe import folder_recipe, section_from
from pipeline.config import MixConfig

if TYPE_CHECKING:
    from dit.config import TrainConfig

KIND = ("attention", "head_gate", "path")
"""Flags that are part of the model's config, and kept by --init."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Train the diffusion transformer from latents; Ctrl-C or a kill loses at most the steps since a checkpoint."""

    latents: tyro.conf.Positional[Data]
    """Run folder with latents/, or a folder of latents."""
    out: Path
    """Folder for checkpoints, metrics, sample sheets and dit.safetensors."""
    preset: str = "tiny"
    """Size: tiny, S, B, L or XL."""
    steps: int = 2000
    """Optimiser steps."""
    minutes: float | None = None
    """Train for this many minutes instead of a number of steps."""
    tokens_per_pack: int = 2560
    """Latent tokens of one forward pass; 2560 is 32 clips of 17x64x64."""
    packs_per_step: int = 1
    """Packs per optimiser step, over all workers."""
    lr: float | None = None
    """Peak learning rate; default: the preset's, a tenth of it with --init (all of it for adapters), the
    checkpoint's with --resume."""
    optimizer: Literal["muon", "adamw"] | None = None
    """Default: muon, with --lora adamw."""
    shift: float = 1.5
    """Timestep shift: above 1 trains more on noisy levels."""
    condition_share: float = 0.1
    """Share of videos trained with some frames given (image-to-video, extension)."""
    mix: dict[str, float] = dataclasses.field(default_factory=dict)
    """Weights of dense, short, structured and original captions, and the share of empty ones, for guidance:
    --mix dense 0.8 short 0.2 empty 0.1. Default: section [mix] of the recipe in the latents' run folder."""
    decay_share: float = 0.4
    """Last share of the run over which the learning rate falls to zero."""
    ema: float = 0.999
    """Limit of the weights' moving average."""
    loss_unit: Literal["token", "clip"] = "token"
    """What counts equally in the loss."""
    local_share: float = 0.0
    """Share of the loss that counts only the first latent frame of a clip; 0.4 leaves 0.6 for all its frames."""
    attention: Literal["full", "factorised"] = "full"
    """Over all tokens of a clip, or within each frame and then along time (ViViT)."""
    head_gate: bool = False
    """Let every token scale each attention head's output (adaptive attention)."""
    path: Literal["flow", "vp"] = "flow"
    """Rectified flow, or DDPM's variance-preserving path with linear betas."""
    precision: str = "auto"
    """fp32, bf16, or auto: what a probe finds faster here."""
    compile: bool = False
    """Compile the blocks with torch.compile."""
    recompute: bool = False
    """Gradient checkpointing: less memory, a third more work."""
    seed: int = 0
    """Seed of weights, noise and data order."""
    held_out_share: float = 0.02
    """Share of clips kept out of training for the held-out loss."""
    dry_run: bool = False
    """Train nothing: say what an epoch holds and leaves out, if the latents are sound, first loss, memory."""
    resume: bool = False
    """Go on from the checkpoint in OUT."""
    init: str | None = None
    """Start from the weights of a DiT: embedded, a file, or a folder of train-dit."""
    new_vae: bool = False
    """Let --init start from a DiT of another VAE, with as many latent channels: words and motion carry over."""
    lora: int = 0
    """With --init: train adapters of this rank (LoRA, by peft) in place of the weights; checkpoints are small, and
    dit.safetensors has them merged."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."""
    workers: int = 1
    """Processes; more than one run through Ray Train."""
    fsdp: bool = False
    """Spread weights, gradients and optimiser over the workers (FSDP2), for models that no worker could hold."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    eval_every: int = 250
    """Steps between held-out losses."""
    sample_every: int = 1000
    """Steps between contact sheets of samples; 0 is never."""
    tensorboard: bool = False
    """Also write the metrics and sheets to OUT/tensorboard."""
    vae: str = "embedded"
    """VAE that decodes the contact sheets; it must be the one that made the latents."""


def train_config(args: Args) -> TrainConfig:
    """The library's settings from the command line's."""
    from dit.config import LEARNING_RATES, TrainConfig

    if args.preset not in LEARNING_RATES:
        raise UserError(
            f"preset {args.preset!r} is unknown; use one of {', '.join(LEARNING_RATES)}"
        )
    names = {f.name for f in dataclasses.fields(TrainConfig)} & set(vars(args))
    chosen = {name: getattr(args, name) for name in names if name not in ("lr", "optimizer")}
    usual = LEARNING_RATES[args.preset] * (0.1 if args.init and not args.lora else 1.0)
    return TrainConfig(
        lr=usual if args.lr is None else args.lr,
        optimizer=args.optimizer or ("adamw" if args.lora else "muon"),
        ema_decay=args.ema,
        lora_rank=args.lora,
        **chosen,
    )


def with_mix(args: Args) -> Args:
    """The same with the weights of captions settled: those of the command line, else of the run folder's recipe."""
    from pipeline.shards.latents import latents_root

    if args.mix:
        mix = section_from(MixConfig, args.mix, "--mix")
    else:
        mix = folder_recipe(latents_root(args.latents).parent, None).mix
    given = {kind: w for kind, w in dataclasses.asdict(mix).items() if w is not None}
    return dataclasses.replace(args, mix=given)


def settled(args: Args) -> Args:
    """The flags with what a resumed run takes from its checkpoint; UserError where they do not go together."""
    from dit.checkpoint import STATE_NAME
    from pipeline.training.state import load_state

    if args.fsdp and args.workers < 2:
        raise UserError("--fsdp spreads the weights over several workers; add --workers N")
    if args.fsdp and args.lora:
        raise UserError("--fsdp spreads what is trained, and adapters are small; leave it out")
    if args.resume and args.init:
        raise UserError("--resume goes on from OUT's own checkpoint; leave --init out")
    file = args.out / STATE_NAME
    if args.resume and file.exists():
        try:
            state = load_state(file)
        except ValueError as error:
            raise UserError(str(error)) from None
        trained = state["train_config"]
        if args.lr is None:  # its default hung on --init, which a resume leaves out
            args = dataclasses.replace(args, lr=float(trained["lr"]))
        if trained["lora_rank"]:
            args = dataclasses.replace(args, lora=trained["lora_rank"], init=state["init"])
    elif args.lora and not args.init:
        raise UserError("--lora adapts a model that is there; name it with --init")
    if args.new_vae and (args.lora or not args.init):
        raise UserError(
            "--new-vae lets --init take a DiT of another VAE, all of its weights: give --init, leave --lora out"
        )
    if args.init and Path(args.init).exists():  # workers and resumed runs may stand elsewhere
        args = dataclasses.replace(args, init=str(Path(args.init).resolve()))
    return args
