"""Tiles are as good as one pass: near it for real networks, exactly it where nothing looks across an edge."""

from __future__ import annotations

import pytest
import torch

from vae.checkpoint import load_vae
from vae.config import VAEConfig
from vae.losses import psnr
from vae.model import VideoVAE
from vae.tiling import Tiling, decode_tiled, encode_tiled, rise, spans


@pytest.fixture(scope="module")
def vae() -> VideoVAE:
    return load_vae("embedded")


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    """A smooth pattern that moves, (1,3,5,152,232): no whole number of tiles either way."""
    t, y, x = torch.meshgrid(torch.arange(5), torch.arange(152), torch.arange(232), indexing="ij")
    waves = [torch.sin((x + 3 * t * k) / (9 + k) + y / (5 + 2 * k)) for k in range(3)]
    return torch.stack(waves)[None] * 0.8


def test_tiles_are_within_45_db_of_one_pass(vae: VideoVAE, video: torch.Tensor) -> None:
    tiling = Tiling(tile=128, overlap=64)
    with torch.no_grad():
        whole = vae.encode(video)
        tiled = encode_tiled(vae, video, tiling)
        assert tiled.mean.shape == whole.mean.shape and tiled.logvar.shape == whole.logvar.shape
        torch.testing.assert_close(tiled.logvar, whole.logvar, atol=0.3, rtol=0)
        frames = vae.decode(whole.mean)
        assert float(psnr(frames, vae.decode(tiled.mean))) > 45
        assert float(psnr(frames, decode_tiled(vae, whole.mean, tiling))) > 45


def test_a_frame_that_fits_is_one_pass(vae: VideoVAE, video: torch.Tensor) -> None:
    with torch.no_grad():
        z = vae.encode(video).mean
        torch.testing.assert_close(encode_tiled(vae, video).mean, z, atol=0, rtol=0)
        torch.testing.assert_close(decode_tiled(vae, z), vae.decode(z), atol=0, rtol=0)


@pytest.mark.parametrize("size", [(3, 3), (4, 9), (5, 17), (16, 7)])
@pytest.mark.parametrize("frames", [1, 5, 41])
def test_a_code_of_single_patches_is_exact(size: tuple[int, int], frames: int) -> None:
    config = VAEConfig(
        latent_channels=4, widths=(8, 8), encoder_blocks=(0, 0), decoder_blocks=(0, 0)
    )
    torch.manual_seed(0)
    vae = VideoVAE(config).eval().requires_grad_(False)
    vae.encoder.head.weight.zero_()  # the linear path alone looks at one patch
    vae.decoder.head.weight.zero_()
    x = torch.rand(2, 3, frames, size[0] * 8, size[1] * 8) * 2 - 1
    tiling = Tiling(tile=40, overlap=16)
    z = encode_tiled(vae, x, tiling)
    torch.testing.assert_close(z.mean, vae.encode(x).mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        decode_tiled(vae, z.mean, tiling), vae.decode(z.mean), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(10, 4, 1), (64, 16, 8), (17, 16, 15), (9, 9, 3)]
)
def test_spans_cover_every_cell_and_overlap_enough(length: int, tile: int, overlap: int) -> None:
    found = spans(length, tile, overlap)
    total = torch.zeros(length)
    for cells, weights in found:
        assert (weights > 0).all()
        total[cells] += weights
    assert found[0][0].start == 0 and found[-1][0].stop == length
    assert all(a[0].stop - b[0].start >= overlap for a, b in zip(found, found[1:], strict=False))
    assert (total > 0).all()


def test_the_edge_of_a_tile_counts_for_nothing_and_two_tiles_for_one() -> None:
    """Its network saw padding there: with another rise every seam shows, and all decoded video is a little off."""
    for n in (8, 16, 24):
        assert float(rise(n)[: n // 4].max()) <= 1e-4
        together = rise(n) + rise(n).flip(0)
        torch.testing.assert_close(together, torch.ones(n), atol=2e-4, rtol=0)
    (_, first), (_, second) = spans(12, 8, 4)
    assert first[:4].tolist() == second[4:].tolist() == [1] * 4
    assert first[4:].tolist() == second[:4].flip(0).tolist() == rise(4).flip(0).tolist()


@pytest.mark.parametrize("size", [(48, 16), (16, 48)])
def test_a_frame_that_is_long_one_way_only_is_tiled_too(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panorama in one pass takes the memory that tiles are for."""
    config = VAEConfig(
        latent_channels=4, widths=(8, 8), encoder_blocks=(0, 0), decoder_blocks=(0, 0)
    )
    vae = VideoVAE(config).eval().requires_grad_(False)
    x = torch.zeros(1, 3, 1, *size)
    monkeypatch.setattr(vae, "encode", lambda x: pytest.fail("in one pass"))
    monkeypatch.setattr(vae, "decode", lambda z: pytest.fail("in one pass"))
    tiling = Tiling(tile=32, overlap=16)
    assert decode_tiled(vae, encode_tiled(vae, x, tiling).mean, tiling).shape == x.shape


def test_tiles_that_cannot_advance_are_refused(vae: VideoVAE, video: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="larger tile or a smaller overlap"):
        encode_tiled(vae, video, Tiling(tile=64, overlap=64))
