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

from dit.config import DiTConfig, TrainConfig
from dit.latents import LatentSpec
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
    one, two = (
        _counts(DiT(replace(model, depth=depth)), config.optimizer or "muon") for depth in (1, 2)
    )
    parameters, moments = (a + (model.depth - 1) * (b - a) for a, b in zip(one, two, strict=True))
    return MemoryEstimate(
        parameters=parameters,
        weights=2 * 4 * parameters,
        gradients=4 * parameters,
        optimizer=4 * moments,
        activations=round(activations_of(probe_kept(model, config, clips, spec), model, config)),
    )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the backward pass keeps of two packs, of models of one and two blocks."""

    tokens: tuple[int, int]
    """Latent tokens of the packs."""
    bytes: tuple[tuple[int, int], tuple[int, int]]
    """Of one block with each pack, and of two."""

    def at(self, depth: int, tokens: int) -> float:
        """Bytes of ``depth`` blocks, 1 or 2, with a pack of ``tokens``: linear in tokens through the two."""
        (small, large), (first, second) = self.tokens, self.bytes[depth - 1]
        if small == large:
            return second * tokens / large
        return second + (second - first) / (large - small) * (tokens - large)


def probe_kept(
    model: DiTConfig, config: TrainConfig, clips: Sequence[dict[str, Any]], spec: LatentSpec
) -> Kept:
    """Run the four forward passes; the depth of ``model`` and the tokens and recompute of ``config`` play no part."""
    shallow, deep = (DiT(replace(model, depth=depth)) for depth in (1, 2))
    for probe in (shallow, deep):
        probe.set_compute(compute_dtype(config.precision))
    small, large = (_pack(clips, tokens, spec, model, config) for tokens in PROBE_TOKENS)
    if len(small.x_t) == len(
        large.x_t
    ):  # too few clips for two packs: everything grows with tokens
        small = large
    return Kept(
        tokens=(len(small.x_t), len(large.x_t)),
        bytes=(
            (kept_bytes(shallow, small), kept_bytes(shallow, large)),
            (kept_bytes(deep, small), kept_bytes(deep, large)),
        ),
    )


def activations_of(kept: Kept, model: DiTConfig, config: TrainConfig) -> float:
    """Bytes that the backward pass of a full pack keeps, and the gradients of a block of it."""
    tokens = config.tokens_per_pack
    block = kept.at(2, tokens) - kept.at(1, tokens)
    # Checkpointed blocks keep their input alone; one at a time is run again.
    each = 4 * model.width * tokens if config.recompute else block
    return kept.at(1, tokens) + (model.depth - 1) * each + block


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
