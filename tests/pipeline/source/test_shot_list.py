"""The shots of a file as plain data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.source.shot_list import ShotList, detect_shots, list_shots
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import scene, to_uint8


def test_a_cut_makes_two_shots(tmp_path: Path) -> None:
    frames = to_uint8(np.concatenate([scene(1, 150), scene(2, 25)]))
    *alive, found = list_shots(str(write_video(tmp_path / "a.mp4", list(frames))))
    assert len(alive) >= 2 and alive == sorted(alive)
    assert isinstance(found, ShotList)
    assert (found.boundaries, found.n_frames, found.fps, found.duration_s) == ([150], 175, 25, 7)
    assert [(shot.first, shot.stop) for shot in found.shots] == [(0, 150), (150, 175)]


def test_one_frame_is_one_shot(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", list(to_uint8(scene(4, 1))))
    *_, found = list_shots(str(path))
    assert isinstance(found, ShotList)
    assert found.boundaries == [] and [(s.first, s.stop) for s in found.shots] == [(0, 1)]


def test_what_is_no_video_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match="open/invalid_data"):
        list(list_shots(str(tmp_path / "a.mp4")))


def test_shots_are_found_in_a_child_process_that_serves_many_files(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", list(to_uint8(np.concatenate([scene(1, 60), scene(2, 25)])))
    )
    beats: list[int] = []
    with Sandbox() as sandbox:
        found = detect_shots(path, sandbox=sandbox, on_progress=lambda at_s, of_s: beats.append(1))
        assert detect_shots(path, sandbox=sandbox) == found
    assert found.boundaries == [60]
    assert beats
    assert detect_shots(str(path)) == found, "with a child of its own"
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match="open/invalid_data"):
        detect_shots(tmp_path / "bad.mp4")
