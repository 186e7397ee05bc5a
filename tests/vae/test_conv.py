"""Causal layers: before the first frame lie copies of it, so a still image is a video that stands still."""

from __future__ import annotations

import pytest
import torch

from vae.conv import CausalTimeConv


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
