"""Every format's own layout, written by hand as its reader wants it, read as rows with captions and intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.imports.folders import read_folder
from jobs.imports.formats import FORMATS, reader_of
from jobs.imports.items import Item, ReadOptions


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three files with the names of videos."""
    (tmp_path / "sub").mkdir()
    for name in ("a.mp4", "b.mkv", "sub/c.mp4"):
        (tmp_path / name).write_bytes(b"video " + name.encode())
    return tmp_path


def read(source: Path, form: str = "auto", **options: object) -> list[Item]:
    _, reader = reader_of(form, source)
    return list(reader(source, ReadOptions(**options)))  # type: ignore[arg-type]


def told(items: list[Item]) -> list[tuple[str, dict[str, str]]]:
    return [(Path(item.uri).name, dict(item.captions)) for item in items]


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("form", ["auto", "folder", "table"])
def test_what_is_no_dataset_is_said_whatever_the_format(data: Path, form: str) -> None:
    with pytest.raises(UserError, match="a.mp4 is one video, no dataset; give the folder"):
        read(data / "a.mp4", form)
    with pytest.raises(UserError, match="nowhere does not exist; give a folder or a table"):
        read(data / "nowhere", form)
    (data / "notes.md").write_text("Notes.")
    with pytest.raises(UserError, match="notes.md is no" if form == "auto" else "notes.md"):
        read(data / "notes.md", form)
    (data / "selection.parquet").write_bytes(b"")
    with pytest.raises(
        UserError, match="is a run folder of filmstock.*; filmstock report .* shows"
    ):
        read(data, form)
    (data / "shards").mkdir()
    with pytest.raises(UserError, match="is a run folder of filmstock.*/shards is, and can be"):
        read(data, form)


def test_captions_beside_videos(data: Path) -> None:
    (data / "a.txt").write_text("  One caption.\n")
    (data / "b.json").write_text(json.dumps({"caption": "Short.", "dense_caption": "Long one."}))
    (data / "sub" / "c.caption").write_text("Of c.")
    assert reader_of("auto", data)[0] == "folder"
    assert told(read(data)) == [
        ("a.mp4", {"original": "One caption."}),
        ("b.mkv", {"original": "Short.", "dense": "Long one."}),
        ("c.mp4", {"original": "Of c."}),
    ]


def test_pictures_among_the_videos_are_said_to_be_left_out(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "photo.png").write_bytes(b"a picture")
    list(read_folder(data, ReadOptions()))
    assert f"{data}: 1 picture was passed over: sources are videos" in capsys.readouterr().err


def test_a_caption_that_leads_out_of_the_folder_is_not_read(data: Path, tmp_path: Path) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-secret.txt"
    secret.write_text("secret")
    (data / "a.txt").symlink_to(secret)
    assert told(read(data))[0] == ("a.mp4", {})


def test_one_file_of_captions_for_a_folder(data: Path) -> None:
    captions = {"a.mp4": ["First.", "Second."], "b.mkv": {"caption": "B.", "caption_short": "b"}}
    (data / "captions.json").write_text(json.dumps(captions))
    assert told(read(data, "diffusion-pipe"))[:2] == [
        ("a.mp4", {"original": "First."}),
        ("b.mkv", {"original": "B.", "short": "b"}),
    ]
    found = read(data / "captions.json", "ai-toolkit")
    assert told(found)[1] == ("b.mkv", {"original": "B.", "short": "b"})
    (data / "captions.json").write_text("{")
    with pytest.raises(UserError, match=r"captions.json is no JSON"):
        read(data)


def test_configs_of_musubi_and_diffusion_pipe(data: Path) -> None:
    (data / "a.cap").write_text("A.")
    jsonl = lines(data / "v.jsonl", {"video_path": str(data / "b.mkv"), "caption": "B."})
    config = data / "data.toml"
    config.write_text(
        '[general]\ncaption_extension = ".cap"\n[[datasets]]\nvideo_directory = "."\n'
        f'[[datasets]]\nvideo_jsonl_file = "{jsonl.name}"\n'
    )
    assert reader_of("auto", config)[0] == "musubi-tuner"
    assert told(read(config)) == [
        ("a.mp4", {"original": "A."}),
        ("b.mkv", {}),
        ("c.mp4", {}),
        ("b.mkv", {"original": "B."}),
    ]
    config.write_text("[[directory]]\npath = 'sub'\n")
    assert told(read(config, "diffusion-pipe")) == [("c.mp4", {})]
    config.write_text("[general]\n")
    with pytest.raises(UserError, match="neither"):
        read(config)


def test_metadata_of_a_folder_as_csv_jsonl_and_parquet(data: Path) -> None:
    (data / "metadata.csv").write_text('file_name,text\na.mp4,"A, with a comma"\nsub/c.mp4,C\n')
    assert reader_of("auto", data)[0] == "videofolder"
    expected = [("a.mp4", {"original": "A, with a comma"}), ("c.mp4", {"original": "C"})]
    assert told(read(data)) == expected
    (data / "metadata.csv").unlink()
    rows = [
        {"file_name": "a.mp4", "text": "A, with a comma"},
        {"file_name": "sub/c.mp4", "text": "C"},
    ]
    lines(data / "metadata.jsonl", *rows)
    assert told(read(data)) == expected
    (data / "metadata.jsonl").unlink()
    pq.write_table(pa.Table.from_pylist(rows), data / "metadata.parquet")
    assert told(read(data)) == expected


@pytest.mark.parametrize(
    ("form", "name", "row"),
    [
        ("diffsynth-studio", "metadata.csv", {"video": "a.mp4", "prompt": "A."}),
        ("open-sora", "t.csv", {"path": "a.mp4", "text": "A.", "num_frames": 9, "fps": 8}),
        ("videox-fun", "t.json", {"file_path": "a.mp4", "text": "A.", "type": "video"}),
        ("ltx-2", "t.jsonl", {"media_path": "a.mp4", "caption": "A."}),
        ("fastvideo", "videos2caption.json", {"path": "a.mp4", "cap": ["A."], "fps": 8}),
        ("simpletuner", "t.parquet", {"filename": "a.mp4", "caption": "A.", "width": 64}),
        ("musubi-tuner", "t.jsonl", {"video_path": "a.mp4", "caption": "A."}),
    ],
)
def test_tables_of_trainers(data: Path, form: str, name: str, row: dict[str, object]) -> None:
    path = data / name
    if name.endswith(".csv"):
        path.write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps([row]) if name.endswith(".json") else json.dumps(row))
    (item,) = read(path, "table" if form == "fastvideo" else form)
    assert (Path(item.uri), dict(item.captions)) == (data / "a.mp4", {"original": "A."})
    assert not item.scores, "sizes and rates are measured, not scores"


def test_a_folder_of_fastvideo_and_lists_of_finetrainers(data: Path) -> None:
    (data / "videos").mkdir()
    (data / "a.mp4").rename(data / "videos" / "a.mp4")
    (data / "videos2caption.json").write_text(json.dumps([{"path": "a.mp4", "cap": "A."}]))
    assert reader_of("auto", data)[0] == "fastvideo"
    assert told(read(data)) == [("a.mp4", {"original": "A."})]
    (data / "videos2caption.json").unlink()
    (data / "prompt.txt").write_text("B.\nC.\n")
    (data / "videos.txt").write_text("b.mkv\nsub/c.mp4\n")
    assert reader_of("auto", data)[0] == "finetrainers"
    assert told(read(data)) == [("b.mkv", {"original": "B."}), ("c.mp4", {"original": "C."})]
    (data / "videos.txt").write_text("b.mkv\n")
    with pytest.raises(UserError, match="has 2 lines and .* 1"):
        read(data)


def test_windows_of_cosmos_framework(data: Path) -> None:
    windows = [
        {"start_frame": 0, "end_frame": 60, "caption": "One."},
        {"start_frame": 61, "end_frame": 121, "caption_json": {"scene": "two"}},
    ]
    path = lines(data / "t.jsonl", {"uuid": "u", "vision_path": "a.mp4", "t2w_windows": windows})
    first, second = read(path, "cosmos-framework")
    assert (first.span.start, first.span.end, first.span.unit) == (0, 61, "frame")
    assert (second.span.start, second.span.end) == (61, 122), "end_frame is the last of them"
    assert first.captions == {"original": "One."}
    assert second.captions == {"structured": '{"scene": "two"}'} and second.name == "u"


def test_tables_of_intervals_over_a_folder_of_videos(data: Path, tmp_path: Path) -> None:
    """As Panda-70M has them: one row a video, lists of intervals and captions; ids in place of paths."""
    row = {
        "videoID": "c",
        "timestamp": "[['0:00:01.000', '0:00:02.500'], ['0:00:03.000', '0:00:04.000']]",
        "caption": ["One.", "Two."],
        "matching_score": 0.5,
    }
    (tmp_path / "tables").mkdir()
    path = lines(tmp_path / "tables" / "t.jsonl", row)
    first, second = read(path, "table", videos=data)
    assert (first.span.start, first.span.end) == (1.0, 2.5) and Path(first.uri).name == "c.mp4"
    assert (first.captions["original"], second.captions["original"]) == ("One.", "Two.")
    assert first.scores == {"matching_score": 0.5}


def test_rows_that_cannot_be_used_say_why(data: Path) -> None:
    path = lines(
        data / "t.jsonl",
        {"path": "a.mp4", "start": 3, "end": 1},
        "{broken",
        "[1]",
        {"path": "", "caption": "no video"},
        {"id": "nobody"},
        {"path": "gone.mp4"},
        {"path": "a.mp4", "start": "soon"},
    )
    found = read(path)
    assert [item.problem and item.problem[0] for item in found] == [
        *("bad_time", "malformed", "malformed", "no_video", "no_video", None, "bad_time")
    ]
    assert found[5].uri == str(data / "gone.mp4"), "it is quarantined under its own name"
    ragged = data / "t.csv"
    ragged.write_text("path,caption\na.mp4,A\nb.mkv\n")
    assert [item.problem and item.problem[0] for item in read(ragged)] == [None, "malformed"]


def test_what_is_no_dataset_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="unknown format 'musubi-tuna'; did you mean 'musubi-tuner'"
    ):
        reader_of("musubi-tuna", data)
    with pytest.raises(UserError, match="does not exist"):
        reader_of("auto", tmp_path / "nothing")
    with pytest.raises(UserError, match="no column with paths or ids of videos"):
        read(lines(data / "t.jsonl", {"caption": "A."}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no video in folder"):
        read(tmp_path / "empty")
    assert {"folder", "table", "musubi-tuner", "diffusion-pipe", "fastvideo"} <= set(FORMATS)
