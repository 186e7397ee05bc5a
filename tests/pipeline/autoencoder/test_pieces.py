"""Layers over time in pieces: the whole's results, whatever the pieces are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.autoencoder.pieces import TimeState, joined, mapped

FRAMES = 11


def cut(frames: Tensor, sizes: list[int]) -> list[Tensor]:
    assert sum(sizes) == frames.shape[2]
    return list(frames.split(sizes, dim=2))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("sizes", [[11], [1, 1, 9], [5, 6], [1] * 11])
def test_convolutions_see_frames_of_other_pieces(
    kernel: int, causal: bool, sizes: list[int]
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv3d(2, 3, (kernel, 3, 3), padding=(0, 1, 1))
    frames = torch.randn(1, 2, FRAMES, 4, 4)
    before = kernel - 1 if causal else (kernel - 1) // 2
    padded = [frames[:, :, :1]] * before + [frames] + [frames[:, :, -1:]] * (kernel - 1 - before)
    state, found = TimeState(), []
    pieces = cut(frames, sizes)
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        found.append(state.convolve("a", piece, conv, kernel=kernel, causal=causal, last=last))
        assert state.tails["a"].shape[2] <= kernel - 1 or kernel == 1
    whole = torch.cat([each for each in found if each is not None], 2)
    torch.testing.assert_close(whole, conv(torch.cat(padded, 2)))


def test_a_convolution_that_waits_gives_its_last_frame_when_nothing_more_comes() -> None:
    state, frames = TimeState(), torch.arange(2.0).reshape(1, 1, 2, 1, 1)

    def total(x: Tensor) -> Tensor:
        return x.unfold(2, 3, 1).sum(-1)

    def give(piece: Tensor | None, last: bool) -> Tensor | None:
        return state.convolve("a", piece, total, kernel=3, causal=False, last=last)

    assert give(None, False) is None and give(None, True) is None, "nothing has come yet"
    assert give(frames[:, :, :1], False) is None, "the frame after is not known"
    first, second = give(frames[:, :, 1:], False), give(None, True)
    assert first is not None and first.flatten().tolist() == [1.0]
    assert second is not None and second.flatten().tolist() == [2.0]


def test_frames_wait_for_their_partner() -> None:
    state, frames = TimeState(), torch.arange(6.0).reshape(1, 1, 6, 1, 1)
    assert state.align("a", None, frames[:, :, :3]) is None
    pair = state.align("a", frames[:, :, :2], None)
    assert pair is not None and torch.equal(*pair) and pair[0].shape[2] == 2
    assert state.align("a", None, frames[:, :, 3:], 2) is None
    assert state.align("a", frames[:, :, 2:3], None, 2) is None, "one is no multiple of two"
    pair = state.align("a", frames[:, :, 3:6], None, 2)
    assert pair is not None and torch.equal(*pair)
    assert pair[0].flatten().tolist() == [2.0, 3.0, 4.0, 5.0]


def test_small_parts() -> None:
    state, frames = TimeState(), torch.ones(1, 1, 2, 1, 1)
    assert state.begins("a") and not state.begins("a") and state.begins("b")
    assert joined(None, None) is None and joined(frames, None) is frames
    both = joined(frames, frames)
    assert both is not None and both.shape[2] == 4
    assert mapped(torch.neg, None) is None and mapped(torch.neg, frames) is not None
