"""What a VAE's file says without torch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vae.checkpoint import load_vae, save_vae
from vae.config import VAEConfig
from vae.files import EMBEDDED, stored_space_id, weights_file
from vae.model import VideoVAE


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_a_file_has_the_id_that_it_has_when_it_is_loaded(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    file = tmp_path / "vae.safetensors"
    told = save_vae(VideoVAE(VAEConfig(widths=(8, 8))), file, dtype=dtype)
    assert stored_space_id(file) == told == load_vae(file).id


def test_a_strange_number_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"encoder.a": torch.zeros(3, dtype=torch.int8)}, file)
    with pytest.raises(ValueError, match="holds encoder.a in the format I8"):
        stored_space_id(file)
    assert EMBEDDED.is_file()


def test_a_name_is_a_file_a_folder_or_ours(tmp_path: Path) -> None:
    assert weights_file("embedded") == EMBEDDED
    with pytest.raises(ValueError, match="no VAE at .*vae.safetensors; train one with"):
        weights_file(tmp_path)
    (tmp_path / "vae.safetensors").write_bytes(b"")
    assert weights_file(tmp_path) == tmp_path / "vae.safetensors"
