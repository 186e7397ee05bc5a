"""Outermost boxes of a file: their kinds, the first bytes behind them, and whether they end within it."""

from __future__ import annotations

from pathlib import Path

from pipeline.video.boxes import outer_boxes
from pipeline.video.cut_short import is_cut_short
from pipeline.video.provenance import C2PA_BOX, has_manifest


def box(kind: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    return (8 + len(body) if length is None else length).to_bytes(4, "big") + kind + body


def long_box(kind: bytes, body: bytes) -> bytes:
    return (1).to_bytes(4, "big") + kind + (16 + len(body)).to_bytes(8, "big") + body


def written(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def kinds(path: Path, most: int = 99) -> list[bytes]:
    return [each.kind for each in outer_boxes(path, most)]


def test_boxes_are_told_in_order_with_lengths_of_either_width(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a", box(b"ftyp", b"isom"), long_box(b"free", b"x" * 40), box(b"mdat", b"ab")
    )
    first, second, last = outer_boxes(path, 99)
    assert (first.kind, second.kind, last.kind) == (b"ftyp", b"free", b"mdat")
    assert (first.body[:4], second.body, last.body) == (b"isom", b"x" * 16, b"ab")
    assert first.whole and second.whole and last.whole
    assert kinds(path, 2) == [b"ftyp", b"free"]


def test_one_without_a_length_ends_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a", box(b"ftyp"), box(b"mdat", b"abc", length=0))
    assert [each.whole for each in outer_boxes(path, 99)] == [True, True]
    assert not is_cut_short(path)


def test_one_that_ends_behind_the_file_is_not_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "a", box(b"ftyp"), box(b"mdat", b"abc", length=500))
    assert [each.whole for each in outer_boxes(path, 99)] == [True, False]
    assert is_cut_short(path)
    assert not is_cut_short(written(tmp_path / "b", box(b"free"), box(b"mdat", length=500)))


def test_a_length_that_cannot_be_is_the_last(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a", box(b"ftyp", b"isom"), box(b"free", b"abcd", length=5), b"x" * 40
    )
    assert kinds(path) == [b"ftyp", b"free"]
    assert kinds(written(tmp_path / "b", b"1234567")) == []


def test_a_box_of_c2pa_is_found_behind_others_and_inside_none(tmp_path: Path) -> None:
    mark = box(b"uuid", C2PA_BOX + b"manifest")
    assert has_manifest(written(tmp_path / "a", box(b"ftyp", b"isom"), box(b"free"), mark))
    assert has_manifest(written(tmp_path / "b", box(b"moov"), long_box(b"uuid", C2PA_BOX)))
    assert not has_manifest(written(tmp_path / "c", box(b"ftyp", b"isom"), box(b"mdat", mark)))
    assert not has_manifest(written(tmp_path / "d", box(b"text"), mark))
