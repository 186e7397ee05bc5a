"""Files of an export: chosen by presentation time, proven frame by frame; the stored bytes where they fit."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from pipeline.export.media import Wanted, cover, look, make_media, steady
from pipeline.video.encode import ClipEncoder
from pipeline.video.probe import MediaError
from tests.helpers.counter_media import counter_frame, numbers_of, rotate_mp4, write_counter
from tests.helpers.export_media import CLIPS, video_bytes

BY_NAME = {made.name: made for made in CLIPS}


def stored(tmp_path, name):
    path = tmp_path / f"{name}.mp4"
    path.write_bytes(video_bytes(BY_NAME[name]))
    return str(path)


@pytest.mark.parametrize(("name", "fps"), [("fast25", 25), ("tall", 30), ("slow8", 8)])
def test_output_frame_k_shows_what_the_clip_shows_at_its_time(tmp_path, name, fps):
    made = make_media(stored(tmp_path, name), Wanted(n_frames=17, fps=16))
    numbers, times, key = numbers_of(made.video)
    assert numbers == [k * fps // 16 for k in range(17)]
    assert np.allclose(np.diff(times), 1 / 16, atol=1e-4) and key
    assert made.n_frames == 17


def test_a_rate_that_varies_is_followed_by_its_times(tmp_path):
    pts = np.array(BY_NAME["varying"].pts) / 600
    made = make_media(stored(tmp_path, "varying"), Wanted(n_frames=17, fps=16))
    want = [int(np.searchsorted(pts, k / 16 + 0.001, side="right")) - 1 for k in range(17)]
    assert numbers_of(made.video)[0] == want


def test_stored_bytes_are_right_where_they_fit(tmp_path):
    path = stored(tmp_path, "exact33")
    assert make_media(path, Wanted(n_frames=33, fps=16)).video == b""
    assert make_media(path, Wanted(n_frames=33)).video == b""
    assert make_media(path, Wanted(n_frames=17, fps=16)).video != b""
    small = make_media(path, Wanted(n_frames=33, fps=16, size=(80, 48)))
    assert (small.width, small.height) == (80, 48) and small.video


def test_av1_is_encoded_again_for_a_model_and_said_where_it_is_not(tmp_path):
    """The wheels of OpenCV open such a file and give no frame of it."""
    encoder = ClipEncoder(160, 96, Fraction(16), crf=20, codec="av1")
    for number in range(9):
        frame = av.VideoFrame.from_ndarray(counter_frame(number, (160, 96)), "rgb24")
        encoder.add(frame.reformat(format="yuv420p"), pts=number, duration=1)
    path = tmp_path / "clip.mp4"
    path.write_bytes(encoder.finish())
    kept = make_media(str(path), Wanted(n_frames=9))
    assert kept.video == b"" and kept.av1
    made = make_media(str(path), Wanted(n_frames=9, fps=16))
    assert numbers_of(made.video)[0] == list(range(9)) and not made.av1
    with av.open(io.BytesIO(made.video)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_still_is_brought_to_a_size_as_a_video_is(tmp_path):
    path = stored(tmp_path, "still")
    assert make_media(path, Wanted(n_frames=1, fps=16)).video == b""
    made = make_media(path, Wanted(n_frames=1, fps=16, size=(80, 48)))
    assert (made.n_frames, made.width, made.height) == (1, 80, 48)
    assert numbers_of(made.video)[0] == [0]


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    path, wanted = stored(tmp_path, "fast25"), Wanted(n_frames=33, fps=16, audio=True)
    assert make_media(path, wanted).video == make_media(path, wanted).video


def test_sound_is_kept_for_as_long_as_the_pictures_or_left_out(tmp_path):
    path = stored(tmp_path, "fast25")
    made = make_media(path, Wanted(n_frames=17, fps=16, audio=True))
    assert made.audio and made.source_audio
    with av.open(io.BytesIO(made.video)) as container:
        assert float(
            container.streams.audio[0].duration * container.streams.audio[0].time_base
        ) == (pytest.approx(17 / 16, abs=0.07))
    silent = make_media(path, Wanted(n_frames=17, fps=16))
    assert not silent.audio and silent.source_audio
    with av.open(io.BytesIO(silent.video)) as container:
        assert not container.streams.audio


def test_a_file_that_ends_early_says_how_many_frames_it_gave(tmp_path):
    assert make_media(stored(tmp_path, "brief"), Wanted(n_frames=17, fps=16)).n_frames == 8


def test_what_a_phone_turned_comes_out_upright(tmp_path):
    path = rotate_mp4(write_counter(tmp_path / "turned.mp4", 40, rate=Fraction(25)), 90)
    made = make_media(str(path), Wanted(n_frames=17, fps=16))
    assert (made.width, made.height) == (96, 160)


def test_a_clip_is_cropped_evenly_to_another_aspect(tmp_path):
    made = make_media(stored(tmp_path, "fast25"), Wanted(n_frames=17, fps=16, size=(64, 64)))
    assert (made.width, made.height) == (64, 64)
    box = cover((160, 96), (64, 64))
    assert (box.width, box.height) == (96, 96) and box.x == 32 and box.y == 0
    assert cover((160, 96), (160, 96)) == cover((160, 96), (80, 48))


def test_what_is_no_video_is_a_typed_error(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"not a video at all" * 10)
    with pytest.raises(MediaError):
        make_media(str(path), Wanted(n_frames=17, fps=16))


def test_frames_are_counted_without_decoding(tmp_path):
    times, sound, size, codec = look(stored(tmp_path, "fast25"))
    assert len(times) == 60 and sound and size == (160, 96) and steady(times, 25)
    assert codec == "h264"
    assert not steady(look(stored(tmp_path, "varying"))[0], 16)
