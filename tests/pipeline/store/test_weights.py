"""Damaged weights are refused: by the header alone, or when a number is not finite."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.store.weights import (
    built_with,
    digest_tensors,
    load_into,
    read_tensors,
    stored_id,
    weights_header,
    weights_metadata,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, path, {"format": "ours-1"})
    return path


def test_the_header_says_what_the_file_holds(file: Path) -> None:
    assert weights_header(file)["weight"]["shape"] == [2, 3]
    assert weights_metadata(file, "ours-1", "train-it", "model") == {"format": "ours-1"}
    with pytest.raises(
        ValueError,
        match=r"filmstock's model \(its format is 'ours-1'\); give what `filmstock train",
    ):
        weights_metadata(file, "ours-2", "train-it", "model")


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_file_that_is_cut_short_is_refused_without_reading_tensors(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(
        ValueError, match=r"model.safetensors is not a readable safetensors file .*; copy it again"
    ):
        weights_header(file)


@pytest.mark.parametrize(
    "body", [b"[1, 2]", b'{"a": 3}', b'{"a": {"data_offsets": 3}}', b"\xff" * 8]
)
def test_a_header_that_is_no_table_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(body).to_bytes(8, "little") + body)
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        weights_header(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3), "b": torch.tensor([1.0, value]).to(torch.bfloat16)}, path)
    with pytest.raises(ValueError, match="x.safetensors holds numbers in b that are not finite"):
        read_tensors(path)


def test_weights_of_another_shape_are_named(file: Path) -> None:
    tensors = read_tensors(file)
    layer = torch.nn.Linear(3, 2)
    load_into(layer, tensors, file)
    assert torch.equal(layer.weight, torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\), not \(2, 4\)"):
        load_into(torch.nn.Linear(4, 2), tensors, file)
    with pytest.raises(ValueError, match="bias is none of the model's"):
        load_into(torch.nn.Linear(3, 2, bias=False), tensors, file)
    with pytest.raises(ValueError, match="bias is missing"):
        load_into(layer, {"weight": tensors["weight"]}, file)
    assert json.dumps(weights_header(file))


def test_a_model_is_built_with_weights_from_a_file_and_none_are_drawn(file: Path) -> None:
    tensors, before = read_tensors(file), torch.random.get_rng_state()
    layer = built_with(lambda: torch.nn.Linear(3, 2), tensors, file)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(layer.weight, torch.ones(2, 3)) and layer.weight.dtype == torch.float32
    with torch.no_grad():
        layer.weight.zero_()
    assert torch.equal(tensors["weight"], torch.ones(2, 3)), "they are the model's own"
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\), not \(2, 4\)"):
        built_with(lambda: torch.nn.Linear(4, 2), tensors, file)


def test_tensors_have_the_id_of_the_file_that_they_are_read_from(tmp_path: Path) -> None:
    tensors = {
        "b": torch.ones(2, 3, dtype=torch.bfloat16),
        "a": torch.tensor(2.0),
        "c": torch.zeros(0),
    }
    save_file(tensors, tmp_path / "a.safetensors")
    digest = hashlib.blake2b(digest_size=8)
    digest_tensors(digest, {**tensors, "b": torch.ones(3, 2, dtype=torch.bfloat16).t()})
    assert digest.hexdigest() == stored_id(tmp_path / "a.safetensors")
