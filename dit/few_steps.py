"""What a few-step model has baked in: the steps, the noise levels and the guidance of the sampler that it replaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dit.schedules import ScheduleName
from pipeline.bounds import Count, NonNegative, Positive, check_bounds

USUAL_STEPS, USUAL_GUIDANCE = 30, 4.0
"""What a DiT is sampled with when neither the user nor the model says otherwise."""


@dataclass(frozen=True, kw_only=True)
class FewSteps:
    """How a distilled DiT is sampled: by Euler steps between fixed levels, one pass each, guidance included.

    Between two neighbouring levels the model predicts the mean velocity of the sampler that it was distilled from.
    """

    steps: Count = 4
    """Sampling steps, and passes through the model."""
    guidance: NonNegative = USUAL_GUIDANCE
    """Guidance that its predictions include."""
    rule: str = "cfg"
    """Rule of that guidance."""
    schedule: ScheduleName = "shifted"
    """Noise levels between which it steps."""
    shift: Positive = 2.0
    """Shift of the shifted schedule."""
    shift_tokens: Count = 1024
    """Tokens of a video up to which the shift is ``shift``."""
    teacher_steps: Count = 8
    """Steps of the sampler that it was distilled from, a multiple of ``steps``."""
    teacher: str = ""
    """Id of the DiT that it was distilled from."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.teacher_steps % self.steps:
            raise ValueError(
                f"{self.teacher_steps} steps of the teacher are no multiple of {self.steps} steps; give "
                f"{self.steps * max(1, round(self.teacher_steps / self.steps))}"
            )

    @property
    def parts(self) -> int:
        """Steps of the teacher to each step of the model."""
        return self.teacher_steps // self.steps

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FewSteps:
        """Inverse of ``dataclasses.asdict``; an unknown field is an error that names it."""
        if unknown := set(data) - set(cls.__dataclass_fields__):
            raise ValueError(
                f"FewSteps has no field {sorted(unknown)[0]!r}; the checkpoint is newer"
            )
        return cls(**data)
