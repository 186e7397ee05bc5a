"""What a run of ``train-dit`` is made of: its data, its model, and the weights that it begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.core.errors import UserError
from jobs.train.dit_args import KIND, Args, train_config
from pipeline.config import MixConfig
from pipeline.loader.mix import FALLBACK

if TYPE_CHECKING:
    import torch

    from dit.checkpoint import LatentSpec
    from dit.config import DiTConfig
    from dit.train.data import TrainingPacks


def mix_line(data: TrainingPacks) -> str:
    """What is drawn, and what is shown in place of what is not there."""
    shares = sorted(data.shares.items(), key=lambda item: -item[1])
    drawn = ", ".join(f"{100 * share:.3g} % {kind or 'none'}" for kind, share in shares)
    have = f"of {len(data.clips)} clips"
    gone = [f"{count} {have} have no {kind} one" for kind, count in data.lacking.items()]
    if not gone:
        return f"captions drawn: {drawn}"
    order = ", ".join(FALLBACK)
    return f"captions drawn: {drawn}; {' and '.join(gone)}: shown instead is the first there is of {order}"


def open_data(args: Args, rank: int, world: int, *, note: bool = True) -> TrainingPacks:
    """The loader over the latents, for one process; ``note``: bad rows are listed in OUT."""
    from dit.train.data import TrainingPacks

    return TrainingPacks(
        args.latents,
        token_budget=args.tokens_per_pack,
        packs_per_step=args.packs_per_step,
        seed=args.seed,
        mix=MixConfig(**args.mix),
        rank=rank,
        world=world,
        held_out_share=args.held_out_share,
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
    from dit.checkpoint import load_dit
    from dit.train.loop import train
    from jobs.train.dit_progress import Reports
    from jobs.train.dit_results import make_sheet
    from pipeline.training.device import pick_device

    config = train_config(args)
    reports = Reports(args) if leader else None
    initial, started_from = None, ""
    model_config = preset_for(args, data)
    if args.init:
        loaded = load_dit(args.init)
        check_same_latents(loaded.latents, data.spec(), args.init, new_vae=args.new_vae)
        for name in KIND:
            have, value = getattr(loaded.model.config, name), getattr(args, name)
            if value not in (have, Args.__dataclass_fields__[name].default):
                flag = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{args.init} was trained with {name} {have!r}; leave {flag} out, or train from scratch"
                )
        initial, started_from = loaded.model.state_dict(), loaded.id
        model_config = loaded.model.config
    train(
        model_config,
        config,
        data,
        args.out,
        resume=args.resume,
        initial=initial,
        started_from=started_from,
        init=args.init or "",
        report=reports,
        on_sample=make_sheet(args, data, reports.picture)
        if reports and config.sample_every
        else None,
        device=device or pick_device(args.device),
    )


def preset_for(args: Args, data: TrainingPacks) -> DiTConfig:
    """The model that the flags name, for these latents and this text encoder."""
    from dit.config import DiTConfig

    return DiTConfig.preset(
        args.preset,
        latent_channels=len(data.store.channel_mean),
        text_dim=data.store.text_dim,
        **{name: getattr(args, name) for name in KIND},
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
