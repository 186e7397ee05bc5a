"""Planning clips: every frame of a shot in exactly one piece, none longer than asked, gaps closed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.motion.analysis import analyse
from pipeline.shots.boundaries import Shot
from pipeline.source.clips import ClipRecord, Plan, clip_source, plan_clips, split_shot
from pipeline.video.decode import decode_clip
from tests.helpers.counter_media import numbers_of, rotate_mp4, write_counter, write_video
from tests.helpers.moving_scenes import dissolve, fade, scene, to_uint8


def shot(first: int, stop: int) -> Shot:
    return Shot(first=first, stop=stop, transition_in="cut", transition_out="fade")


@given(
    lengths=st.lists(st.sampled_from([0.01, 0.04, 0.1, 0.7, 3.0, 40.0]), min_size=1, max_size=300),
    first=st.integers(0, 5),
    longest=st.sampled_from([0.5, 2.0, 10.0]),
)
def test_pieces_partition_the_shot_and_none_is_too_long(
    lengths: list[float], first: int, longest: float
) -> None:
    first = min(first, len(lengths) - 1)
    edges = np.append(0, np.cumsum(lengths)) + 7.0
    pieces = split_shot(shot(first, len(lengths)), edges, longest)
    assert [each.first for each in pieces] == [first, *[each.stop for each in pieces[:-1]]]
    assert pieces[-1].stop == len(lengths)
    for each in pieces:
        inside = lengths[each.first : each.stop]
        held = inside[-1] > longest
        assert sum(inside[:-1] if held else inside) <= longest + 1e-5
        assert all(length <= longest for length in inside[:-1])
    assert {each.transition_in for each in pieces[1:]} <= {"split"}
    assert (pieces[0].transition_in, pieces[-1].transition_out) == ("cut", "fade")


def test_every_setting_of_a_cut_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quality, a height or the sound that is asked for and not passed on is missed when the clips are made."""
    given_: dict[str, object] = {}

    def cut(path: str, spans: object, pts: object, **options: object) -> list[None]:
        given_.update(options)
        return []

    monkeypatch.setattr("pipeline.source.clips.cut", cut)
    path = write_counter(tmp_path / "a.mp4", 40)
    asked = {"crf": 31, "height": 48, "audio": True, "crop_bars": True, "codec": "av1"}
    list(clip_source(str(path), IngestConfig(**asked), 3))  # type: ignore[arg-type]
    assert {name: given_[name] for name in asked} == asked and given_["samples"] == 3


def test_ntsc_pieces_do_not_exceed_the_limit() -> None:
    """599 frames of 29.97 fps are 19.99 s; two halves of 300 and 299 frames would be one of 10.01 s."""
    pieces = split_shot(shot(0, 599), np.arange(600) * 1001 / 30000, 10.0)
    assert [each.stop - each.first for each in pieces] == [200, 200, 199]


def test_a_constant_rate_is_split_evenly() -> None:
    pieces = split_shot(shot(10, 760), np.arange(761) / 25, 10.0)
    assert [(each.first, each.stop) for each in pieces] == [(10, 260), (260, 510), (510, 760)]


def test_clips_of_a_source_hold_every_frame_once(tmp_path: Path) -> None:
    """Whatever is planned, its pieces are the file: every frame once, and the gap in it closed."""
    stamps = [i * 40 if i < 50 else i * 40 + 3_600_000 for i in range(120)]
    path = write_counter(
        tmp_path / "a.mkv",
        120,
        options={"crf": "12", "bf": "2"},
        pts=stamps,
        time_base=Fraction(1, 1000),
    )
    config = IngestConfig(max_clip_s=0.9, min_clip_s=0.01)
    items = [item for item in clip_source(str(path), config, 2) if not isinstance(item, float)]
    assert isinstance(items[0], Plan)
    clips = [item.row for item in items if isinstance(item, ClipRecord)]
    numbers = [number for row in clips for number in numbers_of(row[s.VIDEO])[0]]
    assert numbers == list(range(120))
    assert max(row[s.END_S] - row[s.START_S] for row in clips) <= 0.9
    assert 50 in {numbers_of(row[s.VIDEO])[0][0] for row in clips}, "a clip begins after the gap"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("height", [None, 48])
def test_bars_are_cut_or_said(tmp_path: Path, turned: bool, height: int | None) -> None:
    """A picture of 160x90 under bars of 13 and over bars of 11 rows, also seen from the side."""
    frames = np.pad(to_uint8(scene(3, 30)), ((0, 0), (13, 11), (0, 0), (0, 0)))
    path = write_video(tmp_path / "a.mp4", list(frames))
    if turned:
        path = rotate_mp4(path, 90)
    found = {}
    for cropped in (True, False):
        config = IngestConfig(crop_bars=cropped, height=height)
        for each in clip_source(str(path), config, 4):
            if isinstance(each, ClipRecord):
                found[cropped] = each.row
    row = found[True]
    assert row[s.HEIGHT] == (height or (160 if turned else 88))
    assert [row[name] for name in s.CROP_COLUMNS] == [0, 0, row[s.WIDTH], row[s.HEIGHT]]
    pixels, _ = decode_clip(row[s.VIDEO])  # type: ignore[arg-type]
    assert pixels.shape[1:3] == (row[s.HEIGHT], row[s.WIDTH])
    for axis in (1, 2):
        assert pixels.max(axis=(0, 3, 3 - axis)).min() > 40, "no line of it is black"
    row = found[False]
    scale = row[s.HEIGHT] / (160 if turned else 114)  # type: ignore[operator]
    box = np.array([row[name] for name in s.CROP_COLUMNS])
    # turned clockwise, what was on top is on the right
    truth = np.array([11, 0, 90, 160] if turned else [0, 13, 160, 90])
    assert np.abs(box - truth * scale).max() <= (0 if height is None else 1)
    assert row[s.UNDEREXPOSED] < 0.01  # type: ignore[operator]


def test_mixed_frames_are_in_no_clip_and_short_shots_are_dropped_by_reason(tmp_path: Path) -> None:
    """A dissolve of 20 frames, a fade of 16, a shot of 10 frames between cuts, and one that is split."""
    edit = dissolve(scene(1, 60), scene(2, 60), 20)  # frames 40-59 are mixed, 100 in all
    edit = fade(edit, scene(5, 50), 8)  # 92-107 are mixed, 150 in all
    edit = np.concatenate([edit, scene(3, 10), scene(4, 110)])
    path = write_video(tmp_path / "a.mp4", list(to_uint8(edit)), options={"crf": "20"})
    *_, analysis = analyse(path)
    assert analysis is not None
    plan = plan_clips(analysis, IngestConfig(max_clip_s=3.0, min_clip_s=0.6))
    assert [each.reason for each in plan.dropped] == ["dissolve", "fade", "short"]
    spans = [(float(x.start_pts), float(x.end_pts)) for x in plan.spans]
    base = float(analysis.probe.time_base)
    clips = [(start * base, end * base) for start, end in spans]
    together = sorted([*clips, *((each.start_s, each.end_s) for each in plan.dropped)])
    ends = [together[0][0], *(end for _, end in together)]
    assert ends[:-1] == pytest.approx([start for start, _ in together]), "nothing is lost between"
    assert ends[-1] == pytest.approx(plan.duration_s)
    step = int(analysis.pts[1] - analysis.pts[0])
    frames = [(span.start_pts // step, span.end_pts // step) for span in plan.spans]
    kinds = [(span.transition_in, span.transition_out) for span in plan.spans]
    assert kinds == [
        ("start", "dissolve"),
        ("dissolve", "fade"),
        ("fade", "cut"),
        ("cut", "split"),
        ("split", "end"),
    ]
    (_, first), (second, third), (fourth, fifth), (sixth, middle), (again, last) = frames
    assert 26 <= first <= 41 and 59 <= second <= 70, "what the dissolve needs"
    assert 86 <= third <= 93 and 107 <= fourth <= 114, "what the fade needs"
    assert (fifth, sixth, middle == again, last) == (150, 160, True, 270)
