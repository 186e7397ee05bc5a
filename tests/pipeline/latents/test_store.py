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
from pipeline.latents import store as store_module
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


def uneven(rows):
    """No two clips alike in any number, so that a fault that reads the wrong row or column shows."""
    for i, row in enumerate(rows):
        clip = int(row[s.CLIP_ID][4:])
        row |= {s.N_FRAMES: 100 + clip, s.WIDTH: 300 + clip, s.HEIGHT: 500 + clip}
        row |= {s.FPS: 8.5 + clip, s.TEXT_CUT: None if i % 2 else i}


def test_a_row_tells_of_its_own_clip_and_caption(tmp_path):
    """Another clip's size or frame rate would be trained on without a word."""
    rows = []
    folder = write_folder(tmp_path / "latents", clips=6, edit=lambda r: (uneven(r), rows.extend(r)))
    store, at = LatentStore(folder), 0
    by_clip = [[row for row in rows if row[s.CLIP_ID] == clip] for clip in store.clip_ids]
    for clip, own in enumerate(by_clip):
        scalars = {name: own[0][name] for name in (s.CLIP_ID, s.SOURCE_ID, s.WIDTH, s.HEIGHT)}
        scalars |= {s.N_FRAMES: own[0][s.N_FRAMES], s.FPS: own[0][s.FPS]}
        scalars[s.LATENT_SHAPE] = list(own[0][s.LATENT_MEAN].shape)
        assert store.clip(clip) == scalars
        assert store.captions_of(clip) == range(at, at + len(own))
        for row in own:
            told = {name: row[name] for name in (s.KIND, s.CAPTION, s.TEXT_CUT)}
            assert store.row(at) == {**scalars, **told, s.TEXT_LEN: len(row[s.TEXT_FEATURES])}
            assert (store.clip_of(at), store.text_cut(at)) == (clip, row[s.TEXT_CUT])
            at += 1
    assert at == len(store) == 9
    pixels = {(r[s.N_FRAMES], r[s.WIDTH], r[s.HEIGHT], r[s.FPS]): 1 for r in rows}
    assert store.pixels() == pixels


def test_clips_are_counted_by_what_the_vae_saw_and_by_their_kinds(tmp_path, monkeypatch):
    """A plan that miscounts them trains other mixes than it says; counted in pieces as in one."""
    store = LatentStore(write_folder(tmp_path / "latents", clips=24, shapes=SHAPES[:2]))
    assert store.pixels() == {(9, 32, 32, 8.0): 12, (1, 48, 32, 8.0): 12}
    kinds = {frozenset({"dense"}): 12, frozenset({"dense", "short"}): 12}
    assert store.kind_sets() == kinds
    monkeypatch.setattr(store_module, "CHUNK", 5)
    assert store.kind_sets() == kinds
    assert list(store.clip_ids) == [f"clip{i:04d}" for i in range(24)]


def test_clips_are_a_sequence(latents):
    clips = LatentStore(latents).clips
    assert clips[2:8:3] == [clips[2], clips[5]] and clips[59] == {"dense": 118, "short": 119}
    for number in (-1, 60):
        with pytest.raises(IndexError, match=str(number)):
            clips[number]


def test_what_encode_was_told_is_read_and_an_old_folder_says_nothing(latents):
    store = LatentStore(latents)
    for text, said in (('{"vae": "v/1"}', "v/1"), ('{"vae"', ""), ("{}", "")):
        (latents / "settings.json").write_text(text)
        assert store.made_with("vae") == said
    (latents / "settings.json").unlink()
    assert store.made_with("vae") == ""


def test_a_clip_without_its_caption_and_a_caption_without_a_word(tmp_path):
    """What training without text, and with an empty caption, is given."""

    def silent(rows):
        for row in rows[:1]:
            row |= {s.CAPTION: "", s.TEXT_FEATURES: np.zeros((0, 8), np.float16)}

    store = LatentStore(write_folder(tmp_path / "latents", clips=4, edit=silent))
    assert store.caption(0) == "" and store.text(0).shape == (0, 8)
    assert store.text(0).dtype == store.text(1).dtype == np.float32
    bare, item = store.bare_item(1), store.item(1)
    assert (bare[s.KIND], bare[s.CAPTION], bare[s.TEXT_FEATURES].shape) == ("", "", (0, 8))
    same = bare.keys() - {s.KIND, s.CAPTION, s.TEXT_FEATURES, s.LATENT_MEAN, s.LATENT_LOGVAR}
    assert all(bare[name] == item[name] for name in same) and bare.keys() == item.keys()
    for name in (s.LATENT_MEAN, s.LATENT_LOGVAR):
        assert torch.equal(bare[name], item[name])
    folder = write_folder(tmp_path / "mean", clips=4, more={"posterior": "mean"})
    assert LatentStore(folder).item(0)[s.LATENT_LOGVAR].eq(-torch.inf).all(), "a variance of 0"


def test_statistics_by_channel_are_those_of_the_folder(tmp_path):
    mean, std = LatentStore(write_folder(tmp_path / "latents")).channel_stats()
    assert mean.shape == std.shape == (4, 1, 1, 1)
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.0, 0.1, 0.0, -0.1]))
    torch.testing.assert_close(std.flatten(), torch.tensor([1.0, 1.0, 1.1, 0.9]))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (s.LATENT_MEAN, "latents of clip clip0001 hold NaN or infinity"),
        (s.LATENT_LOGVAR, "latents of clip clip0001 hold NaN or infinity"),
        (s.TEXT_FEATURES, "text features of clip clip0001 hold NaN or infinity"),
    ],
)
def test_a_number_that_is_none_is_told_by_its_clip(tmp_path, name, says):
    """One NaN of an encoder would make every weight NaN at the step that draws it."""

    def spoil(rows):
        for row in rows:
            if row[s.CLIP_ID] == "clip0001":
                row[name] = row[name].copy()
                row[name].flat[-1] = np.nan

    store = LatentStore(write_folder(tmp_path / "latents", clips=3, edit=spoil))
    for caption in range(len(store)):
        if store.clip_ids[store.clip_of(caption)] != "clip0001":
            store.item(caption)
            continue
        with pytest.raises(ClipError, match=f"^{says}$") as told:
            store.item(caption)
        assert told.value.kind == "decode"


def test_a_damaged_part_is_named_with_the_clip(tmp_path):
    """The message is all that a user has to find the file by."""
    folder = make_latents(tmp_path / "latents", n=4, per_part=100)
    for place, name in ((folder, s.POSTERIOR), (folder / "texts", s.TEXT_FEATURES)):
        (path,) = place.glob("part-*.parquet")
        cell = pq.read_table(path)[name][2].as_py()
        whole = path.read_bytes()
        raw = bytearray(whole)
        raw[raw.find(cell)] ^= 1
        path.write_bytes(bytes(raw))
        store, told = LatentStore(folder), []
        for caption in range(8):
            try:
                store.item(caption)
            except ClipError as error:
                told.append((store.clip_ids[store.clip_of(caption)], str(error)))
        assert told and all(f"clip {clip} in {path} do not" in text for clip, text in told)
        path.write_bytes(whole)


def test_what_was_fetched_from_a_store_is_kept_as_far_as_memory_was_given(tmp_path):
    """A second pass over a store's latents asks for nothing that the first has fetched, and memory has an end."""
    store, asked = LatentStore(write_folder(tmp_path / "latents")), []

    class Far:
        def __init__(self, root):
            self.root = root

        def read(self, part, offset, length):
            asked.append((self.root, part, offset, length))
            return bytes(length)

    one, two = Far("s3://bucket/latents"), Far("s3://bucket/latents/texts")
    read = [(one, "a", 0, 60), (two, "a", 0, 30), (one, "b", 0, 20), (one, "a", 60, 10)]
    store._room = 100
    for _ in range(2):
        assert [len(store._read(*which)) for which in read] == [60, 30, 20, 10]
    assert [(root, part, at) for root, part, at, _ in asked] == [
        ("s3://bucket/latents", "a", 0),
        ("s3://bucket/latents/texts", "a", 0),
        ("s3://bucket/latents", "b", 0),
        ("s3://bucket/latents", "a", 60),
        ("s3://bucket/latents", "b", 0),
    ]
    assert store._room == 0
    near = LatentStore(tmp_path / "latents")
    near.item(0)
    assert near._kept == {} and near._room == 0, "of a disk the page cache keeps it"
    travelled = pickle.loads(pickle.dumps(LatentStore(tmp_path / "latents", memory_bytes=7)))
    assert travelled.memory_bytes == 7
