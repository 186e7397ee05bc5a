"""What is no video ends in a typed error, with the stage at which it failed."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.motion.analysis import analyse
from pipeline.video.probe import MediaError, probe
from tests.helpers.counter_media import SIZE, write_counter, write_sound


def test_headers(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 30, rate=Fraction(30000, 1001), audio=True)
    info = probe(path)
    assert (info.width, info.height) == SIZE
    assert (info.codec, info.fps, info.n_frames) == ("h264", Fraction(30000, 1001), 30)
    assert info.duration_s == pytest.approx(30 * 1001 / 30000, abs=1e-3)
    assert info.size_bytes == path.stat().st_size


def failure(path: Path) -> tuple[str, str]:
    with pytest.raises(MediaError) as error:
        for _ in analyse(path):
            pass
    assert str(path) in error.value.message
    return error.value.stage, error.value.type


def test_what_is_no_video(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("This is not a video.\n" * 100)
    assert failure(tmp_path / "none.mp4") == ("open", "unreadable")
    assert failure(tmp_path) == ("open", "is_a_directory")
    assert failure(empty) == ("open", "empty_file")
    assert failure(text) == ("open", "invalid_data")
    assert failure(write_sound(tmp_path / "sound.m4a")) == ("probe", "no_video_stream")


SCRIPTS = {
    "an ffconcat script": "ffconcat version 1.0\nfile real.mp4\n",
    "an M3U or HLS playlist": "\ufeff\n#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nreal.mp4\n#EXT-X-ENDLIST\n",
    "a DASH manifest": '<?xml version="1.0"?>\n<MPD type="static"><Period/></MPD>',
    "an SDP description": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "a data URL": "data:video/mp4;base64,AAAA",
    "a PLS playlist": "[playlist]\nFile1=real.mp4\n",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_names_other_files_is_refused_by_name(name: str, tmp_path: Path) -> None:
    write_counter(tmp_path / "real.mp4", 5)
    path = tmp_path / "script.mp4"
    path.write_text(SCRIPTS[name])
    with pytest.raises(MediaError, match=name) as error:
        probe(path)
    assert (error.value.stage, error.value.type) == ("open", "container_refused")


def test_only_containers_of_the_list_are_opened(tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "picture.mp4"
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    with pytest.raises(MediaError, match="none of those that are read") as error:
        probe(picture)
    assert error.value.type == "container_refused"


def test_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``concat:a|b`` is a file of that name, though FFmpeg would take it for two others."""
    monkeypatch.chdir(tmp_path)
    write_counter(tmp_path / "a.mp4", 5)
    Path("concat:a.mp4|a.mp4").write_text("no video")
    with pytest.raises(MediaError) as error:
        probe("concat:a.mp4|a.mp4")
    assert error.value.type == "invalid_data"
    for name in ("data:,x.mp4", "100%.mp4", "a?b#c.mp4", "http:x.mp4"):
        (tmp_path / name).write_bytes((tmp_path / "a.mp4").read_bytes())
        assert probe(name).codec == "h264"


def test_headers_without_pictures(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 30)
    data = path.read_bytes()
    at = data.find(b"mdat") + 4
    path.write_bytes(
        data[:at] + bytes(len(data) - at) if data.find(b"moov") < at else _blank(data, at)
    )
    stage, kind = failure(path)
    assert stage == "decode" and kind in ("invalid_data", "no_frames", "corrupt_frame")


def _blank(data: bytes, at: int) -> bytes:
    end = data.find(b"moov") - 4
    return data[:at] + bytes(end - at) + data[end:]


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(MediaError("cut", "timeout", "too slow")))
    assert (error.stage, error.type, error.message) == ("cut", "timeout", "too slow")
    assert str(error) == "cut/timeout: too slow"
