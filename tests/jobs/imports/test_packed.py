"""Videos inside larger files: which clips are there, with which captions, and that their bytes are read in place."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.imports.formats import reader_of
from jobs.imports.items import Item, ReadOptions
from jobs.shards.pack import shared_name
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.source.given import GivenSpan
from pipeline.source.listing import file_source_id, source_stamp
from pipeline.store.members import cell_uri
from pipeline.store.paths import location, read_range
from pipeline.store.staging import staged
from tests.helpers.shard_media import make_rows, make_shards

BYTES = [b"first video" * 9, b"second" * 5, b"third one" * 7]


def read(source: Path, form: str = "auto") -> list[Item]:
    return list(reader_of(form, source)[1](source, ReadOptions()))


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "000.tar", "w") as tar:
        add(tar, "./a/one.mp4", BYTES[0])
        add(tar, "./a/one.txt", b"A first caption.")
        add(tar, "./a/one.json", json.dumps({"dense_caption": "Long.", "score": 0.5}).encode())
        add(tar, "two.txt", b"No video.")
    with tarfile.open(tmp_path / "001.tar", "w") as tar:
        add(tar, "three.json", json.dumps({"caption": "Third."}).encode())
        add(tar, "three.mkv", BYTES[2])
    return tmp_path


def test_samples_of_tars(shards: Path) -> None:
    assert reader_of("auto", shards)[0] == "webdataset"
    first, second, third = read(shards)
    assert (first.name, first.captions) == (
        "a/one",
        {"original": "A first caption.", "dense": "Long."},
    )
    assert first.scores == {"score": 0.5}
    assert second.problem and second.problem[0] == "no_video"
    assert (third.name, third.captions) == ("three", {"original": "Third."})
    assert [location(item.uri).read_bytes() for item in (first, third)] == [BYTES[0], BYTES[2]]
    assert third.uri.endswith("/three.mkv")


def test_a_tar_that_breaks_off_keeps_what_is_before_the_break(shards: Path) -> None:
    path = shards / "000.tar"
    path.write_bytes(path.read_bytes()[: 3 * 512 + 100])
    found = read(path)
    assert [item.problem and item.problem[0] for item in found] == [None, "malformed"]
    path.write_bytes(b"no tar" * 200)
    assert [item.problem and item.problem[0] for item in read(path)] == ["malformed"]


def test_members_are_objects_like_those_of_any_store(shards: Path) -> None:
    place = location(read(shards)[0].uri)
    assert place.stat().st_size == len(BYTES[0])
    assert read_range(place, 6, 5) == b"video" and read_range(place, 95, 50) == BYTES[0][95:]
    with staged(place) as local:
        assert local.read_bytes() == BYTES[0] and local.suffix == ".mp4"
    assert file_source_id(place) == file_source_id(write(shards / "same.mp4", BYTES[0]))
    stamp = source_stamp(str(place))
    assert stamp and source_stamp(str(place)) == stamp
    assert shared_name(str(place)).startswith("000.tar/") and "/" in shared_name(str(place))
    assert str(shards) not in shared_name(str(place))
    gone = location(cell_uri(str(shards / "nothing.parquet"), "video", 0, "a.mp4"))
    with pytest.raises(FileNotFoundError):
        gone.read_bytes()
    assert source_stamp(str(gone)) == ""


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_bytes_in_parquet(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    videos = [{"bytes": data, "path": f"{n}.mp4"} for n, data in enumerate(BYTES)]
    videos.append({"bytes": None, "path": "elsewhere.mp4"})
    texts = ["Zero.", "One.", "Two.", "Three."]
    table = pa.table({"video": pa.array(videos, kind), "caption": texts, "aes": [1, 2, 3, 4]})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=2)
    assert reader_of("auto", tmp_path)[0] == "hf"
    found = read(tmp_path)
    assert [item.captions["original"] for item in found] == texts
    assert [location(item.uri).read_bytes() for item in found[:3]] == BYTES
    assert found[3].uri == str(tmp_path / "elsewhere.mp4") and found[2].scores == {"aes": 3.0}
    pq.write_table(pa.table({"mp4": BYTES, "text": texts[:3]}), tmp_path / "train.parquet")
    assert [location(item.uri).read_bytes() for item in read(tmp_path)] == BYTES
    pq.write_table(pa.table({"a": BYTES, "b": BYTES}), tmp_path / "train.parquet")
    with pytest.raises(UserError, match="no column of videos"):
        read(tmp_path)


def test_our_own_shards_are_clips_as_they_are(tmp_path: Path) -> None:
    rows = make_rows(6)
    make_shards(tmp_path / "shards", rows)
    assert manifest_of(tmp_path / "shards").is_file(), "a published set has it beside the shards"
    assert reader_of("auto", tmp_path)[0] == "hf"
    found = read(tmp_path)
    assert found == read(tmp_path / "shards")
    assert [item.name for item in found] == [row[s.CLIP_ID] for row in rows]
    assert [location(item.uri).read_bytes() for item in found] == [row[s.VIDEO] for row in rows]
    assert {item.span for item in found} == {GivenSpan()}, (
        "start_s and end_s are times of the source"
    )
    assert found[2].captions == {"short": "clip 2", "dense": "clip number 2 drifts slowly"}


def test_a_dataset_on_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"video": BYTES, "text": ["Zero.", "One.", "Two."]}
    data = datasets.Dataset.from_dict(
        rows,
        features=datasets.Features(
            {"video": datasets.Value("binary"), "text": datasets.Value("string")}
        ),
    )
    datasets.DatasetDict({"train": data}).save_to_disk(str(tmp_path / "set"))
    assert reader_of("auto", tmp_path / "set")[0] == "hf"
    found = read(tmp_path / "set")
    assert [location(item.uri).read_bytes() for item in found] == BYTES
    assert [item.captions["original"] for item in found] == rows["text"]


def test_output_of_cosmos_curator(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "metas" / "v0").mkdir(parents=True)
    (tmp_path / "clips" / "u1.mp4").write_bytes(BYTES[0])
    meta = {
        "span_uuid": "u1",
        "source_video": "s3://bucket/raw.mp4",
        "duration_span": [350.0, 360.0],
        "width_source": 1280,
        "clip_location": "/gone/clips/u1.mp4",
        "aesthetic_score": 5.5,
        "motion_score": {"global_mean": 0.25},
        "windows": [{"start_frame": 0, "end_frame": 256, "qwen_caption": "A whole clip."}],
    }
    (tmp_path / "metas" / "v0" / "u1.json").write_text(json.dumps(meta))
    assert reader_of("auto", tmp_path)[0] == "cosmos-curator"
    (item,) = read(tmp_path)
    assert (item.name, item.captions) == ("u1", {"original": "A whole clip."})
    assert item.uri == str(tmp_path / "clips" / "u1.mp4") and item.span.end is None
    assert item.scores == {"aesthetic_score": 5.5, "motion_score_global_mean": 0.25}
    meta["windows"] = [
        {"start_frame": n, "end_frame": n + 128, "qwen_caption": f"From {n}."} for n in (0, 128)
    ]
    (tmp_path / "metas_jsonl" / "v0").mkdir(parents=True)
    (tmp_path / "metas_jsonl" / "v0" / "video.jsonl").write_text(json.dumps(meta) + "\n{\n")
    first, second, broken = read(tmp_path)
    assert (first.span.start, second.span.end, second.span.unit) == (0, 256, "frame")
    assert broken.problem and broken.problem[0] == "malformed"
