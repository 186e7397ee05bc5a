"""How much memory training takes, estimated before it starts: what weights need by arithmetic, activations by probing.

What the backward pass keeps is linear in blocks and in tokens. Four small forward passes (1 and 2 blocks; a short and a
longer pack) give the four coefficients, so that a large model is judged without being built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dit.checkpoint import LatentSpec
from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.train.data import Batch, generator_for, make_batch
from dit.train.optim import parameter_groups
from pipeline.training.compute import compute_dtype

PROBE_TOKENS = (256, 768)
"""About how many latent tokens the two packs have that activations are probed with."""


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes of one training process, without its program and data."""

    parameters: int
    """Number of weights."""
    weights: int
    """Weights and their moving average."""
    gradients: int
    """One number per weight."""
    optimizer: int
    """Moments."""
    activations: int
    """What the backward pass of one pack keeps, and the gradients of a block of it."""

    @property
    def total(self) -> int:
        """All of them, which is the case when the backward pass ends."""
        return self.weights + self.gradients + self.optimizer + self.activations


def estimate_memory(
    model: DiTConfig,
    config: TrainConfig,
    clips: Sequence[dict[str, Any]],
    spec: LatentSpec,
) -> MemoryEstimate:
    """Memory of training ``model`` in packs of ``config.tokens_per_pack``; ``clips`` are loader items to probe with."""
    shallow, deep = (DiT(replace(model, depth=depth)) for depth in (1, 2))
    for probe in (shallow, deep):
        probe.set_compute(compute_dtype(config.precision))
    one, two = (_counts(probe, config.optimizer or "muon") for probe in (shallow, deep))
    parameters, moments = (a + (model.depth - 1) * (b - a) for a, b in zip(one, two, strict=True))
    packs = [_pack(clips, tokens, spec, model, config) for tokens in PROBE_TOKENS]
    if len(packs[0].x_t) == len(
        packs[1].x_t
    ):  # too few clips for two packs: everything grows with tokens
        packs[0] = packs[1]
    small, large = (len(pack.x_t) for pack in packs)
    kept = {(d, p): kept_bytes(m, packs[p]) for d, m in ((1, shallow), (2, deep)) for p in (0, 1)}

    def at_full_length(depth: int) -> float:
        """Linear in tokens through the two probes."""
        if small == large:
            return kept[depth, 1] * config.tokens_per_pack / large
        slope = (kept[depth, 1] - kept[depth, 0]) / (large - small)
        return kept[depth, 1] + slope * (config.tokens_per_pack - large)

    block = at_full_length(2) - at_full_length(1)
    # Checkpointed blocks keep their input alone; one at a time is run again.
    each = 4 * model.width * config.tokens_per_pack if config.recompute else block
    return MemoryEstimate(
        parameters=parameters,
        weights=2 * 4 * parameters,
        gradients=4 * parameters,
        optimizer=4 * moments,
        activations=round(at_full_length(1) + (model.depth - 1) * each + block),
    )


def kept_bytes(model: DiT, batch: Batch) -> int:
    """Bytes that autograd keeps of a forward pass besides the weights themselves."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        velocity = model(batch.x_t, batch.levels, batch.layout, batch.given)
    del velocity
    return sum(kept.values())


def _counts(model: DiT, optimizer: str) -> tuple[int, int]:
    """(weights, numbers of optimiser state): Muon keeps one moment of a hidden matrix, AdamW two of everything."""
    hidden, matrices, vectors = (sum(p.numel() for p in group) for group in parameter_groups(model))
    moments = 2 * (matrices + vectors) + (1 if optimizer == "muon" else 2) * hidden
    return hidden + matrices + vectors, moments


def moments_of(config: DiTConfig, optimizer: str) -> int:
    """Numbers of optimiser state, from models of one and two blocks that hold no numbers."""
    with torch.device("meta"):
        (_, one), (_, two) = (
            _counts(DiT(replace(config, depth=depth)), optimizer) for depth in (1, 2)
        )
    return one + (config.depth - 1) * (two - one)


def _pack(
    clips: Sequence[dict[str, Any]],
    tokens: int,
    spec: LatentSpec,
    model: DiTConfig,
    config: TrainConfig,
) -> Batch:
    """A pack of the first clips that come to at least ``tokens``."""
    for count in range(1, len(clips) + 1):
        batch = make_batch(clips[:count], spec, model, config, generator_for(0, 0, 0))
        if len(batch.x_t) >= tokens:
            break
    return batch
