"""``filmstock shots``: boundaries and spans as JSON; a file that cannot be read does not stop the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs import cli
from jobs.core.errors import UserError
from jobs.ingest.shots import keys_of, main
from tests.helpers.counter_media import write_video
from tests.helpers.moving_scenes import fade, scene, to_uint8


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cut at frame 30, then a fade around frame 70."""
    frames = np.concatenate([scene(0, 30), fade(scene(1, 40), scene(2, 40), 8)])
    return write_video(tmp_path_factory.mktemp("shots") / "a.mp4", list(to_uint8(frames)))


def test_boundaries_and_spans_of_several_files(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_video(tmp_path / "b.mp4", list(to_uint8(scene(3, 20))))
    out, full = tmp_path / "out.json", tmp_path / "full.json"
    assert cli.main(["shots", str(video), str(other), "--json", str(out), "--full", str(full)]) == 0
    found = json.loads(out.read_text())
    assert list(found) == ["a.mp4", "b.mp4"] and found["b.mp4"] == []
    cut, middle = found["a.mp4"]
    assert cut == 30 and 66 <= middle <= 74
    entry = json.loads(full.read_text())["a.mp4"]
    assert (entry["n_frames"], entry["fps"], entry["duration_s"]) == (110, 25.0, 4.4)
    assert entry["transitions"][0] == {"kind": "cut", "boundary": 30, "first": 30, "stop": 30}
    mixed = entry["transitions"][1]
    assert mixed["kind"] == "fade" and 60 <= mixed["first"] <= middle <= mixed["stop"] <= 80
    assert [shot["transition_in"] for shot in entry["shots"]] == ["start", "cut", "fade"]
    assert entry["shots"][1]["stop"] == mixed["first"]
    printed = capsys.readouterr()
    assert "a.mp4: 3 shots in 110 frames (cut 1, fade 1)" in printed.out
    assert "b.mp4: 1 shot in 20 frames\n" in printed.out
    assert "shots: 2/2 videos" in printed.err


def test_a_bad_file_is_typed_and_does_not_stop_the_others(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, absent = tmp_path / "broken.mp4", tmp_path / "absent.mp4"
    broken.write_bytes(b"no video")
    out, full = tmp_path / "out.json", tmp_path / "full.json"
    names = [str(broken), str(absent), str(video)]
    assert main([*names, "--json", str(out), "--full", str(full)]) == 3
    assert list(json.loads(out.read_text())) == ["a.mp4"]
    errors = json.loads(full.read_text())
    assert errors["broken.mp4"]["error"]["stage"] == "open"
    assert errors["absent.mp4"]["error"]["type"] == "unreadable"
    assert "warning: broken.mp4: open/invalid_data" in capsys.readouterr().err


def test_wrong_usage_is_one_line_before_anything_is_decoded(video: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no video named|required"):
        main([])
    with pytest.raises(UserError, match="its folder does not exist"):
        main([str(video), "--json", str(tmp_path / "no" / "out.json")])
    with pytest.raises(UserError, match="named twice"):
        main([str(video), str(video)])


def test_files_of_one_name_are_told_apart_by_path(video: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(video, tmp_path / "a.mp4"))
    assert keys_of([video]) == ["a.mp4"]
    assert keys_of([video, copy]) == [str(video), str(copy)]


def test_a_detector_that_is_not_there_is_refused_before_anything_is_decoded() -> None:
    from jobs.ingest.detector import check_detector

    with pytest.raises(
        UserError, match="unknown shot detector 'transnet'; did you mean 'transnetv2'"
    ):
        check_detector("transnet")
    with pytest.raises(UserError, match="module 'nowhere' cannot be imported"):
        check_detector("nowhere:Cuts")
    check_detector("embedded")


@pytest.mark.parametrize("option", ["--json", "--full", "--csv", "--edl"])
def test_a_film_is_not_written_over(tmp_path, option):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"frames")
    with pytest.raises(UserError, match=f"{option} .*film.mp4 is also what is read"):
        main([str(film), option, str(film)])
    assert film.read_bytes() == b"frames"


def test_two_lists_are_not_written_over_one_another(tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"frames")
    with pytest.raises(UserError, match="--edl .*a.txt is named twice"):
        main([str(film), "--csv", str(tmp_path / "a.txt"), "--edl", str(tmp_path / "a.txt")])
    assert not (tmp_path / "a.txt").exists()
