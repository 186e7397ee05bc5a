"""A byte of a weight that has changed is found, whoever wrote the file and whoever reads it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from dit.checkpoint import load_dit, save_dit
from dit.config import DiTConfig
from dit.files import open_dit
from dit.latents import LatentSpec
from dit.model import DiT
from pipeline.store.weights import check_numbers, check_sum, read_tensors, stored_id
from pipeline.store.weights_sum import SUM, with_sum


def flip(path: Path, place: int = -1) -> None:
    """Turn the lowest bit of one byte: of the last, no number stops being one."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(with_sum(save({"a": torch.rand(3), "b": torch.rand(5, 3)}, {"format": "x"})))
    return path


def test_the_sum_leaves_tensors_and_texts_alone(file: Path) -> None:
    a, b = load_file(file).values()
    assert a.shape == (3,) and b.shape == (5, 3)
    assert torch.equal(read_tensors(file)["b"], b)
    again = with_sum(file.read_bytes())
    assert again == file.read_bytes(), "a file that has its sum keeps it"


@pytest.mark.parametrize("look", [check_sum, check_numbers, stored_id, read_tensors])
def test_one_bit_is_found(file: Path, look) -> None:
    look(file)
    flip(file)
    with pytest.raises(ValueError, match=r"a.safetensors is damaged: .* copy it again"):
        look(file)


def test_a_file_without_a_sum_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"a": torch.rand(3)}))
    assert SUM.encode() not in path.read_bytes()
    flip(path)
    check_sum(path)


def test_a_damaged_dit_is_neither_opened_nor_loaded(tmp_path: Path) -> None:
    model = DiT(DiTConfig(width=24, depth=1, heads=2, latent_channels=4, text_dim=8))
    spec = LatentSpec(vae_id="v", text_encoder_id="t", mean=(0.0,) * 4, std=(1.0,) * 4)
    path = tmp_path / "dit.safetensors"
    save_dit(model, spec, path)
    assert open_dit(path).id == load_dit(path).id
    flip(path)
    for opened in (open_dit, load_dit):
        with pytest.raises(ValueError, match="is damaged"):
            opened(path)


@pytest.mark.parametrize("name", ["dit/weights/dit.safetensors", "vae/weights/vae.safetensors"])
def test_the_embedded_weights_have_theirs(name: str) -> None:
    path = Path(__file__).parents[3] / name
    assert SUM.encode() in path.read_bytes()[:100_000]
    check_sum(path)
