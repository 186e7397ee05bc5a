"""What the decoding child may answer: plain data and the classes that an annotation names, nothing that runs."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.source.clips import ClipRecord, Plan, clip_source
from pipeline.source.shot_list import ShotList, list_shots
from pipeline.video.probe import Probe, probe
from pipeline.video.wire import PLAIN, BadAnswer, answers, pack, printable, unpack
from tests.helpers.counter_media import write_counter


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a test sends."""

    rate: Fraction
    picture: np.ndarray
    names: tuple[str, ...] = ()


def give() -> Iterator[Sample | None]:
    yield None


def arrive(value: object, allowed: dict[str, Any]) -> Any:
    kind, found = unpack(pack("item", value), allowed)
    assert kind == "item"
    return found


def test_arrays_and_fractions_come_back_as_they_went() -> None:
    for picture in (
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.zeros((0, 5), np.float32),
        np.array([[True, False]]),
        np.arange(6, dtype=np.int64)[::-2],
    ):
        sent = Sample(rate=Fraction(30000, 1001), picture=picture, names=("a", "b"))
        found = arrive(sent, answers(give))
        assert type(found) is Sample and (found.rate, found.names) == (sent.rate, sent.names)
        assert found.picture.dtype == picture.dtype and np.array_equal(found.picture, picture)


def test_plain_data_comes_back_and_numpy_numbers_are_numbers() -> None:
    sent = {
        "a": [1, 2.5, None, True, b"\0\1", "x"],
        "b": np.float32(0.5),
        "c": np.uint64(2**64 - 1),
    }
    found = arrive(sent, {PLAIN: Any})
    assert found == {"a": [1, 2.5, None, True, b"\0\1", "x"], "b": 0.5, "c": 2**64 - 1}


def test_annotations_say_what_may_come() -> None:
    assert answers(probe) == {"Probe": Probe}
    assert answers(list_shots) == {"ShotList": ShotList, PLAIN: float}
    assert answers(clip_source) == {"Plan": Plan, "ClipRecord": ClipRecord, PLAIN: float}
    assert answers(len) == {PLAIN: Any}
    with pytest.raises(BadAnswer, match="Sample"):
        arrive(Sample(rate=Fraction(1), picture=np.zeros(1)), answers(probe))
    with pytest.raises(BadAnswer):
        arrive("7", answers(clip_source))


def test_a_probe_survives(tmp_path: Path) -> None:
    info = probe(write_counter(tmp_path / "a.mp4", 5))
    assert arrive(info, answers(probe)) == info


@pytest.mark.parametrize(
    "array",
    [
        ["|O", [1], b"\0" * 8],  # objects are pointers
        ["<U4", [1], b"\0" * 16],
        ["<f4", [2], b"\0" * 4],
        ["<f4", [-1], b""],
        ["<f4", [1 << 40, 1 << 40], b""],
        ["<f4", "x", b""],
        ["V8", [1], b"\0" * 8],
        [7, [1], b"\0"],
        [],
    ],
)
def test_an_array_that_is_none_is_refused(array: object) -> None:
    body = msgspec.msgpack.encode(["item", "Sample", {"rate": [1, 2], "picture": array}])
    with pytest.raises(BadAnswer):
        unpack(body, answers(give))


@pytest.mark.parametrize("rate", [[1, 0], ["1", 2], [1.5, 2], [1], "1/2", None, [True, 2]])
def test_a_fraction_that_is_none_is_refused(rate: object) -> None:
    picture = ["|u1", [1], b"\0"]
    body = msgspec.msgpack.encode(["item", "Sample", {"rate": rate, "picture": picture}])
    with pytest.raises(BadAnswer):
        unpack(body, answers(give))


def test_bytes_of_other_formats_are_refused() -> None:
    for body in (
        b"",
        b"\xff" * 40,
        pickle.dumps(["item", PLAIN, 1]),
        msgspec.msgpack.encode({"item": 1}),
        msgspec.msgpack.encode(["item", PLAIN]),
        msgspec.msgpack.encode(["other", PLAIN, 1]),
        msgspec.msgpack.encode(["error", PLAIN, [1, 2, 3]]),
        b"\x93\xa4item\xa5plain" + b"\x91" * 100_000 + b"\x01",  # nested without end
    ):
        with pytest.raises(BadAnswer):
            unpack(body, {PLAIN: Any})


def test_an_errors_text_cannot_steer_a_terminal() -> None:
    _, parts = unpack(pack("error", ("cut", "odd", "\x1b[2J gone\nx" + "y" * 9000)), {})
    assert parts[2].startswith(" [2J gone x") and len(parts[2]) == 2000
    assert printable("a\x07b") == "a b"


def clip_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = dict(
        video=b"x", start_pts=0, end_pts=9, time_base_num=1, time_base_den=25, n_frames=9, width=64,
        height=36, start_s=0.0, end_s=0.36, fps=25.0, transition_in="start", transition_out="end", shot=0,
        blur=0.5, phash=7, colours=["red"], error=None,
    )  # fmt: skip
    return row | changes


def test_a_clip_that_ingest_could_not_have_made_is_refused() -> None:
    samples = np.zeros((1, 4, 4, 3), np.uint8)
    good = ClipRecord(row=clip_row(), samples=samples)
    assert arrive(good, answers(clip_source)).row == good.row
    for changes in (
        {"video": "x"},
        {"start_pts": "0"},
        {"fps": None},
        {"clip_id": "mine"},
        {"source_uri": "/other"},
        {"blur": [1]},
        {"colours": [["red"]]},
    ):
        record = msgspec.msgpack.encode(
            [
                "item",
                "ClipRecord",
                {"row": clip_row(**changes), "samples": ["|u1", [1, 4, 4, 3], bytes(48)]},
            ]
        )
        with pytest.raises(BadAnswer):
            unpack(record, answers(clip_source))
    with pytest.raises(ValueError, match="samples"):
        ClipRecord(row=clip_row(), samples=samples[0])
