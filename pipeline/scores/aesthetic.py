"""Aesthetic head: a small network over the clip's CLIP embedding, loaded from a file; no file, no score (NULL).

Two forms of state dict are read, from safetensors or a weights-only torch file: one linear layer (``weight`` (1, D),
``bias``), and the stacked linear layers of the LAION improved predictor (``layers.0.weight``, ``layers.2.weight``, ...
with dropout between them, hence the gaps; no activations). Both are affine, and both expect unit-norm embeddings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.store.weights import weights_header

_LAYER = re.compile(r"^(?:(?:.*\.)?layers\.(?P<index>\d+)\.)?(?P<kind>weight|bias)$")


@dataclass(frozen=True, kw_only=True)
class AestheticHead:
    """Linear layers (weight (out, in), bias (out,)), applied one after the other."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    """In order; the last has one output."""
    path: str
    """Where it came from."""

    @property
    def dim(self) -> int:
        """Embedding size the head was made for."""
        return int(self.layers[0][0].shape[1])

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Scores of unit embeddings (D,) or (N, D), float32 of shape () or (N,); the scale is the head's own."""
        x = np.asarray(embeddings, np.float32)
        if x.shape[-1] != self.dim:
            raise ValueError(
                f"aesthetic head {self.path} takes {self.dim}-dimensional embeddings but the CLIP model gives "
                f"{x.shape[-1]}; use the head that was trained on this CLIP model, or set aesthetic_head to none"
            )
        for weight, bias in self.layers:
            x = x @ weight.T + bias
        return x[..., 0]


def load_aesthetic_head(path: str | Path | None) -> AestheticHead | None:
    """Read a head from ``path``; None gives None, which leaves the score NULL."""
    if path is None:
        return None
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(
            f"aesthetic head {file} does not exist; give a safetensors file, or leave aesthetic_head out"
        )
    return AestheticHead(layers=_stack(_read(file), file), path=str(file))


def _read(file: Path) -> dict[str, np.ndarray]:
    try:
        if file.suffix == ".safetensors":
            weights_header(file)  # what is none is refused before torch is imported
            from safetensors.torch import load_file

            state = load_file(str(file))
        else:
            import torch

            state = torch.load(file, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in state.items()}
    except Exception as error:
        raise ValueError(
            f"aesthetic head {file} cannot be read as weights ({type(error).__name__}); "
            "give a safetensors file or a torch state dict"
        ) from error


def _stack(state: dict[str, np.ndarray], file: Path) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    found: dict[int, dict[str, np.ndarray]] = {}
    for name, array in state.items():
        match = _LAYER.match(name)
        if match is None:
            raise ValueError(
                f"aesthetic head {file} has an unexpected tensor {name!r}; expected weight and bias, "
                "or layers.N.weight and layers.N.bias"
            )
        found.setdefault(int(match["index"] or 0), {})[match["kind"]] = array
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    for index in sorted(found):
        weight = found[index].get("weight")
        if weight is None or weight.ndim != 2:
            raise ValueError(f"aesthetic head {file}: layer {index} has no (out, in) weight")
        bias = found[index].get("bias", np.zeros(weight.shape[0], np.float32))
        if layers and weight.shape[1] != layers[-1][0].shape[0]:
            raise ValueError(
                f"aesthetic head {file}: layer {index} takes {weight.shape[1]} inputs after "
                f"{layers[-1][0].shape[0]} outputs; layers must chain"
            )
        layers.append((weight, bias))
    if not layers or layers[-1][0].shape[0] != 1:
        raise ValueError(f"aesthetic head {file} does not end in one output")
    return tuple(layers)
