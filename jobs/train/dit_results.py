"""What ``train-dit`` draws and writes besides its weights: contact sheets while it trains, the card at its end."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.console import Progress, clock, warn
from jobs.core.errors import UserError
from pipeline import schema as s
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    from dit.config import DiTConfig
    from dit.model import DiT
    from dit.train.training_packs import TrainingPacks
    from jobs.train.dit_args import Args
    from jobs.train.dit_progress import Reports

SHEET_CLIPS = 8
SHEET_STEPS = 20
SHEET_TOKENS = 8192
"""Most tokens of clips that are sampled together."""


def make_sheet(args: Args, data: TrainingPacks, reports: Reports | None) -> Any:
    """A function that samples held-out captions and writes ``samples/step-N.png``; None without the VAE.

    Noise comes from generators of its own, always the same: sheets of one run differ by the weights alone, and
    training does not notice them. ``reports`` gets the picture too. A process without them runs the passes that its
    sharded weights are needed for, and writes nothing.
    """
    from dit.config import SamplerConfig
    from dit.packing import token_count
    from dit.samplers import generate
    from jobs.core.models import load_vae_for
    from jobs.core.steps import step_notes
    from pipeline.video.sheets import contact_sheet, png_bytes

    try:
        vae = load_vae_for(data.spec(), args.vae)
    except UserError as error:
        warn(f"no sample sheets: {error}")
        return None
    pool = data.held_out or list(range(len(data.clip_ids)))
    clips = [data._fetch(i, 0, lambda _: False) for i in pool[:SHEET_CLIPS]]

    def draw(step: int, model: DiT) -> None:
        shapes = [tuple(c[s.LATENT_MEAN].shape[1:]) for c in clips]
        tokens = [token_count(shape, model.config.patch) for shape in shapes]
        every = list(range(len(clips)))
        # Long clips one at a time: a pack of eight, guided, takes sixteen times the memory of one.
        groups = [every] if sum(tokens) <= SHEET_TOKENS else [[i] for i in every]
        videos = []
        with ExitStack() as shown:
            progress = None
            if reports:
                progress = shown.enter_context(Progress("train-dit: samples", len(clips), "clips"))
                shown.enter_context(step_notes(progress))
            for group in groups:
                latents = generate(
                    model,
                    [shapes[i] for i in group],
                    [t if len(t := clips[i][s.TEXT_FEATURES]) else None for i in group],
                    SamplerConfig(steps=None if model.config.few_steps else SHEET_STEPS),
                    seeds=group,
                    fps=[float(clips[i][s.FPS] or 8.0) for i in group],
                )
                if progress:
                    videos += [vae.decode(data.spec().denormalise(z)) for z in latents]
                    progress.update(len(group))
        if not reports:
            return
        image = contact_sheet(videos, [c[s.CAPTION] for c in clips])
        write_bytes(args.out / "samples" / f"step-{step:06d}.png", png_bytes(image))
        reports.picture(step, image)

    return draw


def write_card(args: Args, weights: Path) -> None:
    """CARD.md beside the weights: data, command, time, seed, held-out loss."""
    from dit.files import open_dit

    loaded = open_dit(weights)
    info, config = loaded.info, loaded.config
    numbers = {k: v for k, v in info["held_out"].items() if isinstance(v, float)}
    held = ", ".join(f"{k} {v:.4f}" for k, v in numbers.items()) or "not measured"
    options = " ".join(_options(args))
    zero = "" if config.few_steps else " (zero prediction: 2)"
    text = f"""# DiT {loaded.id}

Rectified-flow transformer over packed spacetime patches, {info["parameters"] / 1e6:.2f} M parameters
(width {config.width}, depth {config.depth}, {config.heads} heads, patch {"x".join(map(str, config.patch))}).

| | |
|---|---|
| command | `filmstock train-dit LATENTS --out DIR {options}` |
| data | {info["clips"]} clips, latents of VAE `{loaded.latents.vae_id}`, text of `{loaded.latents.text_encoder_id}` |
| started from | {f"DiT `{first}`" if (first := info["started_from"]) else "random weights"} |
{few_steps_row(config)}| steps | {info["steps"]} in {clock(info["seconds"])} |
| seed | {args.train.seed} |
| held-out loss per number{zero} | {held} |

The averaged (EMA) weights, matrices in bfloat16. `dit.safetensors` samples with `filmstock sample --dit DIR`.
"""
    write_bytes(weights.with_name("CARD.md"), text.encode())


def few_steps_row(config: DiTConfig) -> str:
    """Row of the card that says how a distilled model is sampled; empty for others."""
    few = config.few_steps
    if few is None:
        return ""
    return (
        f"| distilled | to {few.steps} steps with guidance {few.guidance:g} in them, from {few.teacher_steps} guided "
        f"steps of DiT `{few.teacher}` |\n"
    )


def _options(args: Any) -> list[str]:
    """Command-line options that differ from their defaults."""
    words = []
    for field in dataclasses.fields(args):
        value = getattr(args, field.name)
        if field.name in ("latents", "out", "resume") or value == field.default:
            continue
        name = "--" + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            words += _options(value)
        elif isinstance(value, dict):
            words += [name, *(f"{key} {share}" for key, share in value.items())]
        else:
            words += [name] if value is True else [name, str(value)]
    return words
