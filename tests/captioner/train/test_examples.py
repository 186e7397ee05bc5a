"""Clips with the words to learn: from shards or a file, split by id, shown as ``caption`` shows them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.ask.frames import clip_frames
from captioner.train.examples import (
    TrainingExample,
    examples_hash,
    examples_of,
    read_texts,
    shard_texts,
    split,
)
from pipeline import schema as s
from pipeline.shards.read import open_manifest
from tests.helpers.shard_media import make_rows, make_shards


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory):
    rows = make_rows(6)
    rows[2][s.CAPTION_SHORT] = None
    return open_manifest(make_shards(tmp_path_factory.mktemp("shards"), rows))


def examples(manifest, texts) -> list[TrainingExample]:
    return examples_of(
        manifest.table.select(list(s.READ_COLUMNS)).to_pylist(), texts, lambda row: manifest.root
    )


def test_clips_without_words_are_no_examples(manifest) -> None:
    short = examples(manifest, shard_texts(manifest, "short"))
    dense = examples(manifest, shard_texts(manifest, "dense"))
    assert (len(short), len(dense)) == (5, 6)
    assert all(example.text.startswith("clip number") for example in dense)
    assert shard_texts(manifest, "structured") == {}
    assert examples(manifest, {dense[0].clip_id: "  ", "elsewhere": "a clip"}) == []


def test_frames_are_those_of_captioning(manifest) -> None:
    example = examples(manifest, shard_texts(manifest, "dense"))[0]
    index = manifest.table[s.CLIP_ID].to_pylist().index(example.clip_id)
    row = manifest.row(index)
    shape = {name: row[name] for name in ("n_frames", "fps", "width", "height")}
    theirs = clip_frames(manifest.read(index), **shape, frames=3, side=24)
    assert example.frames(3, 24).hash == theirs.hash


def test_held_out_clips_stay_held_out_when_data_are_added(manifest) -> None:
    some = [
        TrainingExample(root="", row={s.CLIP_ID: f"c{i}", s.VIDEO_XXH3: "x"}, text="a")
        for i in range(900)
    ]
    learned, held = split(some, 0.1, 1000)
    assert len(learned) + len(held) == 900 and 60 < len(held) < 130
    again = {example.clip_id for example in split(some[:450], 0.1, 1000)[1]}
    assert again == {example.clip_id for example in held} & {x.clip_id for x in some[:450]}
    assert len(split(some, 0.5, 7)[1]) == 7 and split(some, 0.0, 7)[1] == []


def test_identity_is_of_words_and_pixels(manifest) -> None:
    texts = shard_texts(manifest, "dense")
    one = examples(manifest, texts)
    assert examples_hash(one) == examples_hash(examples(manifest, dict(texts)))
    assert examples_hash(one) != examples_hash(
        examples(manifest, {**texts, one[0].clip_id: "other"})
    )
    assert examples_hash(one) != examples_hash(one[1:])


def test_words_from_a_file_of_any_of_three_formats(tmp_path: Path) -> None:
    rows = [("a", "short", "A dog."), ("a", "dense", "A dog, brown."), ("b", "dense", "")]
    table = pa.table(dict(zip((s.CLIP_ID, s.KIND, s.TEXT), zip(*rows, strict=True), strict=True)))
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text(
        "".join(f'{{"clip_id": "{c}", "kind": "{k}", "text": "{t}"}}\n' for c, k, t in rows)
    )
    (tmp_path / "t.csv").write_text(
        "clip_id,kind,text\n" + "".join(f'{c},{k},"{t}"\n' for c, k, t in rows)
    )
    for name in ("t.parquet", "t.jsonl", "t.csv"):
        assert read_texts(tmp_path / name, "dense") == {"a": "A dog, brown."}
    (tmp_path / "any.csv").write_text("clip_id,text\na,All kinds.\n")
    assert read_texts(tmp_path / "any.csv", "short") == {"a": "All kinds."}


def test_a_file_of_words_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\na,b\n")
    (tmp_path / "b.csv").write_text("clip_id,text\na,b\na,c\n")
    (tmp_path / "c.parquet").write_text("no table")
    for name, says in (
        ("a.csv", "lacks the column clip_id; it has id, text"),
        ("b.csv", "two dense captions for clip a"),
        ("c.parquet", "cannot be read"),
        ("d.csv", "cannot be read"),
        ("e.xlsx", r"must be one of \.parquet, \.jsonl, \.csv"),
    ):
        with pytest.raises(ValueError, match=says) as caught:
            read_texts(tmp_path / name, "dense")
        assert "\n" not in str(caught.value)
