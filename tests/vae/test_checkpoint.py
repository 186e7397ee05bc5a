"""VAE files: what is saved is what is loaded, and what is not a VAE is refused by name."""

from __future__ import annotations

import pytest
import torch

from vae.checkpoint import load_vae, save_vae
from vae.model import VideoVAE


def test_save_and_load_agree(small, tmp_path):
    vae = VideoVAE(small).eval()
    vae.latent_mean += torch.arange(4) / 3
    content = save_vae(vae, tmp_path / "vae.safetensors", dtype=torch.float32)
    loaded = load_vae(tmp_path)
    assert loaded.id == content
    assert loaded.config == small
    assert torch.equal(loaded.latent_mean, vae.latent_mean)
    x = torch.rand(1, 3, 5, 16, 16)
    assert torch.equal(loaded.encode(x).mean, vae.encode(x).mean)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_half_precision_file_is_half_the_size_and_close(small, tmp_path):
    vae = VideoVAE(small).eval()
    for name, dtype in (("a", torch.float32), ("b", torch.float16)):
        save_vae(vae, tmp_path / name, dtype=dtype)
    assert (tmp_path / "b").stat().st_size < 0.7 * (tmp_path / "a").stat().st_size
    x = torch.rand(1, 3, 5, 16, 16)
    torch.testing.assert_close(
        load_vae(tmp_path / "b").encode(x).mean, vae.encode(x).mean, atol=1e-2, rtol=0
    )


def test_id_follows_the_content(small, tmp_path):
    vae = VideoVAE(small)
    first = save_vae(vae, tmp_path / "a")
    assert save_vae(vae, tmp_path / "b", info={"note": "other metadata"}) == first
    vae.latent_std += 1
    assert save_vae(vae, tmp_path / "c") != first


def test_files_that_are_no_vae_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(ValueError, match="no VAE at"):
        load_vae(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="not a readable safetensors"):
        load_vae(tmp_path / "text")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not written by filmstock"):
        load_vae(tmp_path / "other.safetensors")
