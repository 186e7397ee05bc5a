"""What a run of ``train-dit`` is made of: its data, its model, and the weights that it begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.core.errors import UserError
from jobs.train.dit_args import Args, few_steps, linear_tokens, model_config, train_config
from pipeline.config import MixConfig
from pipeline.schema import FALLBACK_KINDS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dit.config import DiTConfig
    from dit.latents import LatentSpec
    from dit.train.objective import Objective
    from dit.train.training_packs import TrainingPacks


def mix_line(data: TrainingPacks) -> str:
    """What is drawn, and what is shown in place of what is not there."""
    shares = sorted(data.shares.items(), key=lambda item: -item[1])
    drawn = ", ".join(f"{100 * share:.3g} % {kind or 'none'}" for kind, share in shares)
    have = f"of {len(data.clips)} clips"
    gone = [f"{count} {have} have no {kind} one" for kind, count in data.lacking.items()]
    if not gone:
        return f"captions drawn: {drawn}"
    order = ", ".join(FALLBACK_KINDS)
    return f"captions drawn: {drawn}; {' and '.join(gone)}: shown instead is the first there is of {order}"


def open_data(args: Args, rank: int, world: int, *, note: bool = True) -> TrainingPacks:
    """The loader over the latents, for one process; ``note``: bad rows are listed in OUT."""
    from dit.train.training_packs import TrainingPacks

    return TrainingPacks(
        args.latents,
        token_budget=args.train.tokens_per_pack,
        packs_per_step=args.train.packs_per_step,
        seed=args.train.seed,
        mix=MixConfig(**args.mix),
        rank=rank,
        world=world,
        held_out_share=args.train.held_out_share,
        reference_share=args.train.reference_share,
        reference_videos=args.train.reference_videos,
        linear_tokens=linear_tokens(args),
        quarantine=args.out / "quarantine.jsonl" if note else None,
    )


def train_here(
    args: Args,
    data: TrainingPacks,
    *,
    leader: bool = True,
    device: torch.device | None = None,
) -> None:
    """The training loop in this process (one of several when torch.distributed is up); ``device`` default: --device."""
    import torch

    from dit.train.loop import train
    from jobs.train.dit_progress import Reports
    from jobs.train.dit_results import make_sheet
    from pipeline.training.device import pick_device

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    start = start_of(args, data)
    reports = Reports(args) if leader else None
    config = train_config(args)
    device = device or pick_device(args.device)
    with reports.line.progress if reports else nullcontext():
        train(
            start.model,
            config,
            data,
            args.out,
            resume=True,
            initial=start.weights,
            started_from=start.id,
            init=args.init or "",
            report=reports,
            on_sample=make_sheet(args, data, reports)
            if config.sample_every and (reports or config.fsdp)
            else None,
            device=device,
            objective=objective_of(args, start, device),
        )


def objective_of(args: Args, start: Start, device: torch.device) -> Objective | None:
    """What ``--distil-from`` minimises; None for the usual."""
    from dit.checkpoint import load_dit
    from dit.train.distil import Distillation

    few = start.model.few_steps
    if few is None or args.distil_from is None:
        return None
    return Distillation(load_dit(args.distil_from).model.to(device), few)


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a run begins with."""

    model: DiTConfig
    """Shape of the model."""
    weights: Mapping[str, Tensor] | None = None
    """Weights of ``--init``; None for random ones."""
    id: str = ""
    """Id of those weights."""


def start_of(args: Args, data: TrainingPacks) -> Start:
    """The model that the options name; UserError where the weights of ``--init`` do not fit the latents or them."""
    from dit.config import ModelKind
    from dit.files import open_dit

    weights: Mapping[str, Tensor]
    if not args.init:
        return Start(model=preset_for(args, data))
    loaded = open_dit(args.init)
    few = None
    if args.distil_from:
        from dit.train.refusals import check_teacher

        teacher = open_dit(args.distil_from)
        check_same_latents(teacher.latents, data.spec(), args.distil_from)
        few = few_steps(args, teacher.id)
        assert few is not None
        check_teacher(teacher.config)
    elif loaded.config.few_steps is not None:
        raise UserError(
            f"{args.init} was distilled to {loaded.config.few_steps.steps} steps, and training as usual would undo it; "
            "start from the DiT that it was distilled from, or add --distil-from that one"
        )
    check_same_latents(loaded.latents, data.spec(), args.init, new_vae=args.new_vae)
    model, weights = loaded.config, loaded.weights
    if args.model.references and not model.references:
        model, weights = replace(model, references=True), WithTag(weights, model.width)
    for name, value in vars(args.model).items():
        if name == "references":
            continue
        have = getattr(loaded.config, name)
        if value not in (have, getattr(ModelKind(), name)):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{args.init} was trained with {name} {have!r}; leave {flag} out, or train from scratch"
            )
    return Start(model=replace(model, few_steps=few), weights=weights, id=loaded.id)


class WithTag(Mapping[str, "Tensor"]):
    """Weights of a DiT without references, and the tag of references at zero: nothing is read or made before it is
    asked for.
    """

    def __init__(self, weights: Mapping[str, Tensor], width: int) -> None:
        self.weights, self.width = weights, width

    def __iter__(self) -> Iterator[str]:
        yield "reference"
        yield from self.weights

    def __len__(self) -> int:
        return 1 + len(self.weights)

    def __getitem__(self, name: str) -> Tensor:
        import torch

        return torch.zeros(self.width) if name == "reference" else self.weights[name]


def preset_for(args: Args, data: TrainingPacks) -> DiTConfig:
    """The model that the options name, for these latents and this text encoder."""
    return model_config(
        args, latent_channels=len(data.store.channel_mean), text_dim=data.store.text_dim
    )


def check_same_latents(
    have: LatentSpec, want: LatentSpec, name: str, *, new_vae: bool = False
) -> None:
    """Refuse to go on training a DiT on latents of another VAE or text encoder; ``new_vae`` lets the first pass."""
    for field, label in (("vae_id", "VAE"), ("text_encoder_id", "text encoder")):
        theirs, ours = getattr(have, field), getattr(want, field)
        if theirs == ours:
            continue
        if new_vae and field == "vae_id":
            if len(have.mean) == len(want.mean):
                continue
            raise UserError(
                f"{name} was trained on latents of {len(have.mean)} channels, these have {len(want.mean)}; "
                "train from scratch without --init"
            )
        hint = ", add --new-vae" if field == "vae_id" else ""
        raise UserError(
            f"{name} was trained with {label} {theirs}, the latents were made with {ours}; "
            f"encode again with that {label}{hint}, or train from scratch without --init"
        )
