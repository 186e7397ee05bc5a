"""Parts of stored latents: what is stale goes, what is wanted stays as it is; the old layout goes whole."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import schema as s
from pipeline.latents import index, parts
from pipeline.latents.store import LatentStore
from pipeline.shards.layout import VERSION_KEY
from tests.helpers.latents import commit_rows, text_key
from tests.pipeline.loader.test_latent_packs import METADATA, latent_rows, make_latents


def test_prune_keeps_what_is_wanted_and_nothing_else(tmp_path):
    folder = make_latents(tmp_path / "latents", n=20, per_part=10)
    rows = latent_rows(20)
    before = {path: path.read_bytes() for path in folder.rglob("part-*.parquet")}
    wanted = {row[s.CLIP_ID]: row[s.CACHE_KEY] for row in rows}
    texts = {text_key(row) for row in rows}
    assert parts.prune_clips(folder, wanted) == (set(wanted), 0)
    assert parts.prune_texts(folder, texts) == (texts, 0)
    assert index.is_committed(folder)
    wanted["clip0003"] = "new key"
    del wanted["clip0019"]
    assert parts.prune_clips(folder, wanted) == (set(wanted) - {"clip0003"}, 2)
    assert not index.is_committed(folder)
    gone = text_key(rows[0])
    assert parts.prune_texts(folder, texts - {gone}) == (texts - {gone}, 1)
    untouched = [p for p, data in before.items() if p.exists() and p.read_bytes() == data]
    assert len(untouched) == 8 - 3 and len(list(folder.rglob("part-*.parquet"))) == 8
    clips, captions = commit_rows(folder, rows, METADATA)
    assert (clips, captions) == (18, 35)
    found = {c for keys in parts.clip_keys(folder).values() for c in keys}
    assert found == set(LatentStore(folder).clip_ids)


def test_latents_of_the_old_layout_are_refused_by_name(tmp_path):
    folder = tmp_path / "run" / "latents"
    folder.mkdir(parents=True)
    names = (s.CLIP_ID, s.KIND, s.CACHE_KEY, s.SHARD)
    pq.write_table(pa.table({name: ["x"] for name in names}), folder / "manifest.parquet")
    pq.write_table(pa.table({name: ["x"] for name in names}), folder / "part-0.parquet")
    with pytest.raises(ValueError, match=r"layout 1 .* renew them with `filmstock encode .*run`"):
        LatentStore(folder)
    assert parts.prune_clips(folder, {"x": "x"}) == (set(), 0)
    assert not list(folder.glob("*.parquet")), "encode begins anew"


def test_latents_of_another_schema_version_are_refused_and_stay(tmp_path):
    """Neither trained on nor, as damage, written over by encode."""
    folder = make_latents(tmp_path / "latents", n=4)
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        metadata = {**table.schema.metadata, VERSION_KEY.encode(): b"99"}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    told = r"has schema version 99, this filmstock reads 1; write it again"
    with pytest.raises(ValueError, match=told):
        LatentStore(folder)
    with pytest.raises(ValueError, match=told):
        parts.prune_clips(folder, {"x": "x"})
    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == before


@pytest.mark.parametrize("seed", range(4))
def test_a_prune_that_was_killed_before_it_removed_the_old_part_ends_the_same(tmp_path, seed):
    """The new part, whatever its name, is not taken for a second copy of the rows of the old one."""
    folder = make_latents(tmp_path / "latents", n=8, per_part=100)
    old = {path: path.read_bytes() for path in folder.glob("part-*.parquet")}
    wanted = {row[s.CLIP_ID]: row[s.CACHE_KEY] for row in latent_rows(8)[2 * seed + 2 :]}
    parts.prune_clips(folder, wanted)
    for path, data in old.items():
        path.write_bytes(data)
    assert parts.prune_clips(folder, wanted)[0] == set(wanted)
    assert {c for keys in parts.clip_keys(folder).values() for c in keys} == set(wanted)


def test_a_clip_that_lies_in_two_parts_is_kept_once(tmp_path):
    """Twice, training would see it twice as often as the others, and forget would have to find both."""
    folder = make_latents(tmp_path / "latents", n=8, per_part=100)
    again = [row for row in latent_rows(8) if row[s.CLIP_ID] in ("clip0002", "clip0005")]
    parts.write_clips(folder, [row for row in again if row[s.KIND] == "dense"], METADATA)
    assert sorted(map(len, parts.clip_keys(folder).values())) == [2, 8]
    wanted = {row[s.CLIP_ID]: row[s.CACHE_KEY] for row in latent_rows(8)}
    assert parts.prune_clips(folder, wanted) == (set(wanted), 2)
    found = [clip for keys in parts.clip_keys(folder).values() for clip in keys]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("error", [ConnectionError("no answer"), PermissionError("denied")])
def test_a_part_that_a_store_does_not_give_is_not_taken_for_damaged(tmp_path, monkeypatch, error):
    """It would be removed as stale: an hour of a GPU for each minute that a store was silent."""
    folder = make_latents(tmp_path / "latents", n=8, per_part=4)
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}

    def silent(path):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(parts, "parquet_input", silent)
        for prune in (lambda: parts.prune_clips(folder, {}), lambda: parts.prune_texts(folder, ())):
            with pytest.raises(type(error)):
                prune()
    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == before
    next(folder.glob("part-*.parquet")).write_bytes(b"PAR1 and no more")
    assert sum(map(len, parts.clip_keys(folder).values())) < 8, "damage is another thing"


def test_clips_of_equal_bytes_are_kept_whatever_parts_they_come_in(tmp_path):
    """Their cache keys are the same: it is a part of two other clips, not the same part again."""
    folder = tmp_path / "latents"
    one, two, other = latent_rows(6)[0::2][:3]
    two = {**one, s.CLIP_ID: two[s.CLIP_ID]}
    for rows in ([one, other], [two]):
        parts.write_clips(folder, rows, METADATA)
    parts.write_texts(folder, [{**one, s.TEXT_KEY: text_key(one)}], METADATA)
    assert commit_rows(folder, [one, two], METADATA) == (2, 2)
    wanted = {row[s.CLIP_ID]: row[s.CACHE_KEY] for row in (one, two)}
    assert parts.prune_clips(folder, wanted) == (set(wanted), 1)
    assert commit_rows(folder, [one, two], METADATA) == (2, 2)
    parts.write_clips(folder, [one], METADATA)
    assert sum(len(keys) for keys in parts.clip_keys(folder).values()) == 2
