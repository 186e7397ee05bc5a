"""How much each token counts in the loss."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from dit.config import TrainConfig
from dit.packing import make_layout
from dit.train.data import generator_for, in_layout_order, make_batch, token_weights
from pipeline import schema as s
from tests.dit.train.test_loop import CONFIG, MODEL, packs

LAYOUT = make_layout([(3, 4, 4), (1, 4, 4)], [None, None], patch=(1, 2, 2), text_dim=8)


def weights(given=None, **settings):
    given = torch.zeros(16, dtype=torch.bool) if given is None else given
    return token_weights(LAYOUT, given, TrainConfig(**settings))


def test_tokens_or_clips_count_equally():
    assert weights().tolist() == [1.0] * 16
    by_clip = weights(loss_unit="clip")
    torch.testing.assert_close(by_clip, torch.tensor([1 / 12] * 12 + [1 / 4] * 4))
    with pytest.raises(ValueError, match="one of token, clip"):
        weights(loss_unit="frame")


@pytest.mark.parametrize("unit", ["token", "clip"])
def test_local_and_global_means_are_mixed_as_stated(unit):
    """0.4 of the mean error over the first frame plus 0.6 of the mean over all frames, times the clip's weight."""
    error = torch.rand(16, generator=torch.Generator().manual_seed(0))
    mixed = (weights(local_share=0.4, loss_unit=unit) * error).split([12, 4])
    whole = weights(loss_unit=unit).split([12, 4])
    for part, plain, values in zip(mixed, whole, error.split([12, 4]), strict=True):
        expected = plain.sum() * (0.4 * values[:4].mean() + 0.6 * values.mean())
        torch.testing.assert_close(part.sum(), expected)


def test_given_tokens_never_count_and_a_clip_with_a_given_start_has_no_local_part():
    given = torch.zeros(16, dtype=torch.bool)
    given[:4] = True
    mixed = weights(given, local_share=0.4)
    assert mixed[:4].tolist() == [0.0] * 4
    assert mixed[4:12].tolist() == [1.0] * 8
    assert mixed.sum() == pytest.approx(12.0)


def test_more_local_frames():
    config = TrainConfig(local_share=0.5, local_frames=2)
    mixed = token_weights(LAYOUT, torch.zeros(16, dtype=torch.bool), config)
    torch.testing.assert_close(mixed[:8], torch.full((8,), 0.5 + 0.5 * 12 / 8))
    torch.testing.assert_close(mixed[8:12], torch.full((4,), 0.5))


def test_what_is_held_out_is_measured_on_and_never_trained_on(folder: Path) -> None:
    """A clip on both sides, and the curve that chooses a checkpoint shows what was learned by heart."""
    data = packs(folder, held_out_share=0.3)
    held = {data.clip_ids[i] for i in np.flatnonzero(data.held)}
    assert 0 < len(held) < 24 and data.n_clips == 24 - len(held)
    assert {data.clip_ids[i] for i in data.held_out} == held
    for epoch in range(4):
        order = [i for pack in data.steps.plan(epoch) for i in pack]
        assert len(order) == len(set(order)) == data.n_clips
        assert held.isdisjoint(data.clip_ids[i] for i in order)
    measured = [clip for pack in data.held_out_packs() for clip in pack]
    assert sorted(clip[s.CLIP_ID] for clip in measured) == sorted(held)
    assert all(clip[s.CAPTION] for clip in measured), "each with a caption"


def test_only_their_own_kind_stands_in_for_damaged_clips(folder: Path) -> None:
    for damaged in (True, False):
        data = packs(folder, held_out_share=0.3)
        mine = np.flatnonzero(data.held == damaged)
        real, bad = data._sample, set(mine[: 4 if damaged else 2].tolist())

        def sample(index: int, epoch: int, real=real, bad=bad):  # type: ignore[no-untyped-def]
            if index in bad:
                raise ConnectionError("no answer")
            return real(index, epoch)

        data._sample = sample  # type: ignore[method-assign]
        ids = {data.clip_ids[i] for i in mine}
        if damaged:
            shown = [clip for pack in data.held_out_packs() for clip in pack]
        else:
            steps = itertools.islice(data, 2 * data.steps.steps_in(0))
            shown = [clip for step in steps for pack in step.units for clip in pack]
        assert shown and {clip[s.CLIP_ID] for clip in shown} <= ids
        assert len(data.quarantine) == len(bad)


def test_a_pack_is_laid_out_by_size(folder: Path) -> None:
    """Attention runs neighbours of one length together; mixed, the same pack takes twice the time."""
    data = packs(folder)
    clips = [data.store.item(rows["dense"]) for rows in data.clips[:12]]
    batch = make_batch(clips, data.spec(), MODEL, CONFIG, generator_for(1))
    keys = [
        (tuple(shape), n)
        for shape, n in zip(batch.layout.shapes, batch.layout.captions.lengths, strict=True)
    ]
    assert keys == sorted(keys) and len(set(keys)) > 2
    assert [clip[s.CLIP_ID] for clip in in_layout_order(clips)] != [
        clip[s.CLIP_ID] for clip in clips
    ]
