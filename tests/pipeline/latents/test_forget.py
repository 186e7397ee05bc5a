"""Clips taken out of latents leave no byte behind, and what other clips show stays."""

from __future__ import annotations

import shutil

import pyarrow.parquet as pq

from pipeline import schema as s
from pipeline.latents.forget import take_out
from pipeline.latents.layout import SHARDS_HASH, TEXTS, committed
from pipeline.latents.parts import clip_keys, text_keys
from pipeline.latents.store import LatentStore
from tests.helpers.latents import write_folder


def share_one(rows):
    for row in rows[:4]:
        row |= {s.CAPTION: "a dog", s.TEXT_FEATURES: rows[0][s.TEXT_FEATURES]}


def test_a_clip_goes_with_the_captions_that_no_other_clip_shows(tmp_path):
    folder = write_folder(tmp_path / "latents", clips=6, edit=share_one)
    before = LatentStore(folder)
    posterior = {
        row[s.CLIP_ID]: row[s.POSTERIOR]
        for path in folder.glob("part-*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    assert take_out(folder, {"clip0001", "clip0005"}, lambda: "other shards")
    store = LatentStore(folder)
    assert list(store.clip_ids) == ["clip0000", "clip0002", "clip0003", "clip0004"]
    assert committed(folder)["shards_hash"] == "other shards" and store.hash != before.hash
    assert store.item(0)[s.CAPTION] == "a dog"
    bytes_left = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    for needle in (b"clip0001", b"source0005", b"caption 5 dense", posterior["clip0005"]):
        assert needle not in bytes_left
    assert posterior["clip0002"] in bytes_left
    assert not take_out(folder, {"clip0001"}), "nothing is left to do"


def test_an_interrupted_encoding_loses_its_captions_whoever_they_are_of(tmp_path):
    folder = write_folder(tmp_path / "latents", clips=4)
    (folder / "manifest.parquet").unlink()
    assert take_out(folder, {"clip0001"})
    clips = {clip for keys in clip_keys(folder).values() for clip in keys}
    assert clips == {"clip0000", "clip0002", "clip0003"} and not text_keys(folder)
    assert not take_out(folder, {"clip0001"})


def test_of_all_clips_nothing_is_left(tmp_path):
    folder = write_folder(tmp_path / "latents", clips=2)
    assert take_out(folder, {"clip0000", "clip0001"})
    assert not [p for p in folder.rglob("*") if p.is_file()]


def test_an_encoding_that_was_interrupted_before_its_captions_loses_its_clips_too(tmp_path):
    folder = write_folder(tmp_path / "latents", clips=3)
    (folder / "manifest.parquet").unlink()
    shutil.rmtree(folder / TEXTS)
    assert take_out(folder, {"clip0001"})
    assert {c for keys in clip_keys(folder).values() for c in keys} == {"clip0000", "clip0002"}


def test_what_is_left_is_in_line_with_no_shards_where_none_are_named(tmp_path):
    folder = write_folder(tmp_path / "latents", clips=3, more={SHARDS_HASH: "shards of all three"})
    assert committed(folder)[SHARDS_HASH] == "shards of all three"
    assert take_out(folder, {"clip0001"})
    assert SHARDS_HASH not in committed(folder)
