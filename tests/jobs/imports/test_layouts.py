"""Tables of captions under any name are found in a folder, and what only looks like one is not taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.imports.formats import reader_of
from jobs.imports.items import ReadOptions
from jobs.imports.layouts import MOST_FILES, caption_tables, read_tables


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two videos, one of them a folder deeper."""
    (tmp_path / "small").mkdir()
    for name in ("a.mp4", "small/b.mp4"):
        (tmp_path / name).write_bytes(b"video " + name.encode())
    return tmp_path


def rows(path: Path, *names: str) -> None:
    path.write_text(
        "\n".join(json.dumps({"path": name, "caption": f"Of {name}."}) for name in names)
    )


def found(folder: Path) -> list[str]:
    return [str(table)[len(str(folder)) + 1 :] for table in caption_tables(folder, ReadOptions())]


def test_tables_at_the_top_count_before_those_below(data: Path) -> None:
    rows(data / "small" / "clips.jsonl", "b.mp4")
    assert found(data) == ["small/clips.jsonl"]
    rows(data / "train.jsonl", "a.mp4", "small/b.mp4")
    assert found(data) == ["train.jsonl"]
    items = list(read_tables(data, ReadOptions()))
    assert [Path(item.uri).name for item in items] == ["a.mp4", "b.mp4"]
    assert items[1].captions == {"original": "Of small/b.mp4."}


def test_what_is_no_table_of_captions_is_passed_over(data: Path) -> None:
    (data / "a.json").write_text(
        json.dumps({"caption": "Of a.", "path": "a.mp4"})
    )  # beside its video
    (data / "captions.json").write_text(json.dumps({"a.mp4": "Of a."}))  # diffusion-pipe's
    (data / "sizes.csv").write_text("path,width\na.mp4,64\n")  # without captions
    (data / "texts.jsonl").write_text(json.dumps({"id": "a", "caption": "no video"}))
    (data / "broken.json").write_text("{")
    rows(data / ".hidden.jsonl", "a.mp4")
    assert found(data) == []
    assert reader_of("auto", data)[0] == "folder"
    with pytest.raises(UserError, match="no table with a video and a caption in a row"):
        list(read_tables(data, ReadOptions()))


def test_a_folder_full_of_tables_is_not_searched(data: Path) -> None:
    for number in range(MOST_FILES + 1):
        rows(data / f"t{number}.jsonl", "a.mp4")
    assert found(data) == []


def test_columns_that_the_user_names_count(data: Path) -> None:
    (data / "t.jsonl").write_text(json.dumps({"datei": "a.mp4", "satz": "Of a."}))
    assert found(data) == []
    options = ReadOptions(columns={"path": ("datei",), "original": ("satz",)})
    (item,) = read_tables(data, options)
    assert item.captions == {"original": "Of a."}


def test_videos_that_no_row_names_are_told_of(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(data / "train.jsonl", "a.mp4")
    assert len(list(read_tables(data, ReadOptions()))) == 1
    told = capsys.readouterr().err
    assert "has 2 videos, and train.jsonl only 1 rows: the others are left out" in told


def test_the_splits_of_a_video_folder_are_read(data: Path) -> None:
    for split in ("train", "validation"):
        (data / split).mkdir()
        (data / split / f"{split}.mp4").write_bytes(b"video")
        (data / split / "metadata.csv").write_text(f"file_name,text\n{split}.mp4,Of {split}.\n")
    form, read = reader_of("auto", data)
    items = list(read(data, ReadOptions()))
    assert form == "videofolder"
    assert [(Path(item.uri).name, item.captions["original"]) for item in items] == [
        ("train.mp4", "Of train."),
        ("validation.mp4", "Of validation."),
    ]
