"""Muon as torch has it beside the same in float32, and AdamW: loss and milliseconds a step of the tiny VAE.

``torch.optim.Muon`` orthogonalises in bfloat16, which a CPU without bfloat16 instructions multiplies slowly and which
rounds; the question is whether that costs accuracy or time. All else is equal: data, order, seeds, schedule.

    python benchmarks/muon.py SHARDS --steps 300 --seeds 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from vae.config import TrainConfig, VAEConfig
from vae.data import TrainData
from vae.train import train

LAST = 50
"""Steps at the end whose mean loss is told."""


def in_float32(
    grad: Tensor, coefficients: tuple[float, float, float], rounds: int, eps: float
) -> Tensor:
    """Newton-Schulz iteration of Jordan et al. 2024 in the gradient's own format."""
    a, b, c = coefficients
    x = grad if grad.size(0) <= grad.size(1) else grad.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(rounds):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if grad.size(0) <= grad.size(1) else x.T


def run(shards: str, kind: str, steps: int, seed: int) -> tuple[float, float]:
    """(mean loss of the last steps, milliseconds a step)."""
    optimizer = "adamw" if kind == "adamw" else "muon"
    config = TrainConfig(
        steps=steps, seed=seed, optimizer=optimizer, log_every=1, checkpoint_every=steps
    )
    model = VAEConfig.preset("tiny")
    rows: list[dict[str, Any]] = []
    patch = mock.patch("torch.optim._muon._zeropower_via_newtonschulz", in_float32)
    with tempfile.TemporaryDirectory() as out:
        if kind == "float32":
            patch.start()
        began = time.perf_counter()
        train(model, config, TrainData(shards, model, config), Path(out), report=rows.append)
        spent = time.perf_counter() - began
        if kind == "float32":
            patch.stop()
    return statistics.fmean(row["loss"] for row in rows[-LAST:]), 1000 * spent / steps


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':14}" + "".join(f"  seed {seed}: loss, ms/step" for seed in range(args.seeds)))
    for kind in ("torch", "float32", "adamw"):
        found = [run(args.shards, kind, args.steps, seed) for seed in range(args.seeds)]
        print(
            f"{kind:14}" + "".join(f"  {loss:.5f}  {ms:9.0f}    " for loss, ms in found), flush=True
        )


if __name__ == "__main__":
    main()
