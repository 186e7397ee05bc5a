"""Causal layers: before the first frame lie copies of it, so a still image is a video that stands still."""

from __future__ import annotations

import pytest
import torch

from vae.conv import (
    CausalTimeConv,
    Down,
    FoldTime,
    RMSNorm,
    StreamState,
    UnfoldTime,
    Up,
    fold_space,
    unfold_space,
)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (3, 1), (3, 2)])
def test_a_video_that_stands_still_gives_the_same_frame_all_along(kernel: int, stride: int) -> None:
    """With zeros for the past every clip begins darker than it goes on, and images do not code like videos."""
    torch.manual_seed(0)
    layer = CausalTimeConv(3, 4, kernel, stride)
    still = torch.randn(1, 1, 2, 2, 3).expand(-1, 1 + 4 * stride, -1, -1, -1)
    with torch.no_grad():
        out, image = layer(still), layer(still[:, :1])
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    torch.testing.assert_close(out[:, :1], image)


def test_the_first_frame_sees_copies_of_itself() -> None:
    torch.manual_seed(0)
    layer = CausalTimeConv(3, 4, 3)
    x = torch.randn(1, 5, 2, 2, 3)
    with torch.no_grad():
        want = layer.mix(torch.cat([x[:, 0]] * 3, dim=-1))
        got = layer(x)[:, 0]
    torch.testing.assert_close(got, want)


def test_space_is_folded_row_by_row_and_back() -> None:
    """Rows and columns swapped still go there and back, and leave every picture a jigsaw at other sizes."""
    x = torch.arange(2 * 4 * 6 * 3.0).view(1, 2, 4, 6, 3)
    folded = fold_space(x, 2)
    assert folded.shape == (1, 2, 2, 3, 12)
    want = torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=-1)
    assert torch.equal(folded, want) and torch.equal(unfold_space(folded, 2), x)
    assert fold_space(x, 1) is x and unfold_space(x, 1) is x


def test_time_is_folded_with_the_first_frame_alone() -> None:
    x = torch.arange(7 * 2.0).view(1, 7, 1, 1, 2)
    folded = FoldTime(3)(x)
    assert folded.flatten().tolist() == [0, 1, 0, 1, 0, 1, *range(2, 14)]
    assert torch.equal(UnfoldTime(3)(folded), x)
    assert FoldTime(1)(x) is x and UnfoldTime(1)(x) is x


def test_a_cell_is_normed_by_itself():
    """Statistics of its neighbours would make a tile differ from the whole picture, and a piece from the film."""
    x = torch.randn(1, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    norm = RMSNorm(6)
    want = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    with torch.no_grad():
        torch.testing.assert_close(norm(x), want)
        torch.testing.assert_close(norm(x[:, 1:2, 2:, 3:4]), want[:, 1:2, 2:, 3:4])


@pytest.mark.parametrize("make", [lambda: Down(3, 4, 2, 2), lambda: Up(4, 3, 3, 2)])
@pytest.mark.parametrize("pieces", [[1, 4], [3, 2], [5], [1, 2, 2]])
def test_a_layer_fed_in_pieces_gives_what_the_whole_gives(make, pieces: list[int]) -> None:
    """Long videos are coded in pieces; a past of the wrong frames shows as a jump at every seam."""
    torch.manual_seed(0)
    layer = make()
    x = torch.randn(1, 5, 4, 4, layer.project.in_features // (4 if isinstance(layer, Down) else 1))
    state, out = StreamState(), []
    with torch.no_grad():
        for piece in x.split(pieces, dim=1):
            out.append(layer(piece, state))
        torch.testing.assert_close(torch.cat(out, dim=1), layer(x))
