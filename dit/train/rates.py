"""The learning rate of a step, without torch: a checkpoint of another schedule is refused before it is imported."""

from __future__ import annotations

from typing import Protocol

from pipeline.training.schedule import constant_then_linear, warmup


class Rates(Protocol):
    """Settings that learning rates and decays hang on, of ``TrainConfig`` and of others."""

    @property
    def peak_lr(self) -> float: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def decay_share(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def optimizer(self) -> str | None: ...


def learning_rate(progress: float, step: int, config: Rates) -> float:
    """Warm-up, constant, then linear to zero over the last ``decay_share`` of ``progress`` (0 to 1)."""
    rise = warmup(step, progress, config.warmup_steps)
    return config.peak_lr * min(rise, constant_then_linear(progress, config.decay_share))
