"""Latent packs: budgeted, resumable, the same from memory and by range; stale and damaged rows told."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.latents.parts import cache_key
from pipeline.loader.api import LatentPacks
from tests.helpers.latents import commit_rows, write_rows

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
                    s.CACHE_KEY: cache_key(i),
                    s.LATENT_MEAN: mean,
                    s.LATENT_LOGVAR: mean * 0 - 4,
                    s.TEXT_FEATURES: text,
                    s.N_FRAMES: 1 + 4 * (shape[1] - 1),
                    s.WIDTH: shape[3] * 8,
                    s.HEIGHT: shape[2] * 8,
                    s.FPS: 8.0,
                }
            )
    return rows


def make_latents(folder, n=60, per_part=24):
    rows = latent_rows(n)
    for at in range(0, len(rows), per_part):
        write_rows(folder, rows[at : at + per_part], METADATA)
    commit_rows(folder, rows, METADATA)
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


def test_sides_that_no_patch_divides_count_whole_tokens(tmp_path):
    """Counted too few, a pack of odd clips is larger than the memory that the budget was chosen for."""
    rows = latent_rows(4)
    for row in rows:
        shape = (8, 2, 5, 7)
        row |= {s.LATENT_MEAN: np.zeros(shape), s.LATENT_LOGVAR: np.zeros(shape)}
    write_rows(tmp_path / "latents", rows, METADATA)
    commit_rows(tmp_path / "latents", rows, METADATA)
    loader = LatentPacks(tmp_path / "latents", token_budget=48)
    assert loader.lengths.tolist() == [2 * 3 * 4] * 4
    assert [len(pack) for pack in loader.steps.plan(0)] == [2, 2]


def test_every_rank_knows_the_tokens_of_the_whole_step(latents):
    """The loss is divided by them: with its own alone, each rank would weigh its clips by its luck."""
    alone = packs_of(latents, 3)
    for rank in (0, 1):
        ours = packs_of(latents, 3, rank=rank, world=2)
        assert [step.n_tokens for step in ours] == [step.n_tokens for step in alone]


def test_a_clip_shows_another_caption_in_another_epoch_and_for_another_seed(latents):
    mix = MixConfig(dense=1, short=1, empty=0)
    loader, other = (LatentPacks(latents, token_budget=200, mix=mix, seed=n) for n in (0, 1))
    drawn = {
        (name, epoch): [each._drawn(i, epoch) for i in range(60)]
        for name, each in (("0", loader), ("1", other))
        for epoch in (0, 1)
    }
    assert len({tuple(kinds) for kinds in drawn.values()}) == 4
    for kinds in drawn.values():
        assert 10 < kinds.count("short") < 50


def test_row_with_nan_is_replaced(tmp_path):
    folder = tmp_path / "latents"
    rows = latent_rows(12)
    rows[6] = {**rows[6], s.LATENT_MEAN: np.full(SHAPES[3], np.nan, np.float16)}
    write_rows(folder, rows, METADATA)
    commit_rows(folder, rows, METADATA)
    log = tmp_path / "quarantine.jsonl"
    loader = LatentPacks(folder, token_budget=200, drop_last=False, quarantine=log)
    steps = itertools.islice(loader, loader.steps.steps_in(0))
    seen = [c[s.CLIP_ID] for step in steps for pack in step.units for c in pack]
    assert "clip0003" not in seen and len(seen) >= 12
    again = LatentPacks(folder, token_budget=200, drop_last=False)
    (index,) = np.flatnonzero(np.array(again.clip_ids) == "clip0003")
    for epoch in range(4):
        stands_in = again._clip(int(index), epoch)
        assert stands_in[s.LATENT_MEAN].shape == SHAPES[3], "as long as the one it stands in for"
    assert json.loads(log.read_text())["clip_id"] == "clip0003"
