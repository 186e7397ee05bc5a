"""Settings of fine-tuning by reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dit.config import SOLVER_NAMES, SampleConfig
from pipeline.bounds import (
    Count,
    Decay,
    Limits,
    NonNegative,
    Positive,
    Rate,
    Share,
    Steps,
    Whole,
)
from pipeline.extensions import is_extension
from pipeline.training.config import BaseTrainConfig, OptimizerName


@dataclass(frozen=True, kw_only=True)
class RewardConfig(BaseTrainConfig):
    """One run of fine-tuning by reward; with prompts and rewards it determines every weight."""

    steps: Steps = 60
    """Steps of the whole run: in each videos are drawn, scored and trained on; the learning rate ends there."""
    prompts_per_step: Count = 8
    """Prompts of a step."""
    group: Annotated[int, Limits(least=2)] = 8
    """Videos of each prompt, which are compared with each other."""
    updates: Count = 4
    """Optimizer updates of a step, each on all its videos at noise levels of its own."""
    beta: Positive = 1.0
    """How near an update stays to the weights that drew the videos; lower goes further (DiffusionNFT's beta)."""
    guidance: NonNegative = 4.0
    """Guidance that the videos are drawn with, and that is trained for; 1 is none."""
    draw_steps: Count = 8
    """Sampling steps of a video that is drawn to be scored."""
    solver: str = "euler"
    """Solver that draws, as ``sample --solver`` takes it."""
    fps: Rate = 8.0
    """Frames per second of the videos."""
    lr: Positive = 1e-4
    """Peak learning rate."""
    optimizer: OptimizerName = "adamw"
    """adamw, or muon: matrices of blocks by Muon, the rest by AdamW."""
    decay_share: Share = 0.4
    """Last share of the run over which the learning rate falls linearly to zero."""
    follow_decay: Decay = 0.5
    """Decay, a step, of the averaged weights that draw the videos and are kept; it warms up as (1 + n) / (10 + n)."""
    shift: Positive = 1.5
    """Timestep shift of the levels trained on; above 1 trains more on noisy ones."""
    anchor: NonNegative = 1.0
    """Weight of staying as before without a caption and with frames given, which no reward sees; 0 is off."""
    anchor_share: Share = 0.125
    """Share of a step's videos that this is measured on."""
    tokens_per_pack: Count = 2560
    """Latent tokens of one forward and backward pass."""
    checkpoint_every: Count = 5
    log_every: Count = 1
    sample_every: Whole = 20
    """Steps between contact sheets of samples; 0 is never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.solver not in SOLVER_NAMES and not is_extension(self.solver):
            raise ValueError(
                f"solver {self.solver!r} is unknown; use one of {', '.join(SOLVER_NAMES)}, or module:function"
            )

    @property
    def peak_lr(self) -> float:
        """``lr``, by the name that ``dit.train.rates.learning_rate`` asks for."""
        return self.lr

    @property
    def sampler(self) -> SampleConfig:
        """How the videos of a step are drawn."""
        return SampleConfig(
            steps=self.draw_steps, guidance=self.guidance, solver=self.solver, fps=self.fps
        )
