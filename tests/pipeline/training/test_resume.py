"""A checkpoint of other settings is refused, every one of them by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.training.resume import (
    read_own,
    refuse_other_settings,
    refuse_other_start,
    refuse_other_steps,
)

PATH = Path("run/state.pt")


def test_every_setting_that_differs_is_named() -> None:
    saved = {"lr": 0.1, "steps": 5, "loss": {"kl": 1.0, "mse": 2.0}, "size": (1, 2)}
    same = {"lr": 0.1, "steps": 9, "loss": {"kl": 1.0, "mse": 2.0}, "size": [1, 2]}
    refuse_other_settings(saved, same, path=PATH, may_change={"steps"})
    other = {"lr": 0.2, "steps": 9, "loss": {"kl": 1.0, "mse": 3.0}, "size": (1, 2)}
    with pytest.raises(ValueError) as caught:
        refuse_other_settings(saved, other, path=PATH, may_change={"steps"})
    assert str(caught.value) == (
        "run/state.pt was trained with lr = 0.1 (now 0.2), loss.mse = 2.0 (now 3.0); "
        "give the same, or another --out"
    )
    with pytest.raises(ValueError, match=r"steps = 5 \(now 9\)"):
        refuse_other_settings(saved, same, path=PATH)


def test_steps_may_change_until_a_step_would_have_gone_otherwise() -> None:
    def rate(step: int, steps: int) -> float:
        return min(1.0, (steps - step) / (0.5 * steps))

    refuse_other_steps(50, 100, 200, rate, path=PATH)
    refuse_other_steps(50, 100, 100, rate, path=PATH)
    with pytest.raises(ValueError, match=r"steps = 100 \(now 200\), by which step 51 of 60"):
        refuse_other_steps(60, 100, 200, rate, path=PATH)
    with pytest.raises(ValueError, match="60 steps done, more than steps = 50"):
        refuse_other_steps(60, 100, 50, rate, path=PATH)


def test_a_run_may_end_where_it_stands_and_no_done_step_goes_unseen() -> None:
    refuse_other_steps(50, 100, 50, lambda step, steps: 1.0, path=PATH)

    def last_differs(step: int, steps: int) -> float:
        return float(steps if step == 51 else 0)

    refuse_other_steps(51, 100, 200, last_differs, path=PATH)
    with pytest.raises(ValueError, match="by which step 51 of 52 that are done"):
        refuse_other_steps(52, 100, 200, last_differs, path=PATH)


def test_a_setting_that_only_one_side_has_is_named() -> None:
    """A setting that went away, or came, may have changed what was trained."""
    with pytest.raises(ValueError, match=r"trained with gone = 1 \(now None\);"):
        refuse_other_settings({"gone": 1, "a": 2}, {"a": 2}, path=PATH)
    with pytest.raises(ValueError, match=r"trained with came = None \(now 1\);"):
        refuse_other_settings({"a": 2}, {"came": 1, "a": 2}, path=PATH)


def test_a_checkpoint_of_another_trainer_is_refused(tmp_path: Path) -> None:
    path, state = tmp_path / "state.pt", {"train_config": {}, "step": 3}
    assert read_own(path, "train-it", lambda _: state) is None
    path.write_bytes(b"")
    assert read_own(path, "train-it", lambda _: state) is state
    with pytest.raises(ValueError, match=r"state.pt is no checkpoint of train-it; give another"):
        read_own(path, "train-it", lambda _: state, holds=("train_config", "base"))


def test_other_weights_to_begin_with_are_named() -> None:
    refuse_other_start("DiT a", "DiT a", path=PATH)
    with pytest.raises(ValueError) as caught:
        refuse_other_start("random weights", "DiT a", path=PATH)
    assert str(caught.value) == (
        "run/state.pt was started from random weights, this run from DiT a; give the same, or another --out"
    )
