"""Aesthetic heads from files: linear, LAION's stack, and what cannot be one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.scores.aesthetic import load_aesthetic_head


def laion_like(dim: int) -> torch.nn.Module:
    """The layer layout of the improved LAION predictor, narrow."""
    nn = torch.nn

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(dim, 16),
                nn.Dropout(0.2),
                nn.Linear(16, 8),
                nn.Dropout(0.1),
                nn.Linear(8, 1),
            )

    torch.manual_seed(1)
    return Head().eval()


def test_no_path_no_head() -> None:
    assert load_aesthetic_head(None) is None


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_stack_computes_what_its_torch_module_computes(tmp_path: Path, suffix: str) -> None:
    module = laion_like(12)
    path = tmp_path / f"head{suffix}"
    if suffix == ".safetensors":
        save_file(module.state_dict(), str(path))
    else:
        torch.save(module.state_dict(), path)
    head = load_aesthetic_head(path)
    assert head is not None and head.dim == 12
    x = torch.randn(5, 12)
    expected = module.layers(x)[:, 0].detach().numpy()
    np.testing.assert_allclose(head(x.numpy()), expected, atol=1e-5)
    assert head(x[0].numpy()).shape == ()


def test_one_linear_layer(tmp_path: Path) -> None:
    save_file(
        {"weight": torch.ones(1, 3), "bias": torch.tensor([0.5])}, str(tmp_path / "h.safetensors")
    )
    head = load_aesthetic_head(tmp_path / "h.safetensors")
    assert head is not None
    assert head(np.array([1, 2, 3], np.float32)) == pytest.approx(6.5)


def test_a_head_for_another_model_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(1, 3), "bias": torch.zeros(1)}, str(tmp_path / "h.safetensors"))
    head = load_aesthetic_head(tmp_path / "h.safetensors")
    assert head is not None
    with pytest.raises(
        ValueError, match="takes 3-dimensional embeddings but the CLIP model gives 4"
    ):
        head(np.zeros(4, np.float32))


def test_files_that_are_no_head(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        load_aesthetic_head(tmp_path / "none.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_aesthetic_head(tmp_path / "junk.safetensors")
    save_file({"conv.kernel": torch.ones(1)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match="unexpected tensor 'conv.kernel'"):
        load_aesthetic_head(tmp_path / "other.safetensors")
    save_file({"weight": torch.ones(2, 3)}, str(tmp_path / "two.safetensors"))
    with pytest.raises(ValueError, match="does not end in one output"):
        load_aesthetic_head(tmp_path / "two.safetensors")


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (open, (str(tmp_path / "ran"),))

    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_aesthetic_head(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
