"""How much each token counts in the loss."""

import pytest
import torch

from dit.config import TrainConfig
from dit.packing import make_layout
from dit.train.data import token_weights

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
