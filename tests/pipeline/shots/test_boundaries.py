"""Cuts, dissolves and fades are found where they are; flashes, ramps, shake and pans are not boundaries."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.motion.analysis import Analysis, analyse
from pipeline.shots.boundaries import Transition, find_transitions, peaks, runs, shots_between
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import dissolve, fade, scene, to_uint8

DATA = os.environ.get("FILMSTOCK_TESTDATA")


def analysis_of(tmp_path: Path, frames: np.ndarray) -> Analysis:
    path = write_video(tmp_path / "a.mp4", list(to_uint8(frames)), options={"crf": "20"})
    *_, analysis = analyse(path)
    assert analysis is not None
    return analysis


def test_hard_cuts(tmp_path: Path) -> None:
    lengths = [30, 12, 45, 20]
    frames = np.concatenate([scene(seed, n) for seed, n in enumerate(lengths)])
    found = find_transitions(analysis_of(tmp_path, frames).shot_logits)
    assert [(each.kind, each.boundary) for each in found] == [("cut", 30), ("cut", 42), ("cut", 87)]


@pytest.mark.parametrize("length", [10, 20])
def test_dissolve(tmp_path: Path, length: int) -> None:
    frames = dissolve(scene(1, 60), scene(2, 60), length)
    (found,) = find_transitions(analysis_of(tmp_path, frames).shot_logits)
    assert found.kind == "dissolve"
    assert 60 - length <= found.boundary <= 60
    assert abs(found.boundary - (60 - length / 2)) <= 4


def test_wipe(tmp_path: Path) -> None:
    first, second = scene(3, 60), scene(4, 60)
    frames = np.concatenate([first, second[14:]])
    for i in range(14):
        edge = round((i + 1) * frames.shape[2] / 15)
        frames[46 + i, :, :edge] = second[i, :, :edge]
    (found,) = find_transitions(analysis_of(tmp_path, frames).shot_logits)
    assert found.kind == "wipe"
    assert 48 <= found.boundary <= 58


def test_fade_through_black(tmp_path: Path) -> None:
    (found,) = find_transitions(
        analysis_of(tmp_path, fade(scene(1, 50), scene(2, 50), 8)).shot_logits
    )
    assert found.kind == "fade"
    assert found.first >= 40 and found.stop <= 60
    assert 47 <= found.boundary <= 53


def test_flashes_are_no_cuts(tmp_path: Path) -> None:
    frames = scene(5, 80)
    frames[20] = frames[20] * 0.2 + 200
    frames[50:52] = frames[50:52] * 0.2 + 200
    assert find_transitions(analysis_of(tmp_path, frames).shot_logits) == []


def test_exposure_ramp_is_no_cut(tmp_path: Path) -> None:
    frames = scene(6, 80) * np.linspace(0.5, 1.3, 80, dtype=np.float32)[:, None, None, None]
    assert find_transitions(analysis_of(tmp_path, frames).shot_logits) == []


def test_cut_between_two_views_of_a_moving_set_under_one_light(tmp_path: Path) -> None:
    near = scene(10, 60, speed=3)
    far = np.roll(near[..., ::-1, ::-1, :] * 0.8 + 20, 40, axis=2)
    frames = np.concatenate([near[:30], far[30:]])
    assert [each.first for each in find_transitions(analysis_of(tmp_path, frames).shot_logits)] == [
        30
    ]


def test_light_that_flickers_is_no_cut(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    light = np.repeat(rng.uniform(0.6, 1.4, (20, 3)), 4, axis=0)[:, None, None, :]
    assert find_transitions(analysis_of(tmp_path, scene(11, 80, speed=2) * light).shot_logits) == []


def test_shake_and_pan_are_no_cuts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    still = scene(7, 1)[0]
    shaken = [np.roll(still, rng.integers(-4, 5, 2), axis=(0, 1)) for _ in range(60)]
    assert find_transitions(analysis_of(tmp_path, np.stack(shaken)).shot_logits) == []
    assert find_transitions(analysis_of(tmp_path, scene(8, 60, speed=6)).shot_logits) == []


def test_still_and_single_frames(tmp_path: Path) -> None:
    assert (
        find_transitions(analysis_of(tmp_path, np.repeat(scene(9, 1), 40, axis=0)).shot_logits)
        == []
    )
    assert find_transitions(analysis_of(tmp_path, scene(9, 1)).shot_logits) == []
    assert find_transitions(analysis_of(tmp_path, np.zeros((30, 90, 160, 3))).shot_logits) == []


def test_black_longer_than_a_fade_is_a_shot_of_its_own(tmp_path: Path) -> None:
    black = np.zeros((60, 90, 160, 3), np.float32)
    frames = np.concatenate([scene(1, 40), black, scene(2, 40)])
    analysis = analysis_of(tmp_path, frames)
    shots = shots_between(find_transitions(analysis.shot_logits), len(frames))
    assert [(shot.first, shot.stop) for shot in shots] == [(0, 40), (40, 100), (100, 140)]


def test_shots_leave_the_mixed_frames_out() -> None:
    found = [
        Transition(kind="cut", first=10, stop=10),
        Transition(kind="dissolve", first=20, stop=28),
        Transition(kind="fade", first=28, stop=30),
    ]
    shots = shots_between(found, 40)
    assert [(shot.first, shot.stop) for shot in shots] == [(0, 10), (10, 20), (30, 40)]
    assert [shot.transition_in for shot in shots] == ["start", "cut", "fade"]
    assert [shot.transition_out for shot in shots] == ["cut", "dissolve", "end"]


def test_logits_become_boundaries() -> None:
    """A cut, a dissolve whose middle frame is doubtful, a cut on its edge that is its own, and runs at both ends."""
    logits = np.full((100, 5), -6.0, np.float32)
    logits[[20, 61], 0] = 5
    logits[40:60, 1], logits[50, 1] = 4, -5
    logits[:4, 1] = logits[95:, 1] = 4
    logits[40:60, 2] = 3
    found = find_transitions(logits)
    assert found == [
        Transition(kind="cut", first=20, stop=20),
        Transition(kind="dissolve", first=40, stop=60),
    ]


def test_a_mix_needs_three_frames_of_each_shot_beside_it() -> None:
    """One frame less on either side, and there is nothing that it could mix; just three are enough."""
    for first, stop, found in ((3, 97, 1), (2, 97, 0), (3, 98, 0)):
        logits = np.full((100, 5), -6.0, np.float32)
        logits[first:stop, 1] = 4
        logits[first:stop, 2] = 3
        assert len(find_transitions(logits)) == found
    doubtful = np.full((100, 5), -6.0, np.float32)
    doubtful[40:60, 1] = 0  # as likely as not, all along
    assert find_transitions(doubtful) == []
    doubtful[50, 1] = 4  # one frame that is sure speaks for those around it
    assert [(each.first, each.stop) for each in find_transitions(doubtful)] == [(40, 60)]


def test_runs() -> None:
    values = np.array([0.9, 0.9, 0, 0.9, 0, 0, 0.9, 0, 0.2])
    assert runs(values, 0.5) == [(0, 4), (6, 7)]
    assert runs(values[4:6], 0.5) == []


def test_peaks() -> None:
    scores = np.array([0, 0.9, 0.8, 0, 0.7, 0, 0, 0.95])
    assert peaks(scores, 0.6, 1).tolist() == [1, 4, 7]
    assert peaks(scores, 0.6, 3).tolist() == [1, 7]
    assert peaks(scores, 0.99, 1).tolist() == []


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="FILMSTOCK_TESTDATA names no folder with shots/dev")
def test_composites_of_real_clips() -> None:
    folder = Path(str(DATA)) / "shots"
    spec = importlib.util.spec_from_file_location("score_shots", folder / "score_shots.py")
    assert spec is not None and spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    truth = json.loads((folder / "dev" / "truth.json").read_text())
    found = {}
    for name in truth:
        *_, analysis = analyse(folder / "dev" / name)
        assert analysis is not None
        found[name] = [each.boundary for each in find_transitions(analysis.shot_logits)]
    assert scorer.score(truth, found)["f1"] >= 0.98
