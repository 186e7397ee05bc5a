"""A file written tensor by tensor is one that safetensors reads."""

import pickle

import pytest
import torch

from pipeline.store.weights import StoredTensors, check_sum, weights_header
from pipeline.store.weights_stream import Entry, write_stream
from pipeline.store.weights_sum import SUM, file_sum


def entry(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> Entry:
    return Entry(name=name, shape=tuple(tensor.shape), dtype=dtype, read=lambda: tensor)


def test_what_is_written_one_by_one_is_read_back(tmp_path):
    path = tmp_path / "a.safetensors"
    odd, one, matrix = torch.rand(3), torch.tensor(2.5), torch.rand(5, 3)
    write_stream(
        path,
        [
            entry("b.half", odd, torch.bfloat16),
            entry("a.one", one, torch.float32),
            entry("c", matrix.T, torch.float32),
        ],
        {"format": "x"},
    )
    assert weights_header(path)["__metadata__"] == {"format": "x", SUM: file_sum(path)}
    check_sum(path)
    stored = StoredTensors(path)
    assert torch.equal(stored["b.half"], odd.bfloat16())
    assert torch.equal(stored["a.one"], one) and torch.equal(stored["c"], matrix.T)
    assert stored.shapes == {"b.half": (3,), "a.one": (), "c": (3, 5)}
    elsewhere = pickle.loads(pickle.dumps(stored))
    assert torch.equal(elsewhere["c"], matrix.T)


def test_a_tensor_of_another_shape_leaves_no_file(tmp_path):
    path = tmp_path / "a.safetensors"
    wrong = Entry(name="w", shape=(2,), dtype=torch.float32, read=lambda: torch.zeros(3))
    with pytest.raises(ValueError, match=r"w has shape \(3,\), not \(2,\)"):
        write_stream(path, [wrong], {})
    assert list(tmp_path.iterdir()) == []
