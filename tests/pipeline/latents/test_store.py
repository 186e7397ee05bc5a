"""The latent store: a clip once, a caption once, a mapped index; damage and old layouts are named."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline import schema as s
from pipeline.latents import index
from pipeline.latents.layout import committed
from pipeline.latents.store import LatentStore
from pipeline.shards.ranges import ClipError
from tests.helpers.latents import SHAPES, commit_rows, write_folder, write_rows
from tests.pipeline.loader.test_latent_packs import METADATA, latent_rows, make_latents


def bf16(numbers):
    return torch.from_numpy(np.float32(numbers)).bfloat16().float()


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return make_latents(tmp_path_factory.mktemp("run") / "latents")


def test_a_clip_is_stored_once_and_its_items_hold_what_was_written(latents):
    stored = sum(pq.ParquetFile(p).metadata.num_rows for p in latents.glob("part-*.parquet"))
    assert stored == 60
    store = LatentStore(latents)
    assert len(store) == 120 and len(store.clips) == len(store.clip_ids) == 60
    want = {(row[s.CLIP_ID], row[s.KIND]): row for row in latent_rows(60)}
    for i in range(0, 120, 7):
        item = store.item(i)
        row = want[item[s.CLIP_ID], item[s.KIND]]
        assert torch.equal(item[s.LATENT_MEAN], bf16(row[s.LATENT_MEAN]))
        assert torch.equal(item[s.LATENT_LOGVAR], bf16(row[s.LATENT_LOGVAR]))
        assert torch.equal(item[s.TEXT_FEATURES], bf16(row[s.TEXT_FEATURES]))
        for name in (s.CAPTION, s.FPS, s.N_FRAMES, s.WIDTH, s.HEIGHT):
            assert item[name] == row[name]
        assert store.clips[store.clip_of(i)][item[s.KIND]] == i
    mean, std = store.channel_stats()
    assert mean.shape == (8, 1, 1, 1) and float(std[0]) == 2.0
    assert store.kind_sets() == {frozenset({"dense", "short"}): 60}


@pytest.mark.parametrize(("kept", "stored"), [("mean", "fp8"), ("full", "bf16")])
def test_what_is_kept_can_be_chosen(tmp_path, kept, stored):
    folder = write_folder(tmp_path / "a", more={"posterior": kept, "text_storage": stored})
    store, whole = LatentStore(folder), LatentStore(write_folder(tmp_path / "b"))
    for i in range(0, len(store), 5):
        item, want = store.item(i), whole.item(i)
        assert torch.equal(item[s.LATENT_MEAN], want[s.LATENT_MEAN])
        deviation = (0.5 * item[s.LATENT_LOGVAR]).exp()
        assert deviation.eq(0).all() if kept == "mean" else deviation.gt(0).all()
        error = (item[s.TEXT_FEATURES] - want[s.TEXT_FEATURES]).abs().max()
        assert error <= (0.04 if stored == "fp8" else 0) * want[s.TEXT_FEATURES].abs().max()
    sizes = [
        sum(pq.read_table(path)[s.POSTERIOR].nbytes for path in sorted(at.glob("part-*.parquet")))
        for at in (folder, tmp_path / "b")
    ]
    assert sizes[0] < 0.6 * sizes[1] or kept == "full"


def test_clips_with_the_same_caption_share_its_features(tmp_path):
    def same(rows):
        for row in rows:
            row |= {s.CAPTION: "a dog", s.TEXT_FEATURES: rows[0][s.TEXT_FEATURES]}

    folder = write_folder(tmp_path / "latents", edit=same)
    (path,) = (folder / "texts").glob("part-*.parquet")
    assert pq.ParquetFile(path).metadata.num_rows == 1
    store = LatentStore(folder)
    assert len(store) == 36 and store.caption(35) == "a dog"


def test_the_index_is_mapped_not_read_and_travels_by_name(latents):
    before = pa.total_allocated_bytes()
    store = LatentStore(latents)
    assert not store.shapes.flags.owndata
    assert pa.total_allocated_bytes() - before < 4096
    travelled = pickle.dumps(store)
    assert len(travelled) < 1000
    assert torch.equal(pickle.loads(travelled).item(3)[s.LATENT_MEAN], store.item(3)[s.LATENT_MEAN])


@pytest.mark.parametrize("name", [s.POSTERIOR, s.TEXT_FEATURES])
def test_a_flipped_byte_is_noticed_when_it_is_read(tmp_path, name):
    folder = make_latents(tmp_path / "latents", n=8, per_part=100)
    place = folder if name == s.POSTERIOR else folder / "texts"
    (path,) = place.glob("part-*.parquet")
    cell = pq.read_table(path)[name][6].as_py()
    raw = bytearray(path.read_bytes())
    raw[raw.find(cell) + 5] ^= 0x10
    path.write_bytes(bytes(raw))
    store, bad = LatentStore(folder), 0
    for i in range(16):
        try:
            store.item(i)
        except ClipError as error:
            assert error.kind == "hash" and "filmstock encode" in str(error)
            bad += 1
    assert bad == (2 if name == s.POSTERIOR else 1)


def test_unfinished_or_mixed_folders_are_refused(tmp_path, tmp_path_factory):
    rows = latent_rows(5)
    folder = make_latents(tmp_path / "latents", n=4)
    write_rows(folder, rows[-1:], {**METADATA, "vae_id": "v2"})
    assert len(LatentStore(folder)) == 8  # a part that no manifest names is not read
    with pytest.raises(ValueError, match="another vae_id than"):
        commit_rows(folder, rows, METADATA)
    (part,) = {
        p
        for p in folder.glob("part-*.parquet")
        if "v1" in pq.read_schema(p).metadata[b"vae_id"].decode()
    }
    part.unlink()
    assert not index.is_committed(folder)
    with pytest.raises(ValueError, match="is missing; run `filmstock encode` again"):
        LatentStore(folder)
    (folder / "manifest.parquet").unlink()
    with pytest.raises(ValueError, match="encoding was interrupted"):
        LatentStore(folder)
    with pytest.raises(ValueError, match="holds no latents; run `filmstock encode`"):
        LatentStore(tmp_path_factory.mktemp("empty"))


def test_an_index_of_another_encoding_is_refused(tmp_path):
    one, two = write_folder(tmp_path / "one"), write_folder(tmp_path / "two", clips=5)
    (one / "clips.arrow").write_bytes((two / "clips.arrow").read_bytes())
    with pytest.raises(ValueError, match="clips.arrow is not that of its manifest"):
        LatentStore(one)


def test_the_hash_is_of_what_training_sees_not_of_where_it_lies(tmp_path):
    one = make_latents(tmp_path / "one", n=20, per_part=10)
    two = make_latents(tmp_path / "two", n=20, per_part=40)
    assert LatentStore(one).hash == LatentStore(two).hash == committed(one)["rows_hash"]
    assert LatentStore(make_latents(tmp_path / "three", n=19)).hash != LatentStore(one).hash


def test_clips_that_name_no_source_are_their_own(tmp_path):
    def one_source(rows):
        for row in rows:
            row[s.SOURCE_ID] = "film" if row[s.CLIP_ID] < "clip0010" else None

    store = LatentStore(write_folder(tmp_path / "latents", edit=one_source))
    draws = store.source_draws.tolist()
    assert len(set(draws[:10])) == 1 and len(set(draws)) == 15
    assert draws[0] == index.source_draw("film") and store.sources[store.source_codes[0]] == "film"
    assert json.loads(store.metadata["latent_std"]) and len(SHAPES) == 4
