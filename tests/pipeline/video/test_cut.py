"""Cuts are exact: every clip holds its own frames and none of a neighbour's, whatever the codec and timing."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.motion.analysis import analyse
from pipeline.video.cut import Clip, Span, cut, frame_pairs
from pipeline.video.probe import MediaError
from tests.helpers.counter_media import (
    SIZE,
    counter_frame,
    numbers_of,
    read_number,
    rotate_mp4,
    write_counter,
    write_video,
)

X264 = {"g": "12", "bf": "3", "b_strategy": "0", "crf": "12"}


def span(first: int, stop: int) -> Span:
    return Span(start_pts=first, end_pts=stop, transition_in="cut", transition_out="cut")


def timestamps(path: Path) -> tuple[np.ndarray, int, Fraction]:
    *_, analysis = analyse(path)
    assert analysis is not None
    return analysis.pts, analysis.end_pts, analysis.probe.time_base


def cut_at(path: Path, edges: list[int], **options: int) -> list[Clip]:
    """Cut ``path`` into the pieces between frame indices ``edges``."""
    pts, end, _ = timestamps(path)
    marks = np.append(pts, end)
    spans = [span(int(marks[a]), int(marks[b])) for a, b in zip(edges, edges[1:], strict=False)]
    return [clip for clip in cut(path, spans, pts, **options) if isinstance(clip, Clip)]


CASES = {
    "h264": ("a.mp4", {"options": X264}),
    "h264 23.976": ("a.mp4", {"options": X264, "rate": Fraction(24000, 1001)}),
    "h264 29.97": ("a.mp4", {"options": X264, "rate": Fraction(30000, 1001)}),
    "h264 60": ("a.mp4", {"options": X264, "rate": Fraction(60)}),
    "h264 mkv": ("a.mkv", {"options": X264, "rate": Fraction(30000, 1001)}),
    "h264 ts": ("a.ts", {"options": X264}),
    "h264 open gop": ("a.mp4", {"options": {**X264, "x264-params": "open-gop=1"}}),
    "hevc": ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=1"}}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "b": "2M"}}),
    "av1": ("a.mkv", {"codec": "libsvtav1", "options": {"preset": "8", "crf": "20"}}),
    "mpeg2": ("a.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "q": "2", "b": "4M"}}),
    "mpeg4 avi": ("a.avi", {"codec": "mpeg4", "options": {"bf": "2", "b": "2M"}}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_frame_lands_in_its_own_clip(tmp_path: Path, name: str) -> None:
    file, options = CASES[name]
    path = write_counter(tmp_path / file, 50, **options)
    clips = cut_at(path, [3, 4, 17, 31, 50])
    got = [numbers_of(clip.video) for clip in clips]
    assert [numbers for numbers, _, _ in got] == [
        [3],
        list(range(4, 17)),
        list(range(17, 31)),
        list(range(31, 50)),
    ]
    assert all(key for _, _, key in got), "a clip must start with a keyframe"
    assert [clip.n_frames for clip in clips] == [1, 13, 14, 19]


def test_constant_rate_keeps_its_rate(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 40, options=X264, rate=Fraction(30000, 1001))
    (clip,) = cut_at(path, [10, 40])
    _, times, _ = numbers_of(clip.video)
    np.testing.assert_allclose(times, np.arange(30) * 1001 / 30000, atol=1e-9)
    assert clip.fps == pytest.approx(30000 / 1001)


def test_variable_rate_keeps_every_timestamp(tmp_path: Path) -> None:
    rng = random.Random(4)
    pts = np.cumsum([0] + [rng.choice([7, 20, 33, 40, 100]) for _ in range(59)]).tolist()
    path = write_counter(tmp_path / "a.mp4", 60, options=X264, pts=pts, time_base=Fraction(1, 1000))
    seen, _, base = timestamps(path)
    for clip, (first, stop) in zip(cut_at(path, [5, 23, 58]), [(5, 23), (23, 58)], strict=True):
        numbers, times, _ = numbers_of(clip.video)
        assert numbers == list(range(first, stop))
        expected = (seen[first:stop] - seen[first]) * float(base)
        np.testing.assert_allclose(times, expected, atol=1e-6)
        np.testing.assert_allclose(np.diff(times), np.diff(pts[first:stop]) / 1000, atol=1e-6)


def test_source_that_starts_late(tmp_path: Path) -> None:
    pts = list(range(250, 290))
    path = write_counter(tmp_path / "a.mkv", 40, options=X264, pts=pts)
    seen, _, base = timestamps(path)
    assert float(seen[0] * base) == pytest.approx(10.0)
    (clip,) = cut_at(path, [7, 29])
    numbers, times, _ = numbers_of(clip.video)
    assert numbers == list(range(7, 29))
    assert times[0] == 0.0


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, degrees: int) -> None:
    path = rotate_mp4(write_counter(tmp_path / "a.mp4", 12, options=X264), degrees)
    (clip,) = cut_at(path, [2, 9])
    turned = degrees in (90, 270)
    assert (clip.width, clip.height) == (SIZE[::-1] if turned else SIZE)
    with av.open(str(path)) as container:
        upright = -next(container.decode(video=0)).rotation % 360
    assert upright == degrees
    with av.open(io.BytesIO(clip.video)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert next(iter(container.streams.video)).codec_context.name == "h264"
    back = [np.rot90(frame, degrees // 90) for frame in frames]  # undoes a clockwise turn
    assert [read_number(frame) for frame in back] == list(range(2, 9))
    assert [read_number(np.rot90(each, degrees // 90)) for each in clip.samples] == list(
        range(2, 9)
    )


def test_odd_size_is_cropped_by_one(tmp_path: Path) -> None:
    size = (161, 97)
    path = write_counter(tmp_path / "a.webm", 10, size, codec="libvpx-vp9", options={"b": "2M"})
    (clip,) = cut_at(path, [0, 10])
    assert (clip.width, clip.height) == (160, 96)
    assert numbers_of(clip.video)[0] == list(range(10))


def test_scaling_keeps_the_aspect_and_never_enlarges(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 5, options=X264)
    (small,) = cut_at(path, [0, 5], height=48)
    assert (small.width, small.height) == (80, 48)
    assert numbers_of(small.video)[0] == list(range(5))
    (same,) = cut_at(path, [0, 5], height=480)
    assert (same.width, same.height) == SIZE


def test_colours_survive(tmp_path: Path) -> None:
    """A source without colour tags is BT.601 to every decoder; the clip says BT.709 and must look the same."""
    colours = np.array(
        [[200, 30, 30], [30, 180, 40], [40, 60, 200], [230, 230, 230], [20, 20, 20]], np.uint8
    )
    frames = [np.tile(np.repeat(colours, 32, axis=0)[None], (96, 1, 1))] * 3
    path = write_video(tmp_path / "a.mp4", frames, options={"crf": "1"})
    (clip,) = cut_at(path, [0, 3])
    with av.open(io.BytesIO(clip.video)) as container:
        got = next(container.decode(video=0)).to_ndarray(format="rgb24")
    centres = got[48, 16::32].astype(int)
    assert np.abs(centres - colours).max() <= 6


def test_samples_are_the_centres_of_equal_spans(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 40, options=X264)
    (clip,) = cut_at(path, [4, 36], samples=4)
    assert [read_number(frame) for frame in clip.samples] == [8, 16, 24, 32]


def test_pairs_are_of_two_frames_that_follow_each_other() -> None:
    """A frame paired with itself stands still: the end of every clip would count as without movement."""
    assert frame_pairs([0, 2, 3], 4) == [(0, 1), (2, 3), (2, 3)]
    assert frame_pairs([0, 1], 2) == [(0, 1), (0, 1)] and frame_pairs([0], 1) == []


def test_empty_span_is_an_error(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 5, options=X264)
    pts, _, _ = timestamps(path)
    with pytest.raises(ValueError, match="holds no frame"):
        list(cut(path, [span(int(pts[-1]) + 1, int(pts[-1]) + 2)], pts))


def test_a_leap_that_no_mp4_can_hold_is_refused_by_name(tmp_path: Path) -> None:
    """Damaged recorders write one: frames 0 to 4, and frame 5 months later."""
    base = Fraction(1, 1000)
    stamps = [*range(0, 200, 40), 2**33]
    path = write_counter(tmp_path / "a.mkv", 6, codec="ffv1", pts=stamps, time_base=base)
    pts, end, _ = timestamps(path)
    with pytest.raises(MediaError, match="leap by 8589934432 after pts 160") as error:
        list(cut(path, [span(int(pts[0]), end)], pts))
    assert (error.value.stage, error.value.type) == ("cut", "timestamp_leap")


def test_counter_media_reads_its_own_numbers() -> None:
    assert [read_number(counter_frame(i)) for i in (0, 1, 511, 777, 1023)] == [0, 1, 511, 777, 1023]
