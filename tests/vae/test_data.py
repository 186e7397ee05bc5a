"""Batches of the VAE: one shape each, a function of the step, the same for any number of ranks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from tests.vae.conftest import write_world
from vae.config import TrainConfig
from vae.data import TrainData, sample_clips

CONFIG = TrainConfig(batch=4, seed=5, image_share=0.3, max_frames=5)


def take(data: TrainData, n: int):
    return list(itertools.islice(data, n))


def test_steps_have_one_shape_and_both_kinds_come_up(shards, small):
    batches = take(TrainData(shards, small, CONFIG), 16)
    shapes = {tuple(b.frames.shape) for b in batches}
    assert (4, 5, 32, 32, 3) in shapes
    assert (4, 5, 24, 40, 3) in shapes
    assert any(shape[:2] == (16, 1) for shape in shapes)
    assert all(b.frames.dtype == torch.uint8 for b in batches)


def test_shards_of_images_and_videos_make_steps_of_either(small, tmp_path):
    mixed = write_world(tmp_path, 24, seed=4, split="train", images=0.5)
    batches = take(TrainData(mixed, small, replace(CONFIG, image_share=0.0)), 12)
    lengths = [batch.frames.shape[1] for batch in batches]
    assert {1, 5} == set(lengths)
    assert all(len(batch.frames) == 4 for batch in batches)
    always = take(TrainData(mixed, small, replace(CONFIG, image_share=1.0)), 12)
    assert {tuple(b.frames.shape[:2]) for b in always} == {(4, 1), (16, 1)}  # no copies of an image


def test_seek_goes_on_where_a_step_ended(shards, small):
    whole = take(TrainData(shards, small, CONFIG), 10)
    later = TrainData(shards, small, CONFIG)
    later.seek(whole[5].data)
    for a, b in zip(whole[6:], take(later, 4), strict=True):
        assert torch.equal(a.frames, b.frames)
        assert a.data == b.data


def test_readers_change_nothing(shards, small):
    read = TrainData(shards, small, CONFIG, readers=2)
    for a, b in zip(take(TrainData(shards, small, CONFIG), 6), take(read, 6), strict=True):
        assert torch.equal(a.frames, b.frames) and a.data == b.data
    read.seek(take(TrainData(shards, small, CONFIG), 3)[-1].data)
    again = take(read, 2)
    assert torch.equal(again[0].frames, take(TrainData(shards, small, CONFIG), 4)[3].frames)


def test_two_ranks_share_the_steps_of_one(shards, small):
    ranks = [take(TrainData(shards, small, CONFIG, rank=r, world=2), 8) for r in (0, 1)]
    for one, *halves in zip(take(TrainData(shards, small, CONFIG), 8), *ranks, strict=True):
        per_clip = len(one.frames) // 4
        joined = torch.empty_like(one.frames).unflatten(0, (4, per_clip))
        for r, half in enumerate(halves):
            joined[r::2] = half.frames.unflatten(0, (2, per_clip))
        assert torch.equal(joined.flatten(0, 1), one.frames)


def test_another_seed_is_another_order_and_another_epoch_other_pictures(shards, small):
    """Else two seeds are one run, and every pass shows the same single frames."""
    other = replace(CONFIG, image_share=0.0, seed=6)
    one, two = (
        take(TrainData(shards, small, config), 6)
        for config in (replace(CONFIG, image_share=0.0), other)
    )
    assert not all(torch.equal(a.frames, b.frames) for a, b in zip(one, two, strict=True))
    data = TrainData(shards, small, replace(CONFIG, image_share=1.0))
    step = next(iter(data.clips))
    first, again, later = (
        data.frames_of(replace(step, epoch=epoch)) for epoch in (step.epoch, step.epoch, 7)
    )
    assert torch.equal(first, again) and not torch.equal(first, later)


def test_a_batch_that_does_not_divide_is_refused(shards, small):
    with pytest.raises(ValueError, match="batch 4 does not divide over 3"):
        TrainData(shards, small, CONFIG, world=3)


def test_sample_clips_are_distinct_and_at_most_all(shards, small):
    clips = sample_clips(shards, TrainData(shards, small, CONFIG).view, 100)
    assert len(clips) == 24
    assert len({clip.tobytes() for clip in clips}) == 24
