"""Latent packs: budgeted, resumable, the same from memory and by range; stale and damaged rows told."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.loader.api import LatentPacks
from pipeline.shards import latent_parts as parts
from pipeline.shards.latents import LatentStore

SHAPES = ((8, 5, 8, 8), (8, 5, 6, 10), (8, 1, 8, 8), (8, 3, 4, 4))
METADATA = {
    "vae_id": "v1", "text_encoder_id": "t1", "text_dim": "6",
    "latent_mean": json.dumps([0.5] * 8), "latent_std": json.dumps([2.0] * 8),
}  # fmt: skip


def latent_rows(n, *, value=None):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        shape = SHAPES[i % len(SHAPES)]
        mean = rng.normal(size=shape).astype(np.float16) if value is None else np.full(shape, value)
        for kind, tokens in (("short", 3), ("dense", 9)):
            text = np.full((tokens, 6), i, np.float16)
            rows.append(
                {
                    s.CLIP_ID: f"clip{i:04d}",
                    s.KIND: kind,
                    s.CAPTION: f"{kind} {i}",
                    s.CACHE_KEY: parts.cache_key(i, kind),
                    s.LATENT_MEAN: mean.astype(np.float16).tobytes(),
                    s.LATENT_LOGVAR: (mean * 0 - 4).astype(np.float16).tobytes(),
                    s.LATENT_SHAPE: list(shape),
                    s.TEXT_FEATURES: text.tobytes(),
                    s.TEXT_LEN: tokens,
                    s.N_FRAMES: 1 + 4 * (shape[1] - 1),
                    s.WIDTH: shape[3] * 8,
                    s.HEIGHT: shape[2] * 8,
                    s.FPS: 8.0,
                }
            )
    return rows


def make_latents(folder, n=60, per_part=25):
    rows = latent_rows(n)
    for at in range(0, len(rows), per_part):
        parts.write_latents(folder, rows[at : at + per_part], METADATA)
    parts.commit(folder, METADATA)
    return folder


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return make_latents(tmp_path_factory.mktemp("run") / "latents")


def packs_of(folder, n, **options):
    options = {"token_budget": 200, "packs_per_step": 4, **options}
    return list(itertools.islice(LatentPacks(folder, **options), n))


def ids(steps):
    return [[[(c[s.CLIP_ID], c[s.KIND]) for c in pack] for pack in step.units] for step in steps]


def test_packs_respect_the_budget_and_hold_every_clip_once(latents):
    loader = LatentPacks(latents, token_budget=200, packs_per_step=2, drop_last=False)
    steps = list(itertools.islice(loader, loader.steps.steps_in(0)))
    seen = []
    for step in steps:
        total = 0
        for pack in step.units:
            tokens = sum(
                c[s.LATENT_MEAN].shape[1] * c[s.LATENT_MEAN][0, 0].numel() // 4 for c in pack
            )
            assert 0 < tokens <= 200
            total += tokens
            seen += [c[s.CLIP_ID] for c in pack]
        assert step.n_tokens == total
    assert set(seen) == {f"clip{i:04d}" for i in range(60)}
    assert len(seen) - 60 <= max(len(pack) for step in steps for pack in step.units)


def test_items_hold_what_was_written(latents):
    store = LatentStore(latents)
    assert store.in_memory and len(store) == 120
    want = {(row[s.CLIP_ID], row[s.KIND]): row for row in latent_rows(60)}
    for i in range(0, 120, 7):
        item = store.item(i)
        row = want[item[s.CLIP_ID], item[s.KIND]]
        mean = np.frombuffer(row[s.LATENT_MEAN], np.float16).reshape(row[s.LATENT_SHAPE])
        assert torch.equal(item[s.LATENT_MEAN], torch.from_numpy(mean.astype(np.float32)))
        assert item[s.TEXT_FEATURES].shape == (row[s.TEXT_LEN], 6)
        assert item[s.CAPTION] == row[s.CAPTION]
    mean, std = store.channel_stats()
    assert mean.shape == (8, 1, 1, 1) and float(std[0]) == 2.0


def test_by_range_equals_from_memory(latents):
    memory, ranges = LatentStore(latents), LatentStore(latents, memory_bytes=0)
    assert memory.in_memory and not ranges.in_memory
    for i in range(len(memory)):
        for a, b in zip(memory.payload(i), ranges.payload(i), strict=True):
            np.testing.assert_array_equal(a, b)


def test_resume_at_every_step_for_worlds_one_to_four(latents):
    steps = packs_of(latents, 12)
    assert steps[-1].epoch > 0
    want = ids(steps)
    loaders = [
        (r, w, LatentPacks(latents, token_budget=200, packs_per_step=4, rank=r, world=w))
        for w in (1, 2, 3, 4)
        for r in range(w)
    ]
    for k in range(11):
        for rank, world, loader in loaders:
            loader.seek(steps[k].state.to_dict())
            assert ids(itertools.islice(loader, 1))[0] == want[k + 1][rank::world]


def test_kind_draw_changes_over_epochs_and_can_be_empty(latents):
    kinds = {c[s.KIND] for step in packs_of(latents, 12) for pack in step.units for c in pack}
    assert "dense" in kinds
    short = packs_of(latents, 2, mix=MixConfig(short=1, empty=0))
    assert {c[s.KIND] for step in short for pack in step.units for c in pack} == {"short"}
    empty = packs_of(latents, 1, mix=MixConfig(empty=1))[0].units[0][0]
    assert empty[s.TEXT_FEATURES].shape == (0, 6) and empty[s.CAPTION] == ""
    assert empty[s.LATENT_MEAN].dim() == 4


def test_flipped_byte_is_noticed(tmp_path):
    folder = make_latents(tmp_path / "latents", n=8, per_part=100)
    (path,) = folder.glob("part-*.parquet")
    raw = bytearray(path.read_bytes())
    at = raw.find(np.frombuffer(latent_rows(8)[6][s.LATENT_MEAN], np.uint8).tobytes())
    raw[at + 30] ^= 0x10
    path.write_bytes(bytes(raw))
    with pytest.raises(ValueError, match="damaged.*run `filmstock encode` again"):
        LatentStore(folder)


def test_row_with_nan_is_replaced(tmp_path):
    folder = tmp_path / "latents"
    rows = latent_rows(12)
    rows[0] = {**rows[0], s.LATENT_MEAN: np.full(SHAPES[0], np.nan, np.float16).tobytes()}
    rows[1] = {**rows[1], s.LATENT_MEAN: rows[0][s.LATENT_MEAN]}
    parts.write_latents(folder, rows, METADATA)
    parts.commit(folder, METADATA)
    log = tmp_path / "quarantine.jsonl"
    loader = LatentPacks(folder, token_budget=200, drop_last=False, quarantine=log)
    steps = itertools.islice(loader, loader.steps.steps_in(0))
    seen = [c[s.CLIP_ID] for step in steps for pack in step.units for c in pack]
    assert "clip0000" not in seen and len(seen) >= 12
    assert json.loads(log.read_text())["clip_id"] == "clip0000"


def test_unfinished_or_mixed_folders_are_refused(tmp_path, tmp_path_factory):
    folder = make_latents(tmp_path / "latents", n=4)
    parts.write_latents(folder, latent_rows(5)[-1:], {**METADATA, "vae_id": "v2"})
    assert len(LatentStore(folder)) == 8  # a part that no manifest names is not read
    parts.commit(folder, METADATA)
    with pytest.raises(ValueError, match="another vae_id than"):
        LatentStore(folder)
    (folder / parts.committed_parts(folder)[0]).unlink()
    assert not parts.is_committed(folder)
    with pytest.raises(ValueError, match="is missing; run `filmstock encode` again"):
        LatentStore(folder)
    (folder / "manifest.parquet").unlink()
    with pytest.raises(ValueError, match="encoding was interrupted"):
        LatentStore(folder)
    with pytest.raises(ValueError, match="holds no latents; run `filmstock encode`"):
        LatentStore(tmp_path_factory.mktemp("empty"))


def test_prune_keeps_what_is_wanted_and_nothing_else(tmp_path):
    folder = make_latents(tmp_path / "latents", n=20, per_part=10)
    before = {path: path.read_bytes() for path in folder.glob("part-*.parquet")}
    wanted = {(r[s.CLIP_ID], r[s.KIND]): r[s.CACHE_KEY] for r in latent_rows(20)}
    assert parts.prune(folder, wanted) == (set(wanted), 0)
    assert parts.is_committed(folder)
    wanted["clip0003", "dense"] = "new key"
    del wanted["clip0019", "short"]
    kept, dropped = parts.prune(folder, wanted)
    assert dropped == 2 and kept == set(wanted) - {("clip0003", "dense")}
    assert not parts.is_committed(folder)
    untouched = [
        path for path, data in before.items() if path.exists() and path.read_bytes() == data
    ]
    assert len(untouched) == 2 and len(list(folder.glob("part-*.parquet"))) == 4
    found = [key for keys in parts.present_keys(folder).values() for key in keys]
    assert sorted(found) == sorted(kept)
