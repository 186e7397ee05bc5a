"""The loss terms do what their names say."""

from __future__ import annotations

import torch

from vae.config import LossConfig
from vae.losses import laplacian_pyramid, motion_weight, psnr, pyramid_l1, vae_loss


def test_pyramid_of_a_flat_frame_is_zero_and_of_an_edge_is_not():
    flat = torch.full((1, 3, 2, 16, 16), 0.3)
    assert pyramid_l1(flat, 3) < 1e-6
    edge = flat.clone()
    edge[..., 5:] = -0.3
    assert pyramid_l1(edge, 3) > 0.01


def test_bands_and_residual_rebuild_the_frame():
    x = torch.rand(2, 3, 16, 16)
    rest = torch.nn.functional.avg_pool2d(x, 4)
    for band in reversed(laplacian_pyramid(x, 2)):
        rest = band + torch.nn.functional.interpolate(rest, scale_factor=2)
    torch.testing.assert_close(rest, x)


def test_odd_sizes_have_a_pyramid():
    assert [tuple(b.shape[-2:]) for b in laplacian_pyramid(torch.rand(1, 3, 7, 5), 3)] == [
        (7, 5),
        (4, 3),
        (2, 2),
    ]


def test_terms_add_up():
    x, y = torch.rand(1, 3, 5, 8, 8), torch.rand(1, 3, 5, 8, 8)
    mean, logvar = torch.randn(1, 4, 2, 1, 1), torch.randn(1, 4, 2, 1, 1)
    config = LossConfig(pyramid=0.5, mse=2.0, kl=0.1)
    total, parts = vae_loss(x, y, mean, logvar, config)
    expected = parts["l1"] + 0.5 * parts["pyramid"] + 2.0 * parts["mse"] + 0.1 * parts["kl"]
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(parts["l1"], (x - y).abs().mean())


def test_psnr_of_a_known_error():
    x = torch.zeros(1, 3, 1, 4, 4)
    torch.testing.assert_close(psnr(x, x + 0.2), torch.tensor([20.0]))  # 10 log10(4 / 0.04)


def test_psnr_is_of_each_clip_and_of_what_is_shown():
    """A mean over the batch hides the one clip that is lost; what lies beyond black and white is never seen."""
    x = torch.zeros(2, 3, 1, 4, 4)
    error = torch.tensor([0.2, 0.02]).view(2, 1, 1, 1, 1)
    torch.testing.assert_close(psnr(x, x + error), torch.tensor([20.0, 40.0]))
    white = torch.ones(1, 3, 1, 4, 4)
    assert float(psnr(white, 3 * white)) == float(psnr(white, white)) > 100


def test_motion_weighs_the_object_and_the_ghost_it_leaves_more_than_the_ground():
    x = -torch.ones(1, 3, 17, 8, 8)
    x[:, :, 8, 2, 2] = 1  # a white pixel, in one frame
    weight = motion_weight(x, 8.0)
    assert weight.shape == (1, 1, 17, 8, 8)
    torch.testing.assert_close(weight[0, 0, :, 5, 5], torch.ones(17))
    torch.testing.assert_close(weight[0, 0, 5:12, 2, 2], torch.full((7,), 9.0))
    torch.testing.assert_close(weight[0, 0, [4, 12], 2, 2], torch.ones(2))
    error = torch.zeros_like(x)
    error[:, :, 8, 2, 2] = 0.5
    latents = torch.zeros(1, 4, 2, 1, 1), torch.zeros(1, 4, 2, 1, 1)
    _, parts = vae_loss(x, x - error, *latents, LossConfig(motion=8.0))
    torch.testing.assert_close(parts["l1"], 9 * error.abs().mean())
    torch.testing.assert_close(parts["mse"], 9 * error.square().mean())
