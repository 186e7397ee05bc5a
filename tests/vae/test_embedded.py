"""The VAE in the repository does what its card says, on scenes it was not trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae.baseline_pca import fit_pca, pca_psnr
from vae.checkpoint import load_vae
from vae.evaluate import clip_psnrs, latent_statistics
from vae.files import EMBEDDED


@pytest.fixture(scope="module")
def heldout(tmp_path_factory) -> list[np.ndarray]:
    from pipeline.loader.api import ClipView
    from tests.vae.conftest import write_world
    from vae.data import sample_clips

    folder = tmp_path_factory.mktemp("heldout") / "shards"
    write_world(folder, 16, seed=77, split="heldout", sizes=((64, 64), (80, 48)), frames=17)
    return sample_clips(folder, ClipView(fps=None, max_pixels=None, multiple=8), 16)


@pytest.fixture(scope="module")
def vae():
    return load_vae("embedded")


def test_reaches_33_db_and_beats_pca(vae, heldout):
    ours = np.mean(clip_psnrs(vae, heldout))
    assert ours >= 33  # 33.6 when it was made: a decoder a little worse is another decoder
    # PCA may even be fitted on the very clips it is measured on
    assert ours > pca_psnr(fit_pca(heldout, components=vae.config.latent_channels), heldout) + 2


def test_normalised_latents_have_unit_scale(vae, heldout):
    mean, std, _ = latent_statistics(vae, heldout)
    assert ((mean - vae.latent_mean) / vae.latent_std).abs().max() < 0.5
    assert (std / vae.latent_std).min() > 0.6
    assert (std / vae.latent_std).max() < 1.6


def test_streaming_the_embedded_vae_equals_whole(vae, heldout):
    x = torch.from_numpy(heldout[0])[None].permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    whole = vae.encode(x).mean
    parts = torch.cat([p.mean for p in vae.encode_stream(x.split([2, 5, 10], 2))], 2)
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    frames = torch.cat(list(vae.decode_stream(whole.split([1, 2, 2], 2))), 2)
    torch.testing.assert_close(frames, vae.decode(whole), atol=1e-5, rtol=0)


def test_what_stands_still_gives_one_latent_frame_all_along(vae, heldout):
    """Before the first frame it has stood still: of zeros, every video would begin with a flash."""
    still = torch.from_numpy(heldout[0][:1])[None].permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    latents = vae.encode(still.expand(-1, -1, 9, -1, -1)).mean
    torch.testing.assert_close(latents, latents[:, :, :1].expand_as(latents), atol=1e-4, rtol=0)


def test_file_is_small_and_has_a_card():
    assert EMBEDDED.stat().st_size <= 4_000_000
    assert "held-out PSNR" in EMBEDDED.with_name("CARD.md").read_text()
