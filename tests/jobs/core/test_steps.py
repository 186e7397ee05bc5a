"""The line of progress of a sampling names its step, and ends with its count."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.core import console
from jobs.core.steps import one_video


def test_the_step_is_in_the_line_and_the_count_is_whole_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from dit.watch import watched

    monkeypatch.setattr(console, "PIPE_PERIOD_S", 0.0)

    def make() -> np.ndarray:
        times = [1.0, 0.5, 0.0]
        velocity = watched(lambda x, t: x, times, lambda tokens: [tokens])
        for time in times[:-1]:
            velocity(torch.zeros(1), time)
        return np.zeros((1, 2, 2, 3), np.uint8)

    assert one_video("edit", make).shape == (1, 2, 2, 3)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(", ")[2] for line in lines[:2]] == ["step 1 of 2", "step 2 of 2"]
    assert lines[0].startswith("edit: 0/1 videos") and lines[-1].startswith("edit: 1/1 videos")
