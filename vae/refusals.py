"""What a training of a VAE refuses to begin with or to go on from, and its schedule: plain values, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.training.resume import (
    OTHER_OUT,
    refuse_other_settings,
    refuse_other_start,
    refuse_other_steps,
)
from pipeline.training.schedule import constant_then_linear, warmup
from vae.config import TrainConfig, VAEConfig

if TYPE_CHECKING:
    from vae.foreign import AnyConfig

MAY_CHANGE = frozenset({"steps", "checkpoint_every", "log_every", "eval_every"})
"""Settings that may differ between a checkpoint and the run that goes on from it; ``steps`` within limits."""


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """Rate of step number ``step`` in a run of ``steps``: warm-up, the peak, and a linear fall at the end."""
    progress = step / steps
    rise = warmup(step, progress, config.warmup_steps)
    return config.lr * min(rise, constant_then_linear(progress, config.decay_share))


def gan_share(step: int, steps: int, config: TrainConfig) -> float | None:
    """How much of the adversarial term the decoder hears, rising over ``warmup_steps``; None before it starts."""
    if not config.loss.gan:
        return None
    since = step - config.loss.gan_start * steps
    return None if since < 0 else min(1.0, (since + 1) / max(1, config.warmup_steps))


def check_start(model: VAEConfig, init: VAEConfig) -> None:
    """ValueError unless the encoder of ``init`` is that of ``model``."""
    decoder = ("decoder_widths", "decoder_blocks", "reach")
    have, want = (
        {k: v for k, v in config.to_dict().items() if k not in decoder} for config in (init, model)
    )
    if have != want:
        raise ValueError(
            "the VAE to start from has another encoder; use the preset it was trained with"
        )


def refuse_other(
    saved: Mapping[str, Any],
    model: AnyConfig,
    config: TrainConfig,
    *,
    path: Path,
    started_from: str | None = None,
) -> None:
    """ValueError, with every difference by name, unless a checkpoint is of this model and these settings.

    ``started_from`` is the id of the VAE that this run would begin with, "" for none; None is not compared.
    """
    try:
        trained, step = saved["train_config"], int(saved["step"])
        refuse_other_settings(saved["model_config"], model.to_dict(), path=path)
    except KeyError as error:
        raise ValueError(
            f"{path} is no checkpoint of train-vae: it has no {error}; {OTHER_OUT}"
        ) from None
    refuse_other_settings(trained, asdict(config), path=path, may_change=MAY_CHANGE)
    if started_from is not None:
        began, begins = (name or "random weights" for name in (saved["started_from"], started_from))
        refuse_other_start(began, begins, path=path)
    refuse_other_steps(
        step,
        trained["steps"],
        config.steps,
        lambda at, steps: (learning_rate(at, steps, config), gan_share(at, steps, config)),
        path=path,
    )
