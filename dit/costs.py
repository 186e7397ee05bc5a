"""What training a DiT costs: arithmetic by counting, speed by what was measured, memory by small probes."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from dit.config import DiTConfig, TrainConfig
from dit.shapes import weight_shapes
from pipeline import schema as s

if TYPE_CHECKING:
    from dit.train.memory import Kept


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A training step that was timed on a GPU."""

    gpu: str
    """What was measured on."""
    width: int
    """Channels of the model."""
    tokens: int
    """Tokens of the one clip of a pack."""
    tflops: float
    """Arithmetic a second that the model needs; what is done again in the backward pass does not count."""


MEASURED = (
    Measured(gpu="H100", width=384, tokens=8_400, tflops=35),
    Measured(gpu="H100", width=384, tokens=32_760, tflops=295),
    Measured(gpu="H100", width=384, tokens=99_981, tflops=333),
    Measured(gpu="H100", width=768, tokens=8_400, tflops=70),
    Measured(gpu="H100", width=768, tokens=32_760, tflops=370),
    Measured(gpu="H100", width=768, tokens=99_981, tflops=342),
    Measured(gpu="H100", width=1024, tokens=8_400, tflops=109),
    Measured(gpu="H100", width=1024, tokens=32_760, tflops=392),
    Measured(gpu="H100", width=1152, tokens=32_760, tflops=393),
)
"""``python -m benchmarks.gpu`` on an H100 80GB, torch 2.11, 2026-11-26, in docs/log/gpu.md: bf16, one GPU."""
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0}
"""Dense bf16 TFLOP/s by the makers' data sheets; of other GPUs than the measured one speed is taken in proportion."""
VAE_MEGAPIXELS = {"H100": 363.0}
"""Megapixels a second that the 4x8x8 VAE encodes in bf16, 17 x 480 x 832, from the same run."""
GPU_SHARE = {False: 0.83, True: 0.60}
"""What the backward pass keeps on a GPU, of what it keeps on a CPU, without and with recomputing: the fused kernels
keep less. From the memory column of the same run; its rows agree with the estimate to 8 %."""


def flops_of(config: DiTConfig, tokens: int, clips: int = 1, words: int = 512) -> float:
    """FLOPs of one training step: 6 a weight and token for products, 12 a pair and channel for attention.

    Args:
        config: The model.
        tokens: Latent tokens of the step, in ``clips`` of equal length.
        clips: Clips.
        words: Text tokens of a clip.
    """
    c, d = config.width, config.depth
    each = tokens / clips
    by_token = d * (4 * c * c + 2 * c * c + 2 * config.mlp_ratio * c * c) + 2 * c * config.token_dim
    by_word = d * 2 * c * c + config.refiner_depth * 8 * c * c + config.text_dim * c
    pairs = d * 12 * c * (tokens * each + tokens * words)
    return 6 * (by_token * tokens + by_word * words * clips) + pairs


def parameters_of(config: DiTConfig) -> int:
    """Number of weights."""
    return sum(math.prod(shape) for shape in weight_shapes(config).values())


@dataclass(frozen=True, kw_only=True)
class Speed:
    """TFLOP/s of one GPU, likely and between which bounds."""

    low: float
    likely: float
    high: float
    known: str
    """How it is known."""


def speed_of(config: DiTConfig, tokens: int, gpu: str) -> Speed:
    """Speed of training packs of one clip of ``tokens``: that of the nearest measured size and length, by ratio.

    The bounds are 10 % around a measurement at hand, and wider the farther it is: by a third of the distance in
    doublings of width, and all of it in halvings of length, below which the host is too slow.
    """
    if gpu not in PEAKS:
        raise ValueError(f"GPU {gpu!r} is not known; use one of {', '.join(PEAKS)}")

    def distance(each: Measured) -> float:
        return abs(math.log2(each.width / config.width)) + abs(math.log2(each.tokens / tokens))

    near = min(MEASURED, key=distance)
    wide = abs(math.log2(near.width / config.width))
    longer = math.log2(tokens / near.tokens)
    likely = near.tflops * PEAKS[gpu] / PEAKS[near.gpu]
    slack = 0.1 + 0.1 * wide + 0.1 * abs(longer) + (0.15 if gpu != near.gpu else 0)
    low = likely * max(0.2, 1 - slack - max(0.0, -longer) * 0.5)
    high = min(likely * (1 + slack), 0.6 * PEAKS[gpu])
    known = (
        f"{near.gpu}, width {near.width}, {near.tokens:,} tokens: {near.tflops:g} TFLOP/s measured"
    )
    return Speed(low=low, likely=likely, high=max(high, likely), known=known)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of one GPU, or of a training process on a CPU beside its program and data."""

    weights: float
    """Weights and their average, in float32."""
    gradients: float
    optimizer: float
    gathered: float
    """Blocks that sharded weights are gathered into while they are used."""
    activations: float
    """What the backward pass of one pack keeps."""

    @property
    def total(self) -> float:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.gathered + self.activations


def memory_of(
    config: DiTConfig,
    train: TrainConfig,
    *,
    clip_tokens: int,
    words: int,
    shards: int = 1,
    gpu: bool = True,
) -> Memory:
    """Memory of training in packs of ``train.tokens_per_pack``, weights spread over ``shards`` GPUs.

    Activations grow in proportion to the width; two narrow models of the same kind are probed for the rate, on a clip
    of a few hundred tokens with as many words for each token as the real clips have.
    """
    from dit.train.memory import moments_of

    activations = _activations(config, train, max(1, round(words * PROBE / clip_tokens)))
    share = GPU_SHARE[train.recompute] if gpu else 1.0
    count = parameters_of(config)
    block = (parameters_of(replace(config, depth=2)) - parameters_of(replace(config, depth=1))) * 4
    return Memory(
        weights=8 * count / shards,
        gradients=4 * count / shards,
        optimizer=4 * moments_of(config, train.optimizer or "muon") / shards,
        gathered=0 if shards == 1 else 3 * block,
        activations=share * activations,
    )


def _activations(config: DiTConfig, train: TrainConfig, words: int) -> float:
    """Bytes that the backward pass of a pack keeps on a CPU."""
    from dit.train.memory import activations_of

    size = config.head_dim
    narrow = [replace(config, width=n * size, heads=n) for n in (1, 2)]
    probed = replace(train, tokens_per_pack=TrainConfig().tokens_per_pack, recompute=False)
    one, two = (
        round(activations_of(_kept(replace(each, depth=1), probed, words), each, train))
        for each in narrow
    )
    return one + (two - one) * (config.width - size) / size


@functools.cache
def _kept(config: DiTConfig, train: TrainConfig, words: int) -> Kept:
    """What is probed, once for all depths, lengths of packs, and with and without recomputing."""
    from dit.latents import LatentSpec
    from dit.train.memory import probe_kept

    spec = LatentSpec(
        vae_id="",
        text_encoder_id="",
        mean=(0.0,) * config.latent_channels,
        std=(1.0,) * config.latent_channels,
    )
    return probe_kept(config, train, [probe_clip(config, words)] * 8, spec)


PROBE = 128
"""Latent tokens of a clip that is probed with."""


def probe_clip(config: DiTConfig, words: int) -> dict[str, Any]:
    """A loader item of zeros with ``PROBE`` tokens."""
    t, h, w = config.patch
    shape = (config.latent_channels, 2 * t, 8 * h, 8 * w)
    return {
        s.LATENT_MEAN: torch.zeros(shape),
        s.LATENT_LOGVAR: torch.zeros(shape),
        s.TEXT_FEATURES: torch.zeros(words, config.text_dim),
        s.FPS: 8.0,
    }
