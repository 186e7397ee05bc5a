"""What ``filmstock train-vae`` is told; the settings of the training itself are those of ``vae.config.TrainConfig``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jobs.core.args import Data, Device, one_of
from pipeline.bounds import Bounded, Count, Whole
from pipeline.groups import DEVICES, EVALUATION, MODEL, OUTPUT, SCHEDULE
from vae.config import PRESETS, TrainConfig

PRESET_HELP = (
    f"{one_of(PRESETS)} (time x height x width compression); a VAE of diffusers has its own shape."
)


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Train the causal video VAE on video shards; writes vae.safetensors, CARD.md and a contact sheet to OUT.

    The same command goes on with a run that was stopped; Ctrl-C saves the step in hand.
    """

    shards: tyro.conf.Positional[Data]
    """Folder of video shards, or a run folder that holds shards/."""
    out: Annotated[Path, OUTPUT]
    """Folder for the run."""
    preset: Annotated[str, MODEL, tyro.conf.arg(help=PRESET_HELP)] = "tiny"
    init: Annotated[str | None, MODEL] = None
    """VAE to start from: embedded, a vae.safetensors or the folder of one, or diffusers:PATH with --decoder-only."""
    heldout: Annotated[Data | None, EVALUATION] = None
    """Shards to measure on; without them the figures are of training clips, and say so."""
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = TrainConfig()
    """The training run; with the data they determine every weight."""
    workers: Annotated[Count, DEVICES] = 1
    """Processes; more than one runs under Ray Train (DistributedDataParallel over gloo or NCCL)."""
    readers: Annotated[Whole, DEVICES] = 0
    """Processes per worker that decode clips ahead of it; they change nothing but the time."""
    threads: Annotated[Count, DEVICES] = 1
    """CPU threads per process."""
    device: Annotated[Device, DEVICES] = "auto"
    stop_at: Annotated[Count | None, SCHEDULE] = None
    """Stop after this step, with a checkpoint, as if interrupted."""
    resume: Annotated[bool, OUTPUT] = False
    """Refuse to start anew: OUT must hold a checkpoint to go on from."""

    @property
    def measured_on(self) -> str:
        """Which clips the figures are of."""
        return "held-out" if self.heldout else "training"
