"""Timestamps of awkward files: every frame once, in order, and cuts between any of them exact."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.format import Flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.video.clock import Clock
from pipeline.video.probe import MediaError
from tests.helpers.counter_media import (
    counter_frame,
    edit_mp4,
    numbers_of,
    write_counter,
    write_video,
)
from tests.helpers.cuts import clips_between, timeline

X264 = {"g": "12", "bf": "3", "b_strategy": "0", "crf": "12", "preset": "veryfast"}
TICK = Fraction(1, 90_000)


def pieces(path: Path, edges: Sequence[int]) -> list[list[int]]:
    """Frame numbers of the clips between frames ``edges``; also checks their times and counts."""
    marks, base = timeline(path)
    found = []
    for clip, a in zip(clips_between(path, marks, edges), edges, strict=False):
        numbers, times, key = numbers_of(clip.video)
        assert key and clip.n_frames == len(numbers)
        expected = (marks[a : a + len(times)] - marks[a]) * float(base)
        np.testing.assert_allclose(times, expected, atol=1e-6)
        found.append(numbers)
    return found


def partition(path: Path, frames: Sequence[int], edges: Sequence[int]) -> None:
    """Cutting at ``edges`` gives each piece exactly its own ``frames``."""
    expected = [list(frames[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    assert pieces(path, edges) == expected


def numbered(path: Path, first: int, stop: int, start: int, step: int = 3600) -> Path:
    """A transport stream of counter frames [first, stop) whose first timestamp is ``start``."""
    frames = [counter_frame(i) for i in range(first, stop)]
    stamps = [start + step * i for i in range(len(frames))]
    return write_video(path, frames, options=X264, pts=stamps, time_base=TICK)


EDGES = [0, 1, 13, 14, 38, 50]
TIMING = {
    "wraps around 2^33": [2**33 - 90_000 + 3600 * i for i in range(50)],
    "late and variable": np.cumsum(
        [5_000_000, *(900 * (7 * i % 11 + 1) for i in range(49))]
    ).tolist(),
    "a gap of two hours": [3600 * i + (i >= 25) * 7200 * 90_000 for i in range(50)],
}


@pytest.mark.parametrize("name", TIMING)
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_transport_streams(tmp_path: Path, name: str, codec: str) -> None:
    options = X264 if codec == "libx264" else {"x265-params": "log-level=none:pools=1"}
    path = write_counter(
        tmp_path / "a.ts", 50, codec=codec, options=options, pts=TIMING[name], time_base=TICK
    )
    marks, _ = timeline(path)
    assert np.diff(marks[:-1]).tolist() == np.diff(TIMING[name]).tolist()
    partition(path, range(50), EDGES)


@pytest.mark.parametrize("second_starts", [0, 900_000, 930_000, 90_000 * 3600])
def test_joined_streams_lose_no_frame(tmp_path: Path, second_starts: int) -> None:
    """Recorders restart their clock: time goes back, repeats or leaps, and every frame is still there once."""
    first = numbered(tmp_path / "a.ts", 0, 25, 900_000)
    second = numbered(tmp_path / "b.ts", 25, 50, second_starts)
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    marks, _ = timeline(joined)
    assert (np.diff(marks[:-1])[:24] == 3600).all() and (np.diff(marks[:-1]) > 0).all()
    partition(joined, range(50), [0, 24, 25, 26, 50])


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_has_decoding_times_only(tmp_path: Path, codec: str) -> None:
    options = X264 if codec == "libx264" else {"bf": "2", "b": "2M"}
    path = write_counter(tmp_path / "a.avi", 50, codec=codec, options=options)
    marks, base = timeline(path)
    np.testing.assert_allclose(marks * float(base), np.arange(51) / 25)
    partition(path, range(50), EDGES)


@pytest.mark.parametrize("name", ["a.h264", "a.hevc", "a.m2v"])
def test_elementary_streams_are_counted(tmp_path: Path, name: str) -> None:
    codec, options = {
        "a.h264": ("libx264", X264),
        "a.hevc": ("libx265", {"x265-params": "log-level=none:pools=1"}),
        "a.m2v": ("mpeg2video", {"bf": "2", "q": "2", "b": "4M"}),
    }[name]
    path = write_counter(tmp_path / name, 50, codec=codec, options=options)
    marks, base = timeline(path)
    np.testing.assert_allclose(np.diff(marks) * float(base), 1 / 25)
    partition(path, range(50), EDGES)


@pytest.mark.parametrize(
    "flags", ["frag_keyframe+empty_moov", "negative_cts_offsets", "faststart", "frag_every_frame"]
)
def test_mp4_whose_first_decoding_time_is_negative(tmp_path: Path, flags: str) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": flags, "use_editlist": "0"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(24000, 1001))
        stream.width, stream.height, stream.pix_fmt, stream.options = 160, 96, "yuv420p", X264
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(counter_frame(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    partition(path, range(50), EDGES)


EDITS = {
    "starts late in the track": ([(1600, 10)], [*range(10, 50)]),
    "ends early": ([(800, 0)], [*range(20)]),
    "starts inside a group of pictures": ([(800, 15)], [*range(15, 35)]),
    "begins with nothing": ([(500, -1), (2000, 0)], [*range(50)]),
    "leaves out the middle": ([(400, 0), (800, 30)], [*range(10), *range(30, 50)]),
}


@pytest.mark.parametrize("name", EDITS)
def test_edit_lists_are_obeyed(tmp_path: Path, name: str) -> None:
    edits, frames = EDITS[name]
    path = edit_mp4(write_counter(tmp_path / "a.mp4", 50, options=X264), edits)
    partition(path, frames, [0, 1, 7, 12, len(frames)])


def test_an_overlap_too_short_to_be_a_restart_is_refused_by_name(tmp_path: Path) -> None:
    """Ten of the 50 frames are shown at a time that is taken: the file is broken, and no frame is lost unsaid."""
    first = numbered(tmp_path / "a.ts", 0, 25, 90_000)
    second = numbered(tmp_path / "b.ts", 25, 50, 144_000)
    joined = tmp_path / "c.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(MediaError, match="10 frames of 50 do not rise") as error:
        timeline(joined)
    assert error.value.type == "timestamps_out_of_order"


def test_the_last_frame_lasts_as_long_as_the_file_says(tmp_path: Path) -> None:
    """A VFR file stores the length of its last frame; the source's end and the clip's own are that, not a guess."""
    path = tmp_path / "a.mp4"
    times, tick = [0, 20, 110, 120, 620], Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.options = {**X264, "bf": "0"}
        stream.time_base = stream.codec_context.time_base = tick
        stream.codec_context.flags |= av.codec.context.Flags.frame_duration
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(counter_frame(number), format="rgb24")
            frame.pts, frame.duration = times[number], times[number + 1] - times[number]
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    marks, base = timeline(path)
    np.testing.assert_allclose(marks * float(base), np.array(times) / 1000)
    for clip, length in zip(clips_between(path, marks, [0, 2, 4]), [0.11, 0.51], strict=True):
        with av.open(io.BytesIO(clip.video)) as container:
            *_, last = container.decode(video=0)
            assert float((last.pts + last.duration) * last.time_base) == pytest.approx(length)
        edit = clip.video.find(b"elst")  # players stop where the edit list does
        assert struct.unpack_from(">I", clip.video, edit + 12)[0] == round(1000 * length)


def clock(name: str = "mpegts", counts: bool = False) -> Clock:
    """A clock of milliseconds over a stream of 25 fps, without a file."""
    flags = Flags.no_timestamps.value if counts else 0
    container = SimpleNamespace(format=SimpleNamespace(name=name, flags=flags))
    stream: Any = SimpleNamespace(
        container=container,
        average_rate=Fraction(25),
        guessed_rate=None,
        time_base=Fraction(1, 1000),
    )
    return Clock(stream, "a", "decode")


def frame_at(pts: int | None, dts: int | None = None) -> Any:
    return SimpleNamespace(pts=pts, dts=dts)


RUNS = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(5, 300), st.integers(1, 12)),
    min_size=1,
    max_size=5,
)


@given(runs=RUNS)
def test_recordings_joined_in_any_order_keep_every_frame_and_their_own_steps(
    runs: list[tuple[int, int, int]],
) -> None:
    """Each run (start, step, frames) restarts the clock anywhere: no frame is lost, none shares its moment."""
    ours, shown = clock(), list[int]()
    shift, before = 0, 40
    for number, (start, step, frames) in enumerate(runs):
        if (
            number and start + shift > shown[-1] - 2000
        ):  # a leap, or a gap, that nobody takes for jitter
            start = shown[-1] - shift + (30_000 if start % 2 else -30_000)
        stamps = [ours.stamp(frame_at(start + step * n)) for n in range(frames)]
        assert None not in stamps
        assert np.diff(np.array(stamps)).tolist() == [step] * (frames - 1)
        if shown and start + shift <= shown[-1]:
            assert stamps[0] == shown[-1] + before, "one step of the run before it"
        else:
            assert stamps[0] == start + shift, "a gap stays as long as it was"
        shift = int(stamps[0] or 0) - start
        shown += [int(stamp or 0) for stamp in stamps]
        before = step if frames > 1 else before  # a gap is no step
    assert shown == sorted(set(shown))
    ours.check()


@given(steps=st.lists(st.integers(-400, 400), max_size=60), start=st.integers(-5000, 5000))
def test_a_moment_that_is_taken_hides_its_frame_and_moves_no_other(
    steps: list[int], start: int
) -> None:
    """Jitter of less than half a second: what rises keeps its own time to the tick, the rest is never shown."""
    ours, last, hidden = clock(), None, 0
    moments = np.cumsum([start, *steps]).tolist()
    moments = [max(at, max(moments[: n + 1]) - 499) for n, at in enumerate(moments)]
    for raw in moments:
        stamp = ours.stamp(frame_at(raw))
        if last is None or raw > last:
            assert stamp == raw
            last = raw
        else:
            assert stamp is None
            hidden += 1
    if hidden > max(8, 0.1 * (len(moments) - hidden)):
        with pytest.raises(
            MediaError, match=f"timestamps of {hidden} frames of {len(moments)} do not"
        ):
            ours.check()
    else:
        ours.check()


@given(n=st.integers(1, 30), lost=st.integers(1, 5))
def test_frames_without_a_moment_are_counted_on(n: int, lost: int) -> None:
    counted = clock(counts=True)
    assert [counted.stamp(frame_at(None)) for _ in range(n)] == [40 * i for i in range(n)]
    mixed = clock(counts=True)
    stamps = [mixed.stamp(frame_at(at)) for at in (90_000, 90_020, 5_000, *[None] * lost)]
    assert stamps == [90_000, 90_020, 90_040, *(90_060 + 20 * i for i in range(lost))]
    held = clock("avi")
    stamps = [held.stamp(frame_at(None, at)) for at in (80, 120, 160, *[None] * lost)]
    assert stamps == [0, 40, 80, *(120 + 40 * i for i in range(lost))]
    with pytest.raises(MediaError, match="carries no timestamp"):
        clock().stamp(frame_at(None))


SIZES = [(160, 96), (161, 97), (129, 66), (96, 163)]


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_spans_of_any_timing(tmp_path: Path, data: st.DataObject) -> None:
    """Random timing, start, B-frames, group length, container, size and spans: each clip has its own frames."""
    name = data.draw(st.sampled_from(["a.mp4", "a.mkv", "a.ts", "a.mov"]), label="file")
    # FFmpeg knows a transport stream by its packets: in a file of two small frames there are too few
    n = data.draw(st.integers(8 if name == "a.ts" else 2, 40), label="frames")
    steps = data.draw(
        st.one_of(
            st.sampled_from([1500, 3000, 3003, 3600, 3753.75]).map(lambda step: [step] * n),
            st.lists(st.integers(300, 30_000), min_size=n, max_size=n),
        ),
        label="steps",
    )
    start = data.draw(st.sampled_from([0, 1, 90_000, 123_456_789]), label="start")
    stamps = [start + round(at) for at in np.cumsum([0, *steps[:-1]])]
    options = {
        "g": str(data.draw(st.sampled_from([1, 5, 250]), label="group")),
        "bf": str(data.draw(st.sampled_from([0, 1, 3]), label="B-frames")),
        "b_strategy": "0", "crf": "14", "preset": "ultrafast",
    }  # fmt: skip
    size = data.draw(st.sampled_from(SIZES), label="size")
    # x264 takes odd sizes only without subsampled chroma
    path = write_counter(
        tmp_path / name, n, size, options=options, pts=stamps, time_base=TICK,
        pixels="yuv420p" if size == SIZES[0] else "yuv444p",
    )  # fmt: skip
    edges = sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=6), label="edges"))
    partition(path, range(n), edges)
