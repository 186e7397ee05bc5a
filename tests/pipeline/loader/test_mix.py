"""The caption draw: shares, fallback, and the same draws whoever reads, however many, from wherever a run goes on."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
import xxhash

from captioner.render import render_text
from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.latents.parts import cache_key
from pipeline.loader.api import ClipView, LatentPacks, VideoBatches, with_workers
from pipeline.loader.mix import (
    draw_caption,
    draw_kind,
    draw_rendering,
    draw_shares,
    lacking,
    shown_kind,
    without_empty,
)
from tests.helpers.latents import commit_rows, write_rows
from tests.helpers.shard_media import make_rows, make_shards

ALL = s.CAPTION_KINDS
STRUCTURED = json.dumps(
    {
        "subjects": [
            {"name": "dog", "appearance": "brown", "action": "runs", "position": "on the left"},
            {"name": "balls", "count": 2, "appearance": "red", "action": "lie in the grass"},
        ],
        "background": "a meadow",
        "camera": "is static",
        "lighting": "is soft",
        "style": "plain video",
    }
)
METADATA = {
    "vae_id": "v1", "text_encoder_id": "t1", "text_dim": "2",
    "latent_mean": "[0.0]", "latent_std": "[1.0]",
}  # fmt: skip


def within(found, share, n):
    """Inside five standard deviations of a binomial: one false alarm in two million draws of this test."""
    return abs(found - n * share) <= 5 * math.sqrt(n * share * (1 - share)) + 1e-9


@pytest.mark.parametrize(
    "mix",
    [
        MixConfig(),
        MixConfig(dense=0.95, original=0.05),
        MixConfig(dense=6, short=2, structured=1, original=1, empty=0.25),
        MixConfig(short=1, empty=0),
    ],
)
def test_shares_of_draws_are_the_weights(mix):
    shares, n = draw_shares(mix, ALL), 20_000
    assert sum(shares.values()) == pytest.approx(1)
    for key in ((0, 0), (3, 7)):
        draws = Counter(draw_kind(*key, f"clip{i}", shares) for i in range(n))
        assert set(draws) <= set(shares)
        assert all(within(draws[kind], share, n) for kind, share in shares.items())
    epochs = Counter(draw_kind(0, epoch, "clip", shares) for epoch in range(n))
    assert all(within(epochs[kind], share, n) for kind, share in shares.items())


def test_default_shares():
    assert draw_shares(MixConfig(), ALL) == pytest.approx(
        {"": 0.1, "dense": 0.855}
        | dict.fromkeys(("short", "structured", "original", "facts"), 0.01125)
    )
    assert draw_shares(MixConfig(empty=0), ["dense", "short"]) == {
        "dense": 0.95,
        "short": pytest.approx(0.05),
    }
    assert draw_shares(MixConfig(empty=0), ["short"]) == {"short": 1.0}
    assert draw_shares(MixConfig(), []) == {"": 1.0}
    assert draw_shares(MixConfig(empty=1, dense=1), ["short"])[""] == 1
    assert without_empty({"": 0.5, "dense": 0.4, "short": 0.1}) == pytest.approx(
        {"dense": 0.8, "short": 0.2}
    )
    assert without_empty({"": 1.0}) == {"": 1.0}


def test_seed_epoch_and_clip_each_move_a_draw():
    # Pinned: a change here would show every run that resumes other captions.
    shares = {"dense": 0.5, "short": 0.5}
    assert draw_kind(1, 2, "clip", shares) == "short"
    assert draw_rendering(1, 2, "clip", ["structured.0", "structured.1", "structured.2"]) == (
        "structured.0"
    )
    names = [f"structured.{n}" for n in range(12)]
    drawn = [draw_rendering(1, epoch, "clip", names) for epoch in range(40)]
    assert drawn == [draw_rendering(1, epoch, "clip", names[::-1]) for epoch in range(40)]
    places = [xxhash.xxh3_64_intdigest(f"rendering:1:{e}:clip".encode()) % 12 for e in range(40)]
    assert drawn == [names[place] for place in places], "10 comes after 9"
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b")]
    runs = [tuple(draw_kind(s0 + 10 * i, e, c, shares) for i in range(64)) for s0, e, c in keys]
    assert len(set(runs)) == 4


def test_weights_that_cannot_be_drawn_by_are_refused():
    for wrong, message in (
        ({"dense": -1}, "dense is -1; it must be at least 0"),
        ({"short": math.nan}, "short is nan; it must be finite and at least 0"),
        ({"empty": 1.5}, "empty is 1.5; it must be at least 0 and at most 1"),
        ({"empty": -0.1}, "empty is -0.1; it must be"),
        ({"dense": 0, "short": 0}, r"all weights are 0 \(short, dense\)"),
    ):
        with pytest.raises(ValueError, match=message):
            MixConfig(**wrong)
    with pytest.raises(ValueError, match="draws original captions only.*there are dense, short"):
        draw_shares(MixConfig(original=1, dense=0), ["short", "dense"])


def test_a_kind_that_is_lacking_is_replaced_by_rule_and_counted():
    assert shown_kind("original", {"short", "structured"}) == "structured"
    assert shown_kind("short", {"dense", "structured"}) == "dense"
    assert shown_kind("dense", {"original"}) == "original"
    assert shown_kind("", {"dense"}) == ""
    assert shown_kind("dense", set()) == ""
    shares = {"": 0.1, "dense": 0.8, "short": 0.1}
    clips = [{"dense"}, {"dense", "short"}, {"short"}, set()]
    assert lacking(shares, Counter(map(frozenset, clips))) == {"dense": 1, "short": 1}


def test_what_other_clips_lack_moves_no_draw():
    full = draw_shares(MixConfig(dense=0.5, short=0.5), ALL)
    less = draw_shares(MixConfig(dense=0.5, short=0.5), ["dense"])
    assert full == less


def test_structured_captions_become_prose_that_differs_by_epoch():
    captions = {"structured": STRUCTURED, "short": "A dog."}
    shares = {"structured": 1.0}

    def told_of(captions, epochs, render):
        return [draw_caption(captions, captions.get, shares, 0, e, "c", render) for e in epochs]

    told = told_of(captions, range(12), render_text)
    assert {kind for kind, _ in told} == {"structured"}
    assert len({text for _, text in told}) > 6 and not any("{" in text for _, text in told)
    assert all("dog" in text for _, text in told)
    assert told == told_of(captions, range(12), render_text)
    assert told_of(captions, [0], None) == [("short", "A dog.")]
    broken = {**captions, "structured": '{"subjects": []}'}
    assert told_of(broken, [0], render_text) == [("short", "A dog.")]


def write_latents(folder, clips):
    rows = []
    for i in range(clips):
        names = ["dense", "short", "structured.0", "structured.1", "structured.2", "original"]
        names = names[i % 2 : 6 - i % 3]
        for name in names:
            text = np.full((2, 2), i, np.float16)
            latent = np.zeros((1, 1, 2, 2), np.float16)
            rows.append(
                {
                    s.CLIP_ID: f"clip{i:04d}",
                    s.KIND: name,
                    s.CAPTION: f"{name} of {i}",
                    s.CACHE_KEY: cache_key(i),
                    s.LATENT_MEAN: latent,
                    s.LATENT_LOGVAR: latent,
                    s.TEXT_FEATURES: text,
                    s.N_FRAMES: 1,
                    s.WIDTH: 16,
                    s.HEIGHT: 16,
                    s.FPS: 8.0,
                }
            )
    write_rows(folder, rows, METADATA)
    commit_rows(folder, rows, METADATA)
    return folder


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return write_latents(tmp_path_factory.mktemp("mix") / "latents", 240)


MIX = MixConfig(dense=4, short=2, structured=2, original=1, empty=0.2)
OPTIONS = {"token_budget": 2, "packs_per_step": 24, "mix": MIX, "seed": 5}


def draws_of(step):
    return [[(c[s.CLIP_ID], c[s.KIND], c[s.CAPTION]) for c in pack] for pack in step.units]


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """A folder, and nine steps of it that one process draws."""
    folder = write_latents(tmp_path_factory.mktemp("epochs") / "latents", 144)
    steps = list(itertools.islice(LatentPacks(folder, **OPTIONS), 9))
    assert [step.epoch for step in steps] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    return folder, steps


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 2, 4])
@pytest.mark.parametrize("world", [1, 2, 3, 4, 6, 8])
def test_the_same_draws_for_every_world_and_worker_count_and_across_resumes(
    three_epochs, world, workers
):
    folder, steps = three_epochs
    want = [draws_of(step) for step in steps]
    for rank in (
        range(world) if workers == 0 else [world - 1]
    ):  # starting processes is what takes time
        reader = with_workers(LatentPacks(folder, **OPTIONS, rank=rank, world=world), workers)
        for k in (7, 2):  # a resume at another step, on the far side of an epoch
            reader.seek(steps[k].state.to_dict())
            assert draws_of(next(iter(reader))) == want[k + 1][rank::world]


def test_a_loader_draws_by_the_mix_and_says_what_is_lacking(latents):
    packs = LatentPacks(latents, token_budget=3, packs_per_step=80, mix=MIX)
    n = 12_000
    steps = itertools.islice(packs, n // 240)
    seen = Counter(c[s.KIND].partition(".")[0] for st in steps for pack in st.units for c in pack)
    assert sum(seen.values()) == n
    assert within(seen[""], 0.2, n)
    have = [{name.partition(".")[0] for name in names} for names in packs.clips]
    expected: Counter[str] = Counter()
    for kinds in have:
        for kind, share in packs.shares.items():
            expected[shown_kind(kind, kinds)] += share * n / 240
    assert all(abs(seen[k] - expected[k]) < 5 * math.sqrt(n / 4) for k in expected)
    assert packs.lacking == {"dense": 120, "original": 160}
    drawn = [packs._drawn(i, e) for e in range(50) for i in range(240)]
    renderings = Counter(name for name in drawn if name.startswith("structured"))
    assert len(renderings) == 3 and min(renderings.values()) > max(renderings.values()) / 3


def test_videos_draw_alike(tmp_path):
    rows = make_rows(6)
    for row in rows[:3]:
        row[s.CAPTION_STRUCTURED] = STRUCTURED
    folder = make_shards(tmp_path / "shards", rows)
    view = ClipView(max_pixels=32 * 32)
    options = {"samples_per_step": 6, "view": view, "same_shape": False}
    mix = MixConfig(structured=1, empty=0)
    loader = VideoBatches(folder, **options, mix=mix, render=render_text)
    assert loader.lacking == {"structured": 3}
    (step,) = itertools.islice(loader, 1)
    assert Counter(u[s.KIND] for u in step.units)["structured"] == 3
    for unit in step.units:
        if unit[s.KIND] == "structured":
            want = render_text(STRUCTURED, seed=0, epoch=0, clip_id=unit[s.CLIP_ID])
            assert unit[s.CAPTION] == want
    with pytest.raises(ValueError, match="draws structured captions only"):
        VideoBatches(folder, **options, mix=mix)
