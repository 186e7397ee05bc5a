"""The VAE's promises: causal in time, images are one-frame videos, streaming equals whole."""

from __future__ import annotations

import pytest
import torch

from vae.config import PRESETS, VAEConfig
from vae.model import Posterior, VideoVAE, kl_divergence

LAYOUTS = {
    "tiny": VAEConfig.preset("tiny"),
    "strided in time": VAEConfig(
        latent_channels=3,
        patch=(1, 2),
        widths=(8, 12, 16),
        strides=((2, 2), (2, 2)),
        encoder_blocks=(1, 1, 1),
        decoder_blocks=(1, 1, 1),
        time_kernel=3,
        linear_path=False,
    ),
}


def random_vae(config: VAEConfig, seed: int = 0) -> VideoVAE:
    """A VAE whose every weight, those that start at zero included, is random."""
    torch.manual_seed(seed)
    vae = VideoVAE(config).requires_grad_(False).eval()
    for p in vae.parameters():
        p.add_(0.05 * torch.randn_like(p))
    return vae


@pytest.fixture(params=LAYOUTS, scope="module")
def vae(request) -> VideoVAE:
    return random_vae(LAYOUTS[request.param])


@pytest.fixture(scope="module")
def video() -> torch.Tensor:
    return torch.rand(2, 3, 13, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_shapes(vae, video):
    posterior = vae.encode(video)
    assert posterior.mean.shape == (2, *vae.latent_shape(13, 16, 24))
    assert posterior.logvar.shape == posterior.mean.shape
    assert vae.latent_shape(13, 16, 24)[1:] == (4, 2, 3)
    assert vae.decode(posterior.mean).shape == video.shape


def test_an_image_is_a_one_frame_video(vae, video):
    image = vae.encode(video[:, :, :1]).mean
    whole = vae.encode(video).mean
    torch.testing.assert_close(image, whole[:, :, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(vae.decode(image), vae.decode(whole)[:, :, :1], atol=1e-5, rtol=0)


def test_latents_and_frames_do_not_depend_on_what_comes_later(vae, video):
    changed = video.clone()
    changed[:, :, 9:] = -changed[:, :, 9:]  # frames behind latent 3
    before, after = vae.encode(video).mean, vae.encode(changed).mean
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3], atol=1e-6, rtol=0)
    assert (before[:, :, 3] - after[:, :, 3]).abs().max() > 1e-3
    z = before.clone()
    z[:, :, 3] += 1
    torch.testing.assert_close(
        vae.decode(before)[:, :, :9], vae.decode(z)[:, :, :9], atol=1e-6, rtol=0
    )
    assert (vae.decode(before) - vae.decode(z))[:, :, 9:].abs().max() > 1e-3


@pytest.mark.parametrize("pieces", [[13], [1] * 13, [1, 4, 8], [3, 7, 1, 2], [0, 6, 0, 7]])
def test_encoding_in_pieces_equals_whole(vae, video, pieces):
    whole = vae.encode(video)
    parts = list(vae.encode_stream(video.split(pieces, dim=2)))
    for name in ("mean", "logvar"):
        joined = torch.cat([getattr(part, name) for part in parts], dim=2)
        torch.testing.assert_close(joined, getattr(whole, name), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pieces", [[4], [1, 1, 1, 1], [2, 2], [1, 3], [3, 0, 1]])
def test_decoding_in_pieces_equals_whole(vae, video, pieces):
    z = vae.encode(video).mean
    joined = torch.cat(list(vae.decode_stream(z.split(pieces, dim=2))), dim=2)
    torch.testing.assert_close(joined, vae.decode(z), atol=1e-5, rtol=0)


def test_stream_memory_does_not_grow(vae):
    from vae.conv import StreamState

    state, sizes = StreamState(), []
    frames = torch.zeros(1, 3, 4, 16, 16)
    vae._encode(frames[:, :, :1], state)
    for _ in range(4):
        vae._encode(frames, state)
        sizes.append(state.bytes())
    assert sizes[0] == sizes[-1] > 0


def test_a_video_that_ends_off_the_grid_is_refused(vae, video):
    with pytest.raises(ValueError, match="2 frames past"):
        list(vae.encode_stream([video[:, :, :7]]))
    with pytest.raises(ValueError, match="1 frames past"):
        list(vae.encode_stream([video[:, :, :6]]))
    for frames in (2, 4, 6, 7, 8):
        with pytest.raises(ValueError, match="1 \\+ a multiple of 4"):
            vae.encode(video[:, :, :frames])
    with pytest.raises(ValueError, match="multiples of 8"):
        vae.encode(video[:, :, :5, :15])


def test_normalise_and_back(vae):
    z = torch.randn(1, vae.config.latent_channels, 2, 2, 2)
    vae.latent_mean += 0.5
    vae.latent_std *= 2
    torch.testing.assert_close(vae.denormalise(vae.normalise(z)), z)
    torch.testing.assert_close(vae.normalise(z), (z - 0.5) / 2)
    vae.latent_mean -= 0.5
    vae.latent_std /= 2


def test_deviations_are_held_between_a_millionth_and_seven(vae, video):
    """Without limits one pixel's infinite variance ends a training; tighter ones add noise where there is none."""
    bias = vae.encoder.head.bias
    before = bias.clone()
    half = len(bias) // 2
    try:
        for value, held in ((-1e4, -20.0), (1e4, 4.0)):
            bias[half:] = value
            assert set(vae.encode(video[:, :, :1]).logvar.flatten().tolist()) == {held}
    finally:
        bias.copy_(before)


def test_kl_is_that_of_torch():
    mean, logvar = torch.randn(50), torch.randn(50)
    p = torch.distributions.Normal(mean, (0.5 * logvar).exp())
    q = torch.distributions.Normal(torch.zeros(50), torch.ones(50))
    expected = torch.distributions.kl_divergence(p, q).mean()
    torch.testing.assert_close(kl_divergence(mean, logvar), expected)


def test_sample_has_the_posterior_moments():
    posterior = Posterior(
        mean=torch.full((1, 1, 1, 100, 100), 2.0), logvar=torch.full((1, 1, 1, 100, 100), -2.0)
    )
    draw = posterior.sample(torch.Generator().manual_seed(0))
    assert abs(draw.mean() - 2) < 0.02
    assert abs(draw.std() - torch.tensor(-1.0).exp()) < 0.02


@pytest.mark.parametrize(
    ("name", "cells"), [("tiny", (4, 8)), ("4x8x8", (4, 8)), ("4x16x16", (4, 16))]
)
def test_presets_compress_as_they_say(name, cells):
    config = PRESETS[name]
    assert (config.time_factor, config.space_factor) == cells
    assert VAEConfig.from_dict(config.to_dict()) == config
    if name == "tiny":
        assert sum(p.numel() for p in VideoVAE(config).parameters()) <= 1_500_000
