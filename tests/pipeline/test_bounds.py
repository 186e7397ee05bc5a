"""Limits stated beside a field are kept, and a number that is not finite is never allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import pytest

from pipeline.bounds import (
    Bounded,
    BoundsError,
    Count,
    Decay,
    Name,
    NonNegative,
    PartShare,
    Positive,
    Share,
    Whole,
)


@dataclass(frozen=True, kw_only=True)
class Settings(Bounded):
    count: Count = 1
    whole: Whole = 0
    rate: Positive = 1.0
    weight: NonNegative = 0.0
    share: Share = 0.5
    part: PartShare = 0.5
    decay: Decay = 0.9
    minutes: Positive | None = None
    plain: float = 0.0
    pair: tuple[Positive, Positive] = (1.0, 2.0)
    mode: Literal["a", "b"] = "a"
    maybe: Literal["c"] | None = None
    flag: bool = False
    model: Name = "embedded"


@pytest.mark.parametrize(
    ("field", "value", "must"),
    [
        ("count", 0, "at least 1"),
        ("model", "", "a name"),
        ("model", " ", "a name"),
        ("count", -3, "at least 1"),
        ("whole", -1, "at least 0"),
        ("rate", 0.0, "above 0"),
        ("rate", math.nan, "finite and above 0"),
        ("rate", math.inf, "finite and above 0"),
        ("weight", -0.1, "at least 0"),
        ("share", 1.5, "at least 0 and at most 1"),
        ("part", 1.0, "at least 0 and below 1"),
        ("decay", 1.0, "at least 0 and below 1"),
        ("minutes", -1.0, "above 0"),
        ("plain", math.nan, "a finite number"),
        ("pair", (1.0, 0.0), "above 0"),
        ("mode", "z", "one of a, b"),
        ("maybe", "z", "one of c"),
    ],
)
def test_a_value_outside_is_refused_by_name(field: str, value: object, must: str) -> None:
    with pytest.raises(BoundsError) as caught:
        Settings(**{field: value})
    assert caught.value.field == field
    assert caught.value.must == must
    assert str(caught.value).startswith(f"{field} is ")


def test_the_limits_themselves_are_allowed() -> None:
    edge = Settings(share=1.0, whole=0, count=1, part=0.0, minutes=None, plain=-1e9, flag=True)
    assert Settings(share=0.0) != edge


def test_every_number_of_a_trainer_has_a_limit() -> None:
    """A number without a stated limit would be accepted whatever it is."""
    from typing import get_args, get_type_hints

    from captioner.train.finetune import TuneConfig
    from captioner.train.pretrain import TrainConfig as PretrainConfig
    from dit.config import DiTConfig
    from dit.config import TrainConfig as DiTTrainConfig
    from pipeline.bounds import Limits
    from pipeline.openclip.train import ClipTrainConfig
    from vae.config import LossConfig
    from vae.config import TrainConfig as VaeTrainConfig

    for config in (
        VaeTrainConfig,
        LossConfig,
        DiTConfig,
        DiTTrainConfig,
        TuneConfig,
        ClipTrainConfig,
        PretrainConfig,
    ):
        hints = get_type_hints(config, include_extras=True)
        for field in fields(config):
            hint = hints[field.name]
            numbers = [part for part in (hint, *get_args(hint)) if part in (int, float)]
            limited = any(isinstance(p, Limits) for p in getattr(hint, "__metadata__", ())) or any(
                isinstance(p, Limits)
                for part in get_args(hint)
                for p in getattr(part, "__metadata__", ())
            )
            assert limited or not numbers, f"{config.__name__}.{field.name} has no limits"
