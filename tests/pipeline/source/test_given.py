"""Clips that are given beforehand: bytes that are kept, what is encoded anew, and which frames an interval holds."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.source.clips import ClipRecord, Match, Plan
from pipeline.source.given import Given, GivenSpan, clip_given
from pipeline.video.probe import MediaError
from tests.helpers.counter_media import numbers_of, rotate_mp4, write_counter, write_video
from tests.helpers.moving_scenes import scene, to_uint8

CONFIG = IngestConfig(crop_bars=False)
WHOLE = GivenSpan()


def clips(
    path: Path, *spans: GivenSpan, config: IngestConfig = CONFIG, split: bool = False
) -> tuple[Plan, list[ClipRecord]]:
    given = Given(spans=spans or (WHOLE,), split=split)
    found = list(clip_given(str(path), config, 2, given))
    (plan,) = (each for each in found if isinstance(each, Plan))
    return plan, [each for each in found if isinstance(each, ClipRecord)]


def video(record: ClipRecord) -> bytes:
    data = record.row[s.VIDEO]
    assert isinstance(data, bytes)
    return data


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counter(tmp_path_factory.mktemp("given") / "counter.mp4", 50, audio=True)


def test_a_whole_file_keeps_its_bytes_and_is_measured(counter: Path) -> None:
    _, (record,) = clips(counter)
    assert video(record) == counter.read_bytes()
    row = record.row
    assert (row[s.N_FRAMES], row[s.FPS], row[s.WIDTH], row[s.HEIGHT]) == (50, 25.0, 160, 96)
    assert (row[s.START_S], row[s.END_S], row[s.AUDIO]) == (0.0, 2.0, "kept")
    assert row[s.MOTION_MEAN] is not None and row[s.PHASH] is not None and row[s.BLUR] is not None
    assert record.extra[s.SHOTS_INSIDE] >= 1


def test_an_interval_that_covers_the_file_keeps_its_bytes_too(counter: Path) -> None:
    _, (record,) = clips(counter, GivenSpan(start=0.0, end=2.0))
    assert video(record) == counter.read_bytes()


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.ts"])
def test_other_containers_keep_every_picture(tmp_path: Path, name: str) -> None:
    path = write_counter(tmp_path / name, 30, options={"crf": "12"})
    _, (record,) = clips(path)
    numbers, _, first_key = numbers_of(video(record))
    assert numbers == list(range(30)) and first_key

    def packets(source: object) -> list[int]:
        with av.open(source) as container:
            return [packet.size for packet in container.demux(video=0) if packet.size]

    if name == "a.mkv":
        assert packets(io.BytesIO(video(record))) == packets(str(path)), "nothing was encoded"


def test_what_a_clip_may_not_hold_is_encoded(tmp_path: Path) -> None:
    turned = rotate_mp4(write_counter(tmp_path / "turned.mp4", 12), 90)
    wide = write_counter(tmp_path / "wide.mp4", 12, pixels="yuv444p")
    tall = write_counter(tmp_path / "tall.mp4", 12)
    for path, config, size in (
        (turned, CONFIG, (96, 160)),
        (wide, CONFIG, (160, 96)),
        (tall, IngestConfig(height=48), (80, 48)),
    ):
        _, (record,) = clips(path, config=config)
        assert video(record) != path.read_bytes()
        with av.open(io.BytesIO(video(record))) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.width, stream.codec_context.height) == size
            assert stream.codec_context.pix_fmt == "yuv420p"


def test_intervals_are_cut_at_their_frames_and_may_overlap(counter: Path) -> None:
    spans = (
        GivenSpan(start=0.4, end=1.2),
        GivenSpan(start=0.8, end=1.6),
        GivenSpan(start=0.4, end=1.2),
        GivenSpan(start=5, end=7, unit="frame"),
        GivenSpan(start=1.9),
    )
    plan, records = clips(counter, *spans)
    frames = {
        (record.row[s.START_PTS], record.row[s.END_PTS]): numbers_of(video(record))[0]
        for record in records
    }
    assert len(records) == 4, "the third is the first again"
    by_number = {m.number: frames[m.start_pts, m.end_pts] for m in plan.matches}
    assert by_number == {
        0: list(range(10, 30)),
        1: list(range(20, 40)),
        2: list(range(10, 30)),
        3: [5, 6],
        4: [48, 49],
    }


def test_times_that_were_rounded_mean_the_frame_beside_them(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "ntsc.mp4", 40, rate=Fraction(30000, 1001))
    _, (record,) = clips(path, GivenSpan(start=0.334, end=0.667))  # 10 / 29.97, 20 / 29.97
    assert numbers_of(video(record))[0] == list(range(10, 20))


def test_what_lies_outside_the_file_or_holds_no_frame_says_so(counter: Path) -> None:
    plan, records = clips(
        counter,
        GivenSpan(start=2.5, end=3.0),
        GivenSpan(start=1.01, end=1.03),
        GivenSpan(start=1.8, end=9.0),
    )
    assert plan.matches[:2] == (
        Match(number=0, reason="outside"),
        Match(number=1, reason="empty"),
    )
    assert [numbers_of(video(record))[0] for record in records] == [[45, 46, 47, 48, 49]]


def test_several_shots_are_counted_and_split_on_request(tmp_path: Path) -> None:
    frames = np.concatenate([scene(1, 30), scene(2, 40)])
    path = write_video(tmp_path / "two.mp4", list(to_uint8(frames)))
    _, (record,) = clips(path)
    assert record.extra[s.SHOTS_INSIDE] == 2 and video(record) == path.read_bytes()
    plan, pieces = clips(path, split=True)
    assert [piece.row[s.N_FRAMES] for piece in pieces] == [30, 40]
    assert [match.number for match in plan.matches] == [0, 0]


def test_clips_can_be_measured_without_their_bytes(counter: Path) -> None:
    given = Given(spans=(WHOLE, GivenSpan(start=0.4, end=1.2)), store=False)
    found = [
        each for each in clip_given(str(counter), CONFIG, 2, given) if isinstance(each, ClipRecord)
    ]
    assert [each.row[s.VIDEO] for each in found] == [b"", b""]
    assert [each.row[s.N_FRAMES] for each in found] == [50, 20]


def test_a_file_that_is_no_video_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(MediaError):
        clips(tmp_path / "no.mp4")
    with pytest.raises(ValueError, match="no word"):
        Match(number=0, reason="rm -rf /")
