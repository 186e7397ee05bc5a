"""Sizes of the video VAE and settings of its training: plain frozen dataclasses, no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Shape of a causal video VAE. Compression is the patch times the product of the strides."""

    latent_channels: int = 8
    """Channels of one latent cell."""
    patch: tuple[int, int] = (4, 4)
    """(frames, pixels) folded into channels before the first layer; 1 means none."""
    widths: tuple[int, ...] = (64, 128)
    """Channels of each stage, from pixels to latents."""
    decoder_widths: tuple[int, ...] | None = None
    """Channels of the decoder's stages, listed from pixels to latents; None repeats ``widths``."""
    strides: tuple[tuple[int, int], ...] = ((1, 2),)
    """(time, space) stride between one stage and the next; one fewer than ``widths``."""
    encoder_blocks: tuple[int, ...] = (2, 2)
    """Residual blocks per stage of the encoder, from pixels to latents."""
    decoder_blocks: tuple[int, ...] = (2, 3)
    """Residual blocks per stage of the decoder, listed from pixels to latents too."""
    reach: int = 1
    """Dilation of every second block of the decoder's deepest stage: how far it looks for what moved."""
    linear_path: bool = True
    """A linear code of whole patches beside the network, on both sides; training starts it at PCA."""
    time_kernel: int = 2
    """Frames (this one and those before it) that each causal convolution over time sees."""

    def __post_init__(self) -> None:
        stages = len(self.widths)
        if not (len(self.strides) + 1 == stages == len(self.encoder_blocks)) or stages != len(
            self.decoder_blocks
        ):
            raise ValueError(
                f"VAEConfig has {stages} widths, {len(self.strides)} strides, "
                f"{len(self.encoder_blocks)} encoder and {len(self.decoder_blocks)} decoder block "
                "counts; give one stride fewer than widths and one block count per width"
            )
        if self.decoder_widths is not None and len(self.decoder_widths) != stages:
            raise ValueError(
                f"decoder_widths has {len(self.decoder_widths)} stages, widths has {stages}"
            )
        if self.time_kernel < 2:
            raise ValueError(f"time_kernel is {self.time_kernel}; it must be 2 or more")

    @property
    def time_factor(self) -> int:
        """Frames per latent frame (after the first, which is one frame on its own)."""
        factor = self.patch[0]
        for time, _ in self.strides:
            factor *= time
        return factor

    @property
    def space_factor(self) -> int:
        """Pixels per latent cell, along each side."""
        factor = self.patch[1]
        for _, space in self.strides:
            factor *= space
        return factor

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C,T,H,W) of the latents of one clip."""
        f, s = self.time_factor, self.space_factor
        return self.latent_channels, 1 + (n_frames - 1) // f, height // s, width // s

    @classmethod
    def preset(cls, name: str) -> VAEConfig:
        """A named size: ``tiny`` and ``4x8x8`` and ``4x16x16`` (time x height x width compression)."""
        if name not in PRESETS:
            raise ValueError(f"no VAE preset {name!r}; choose one of {', '.join(PRESETS)}")
        return PRESETS[name]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VAEConfig:
        """Rebuild a config from ``to_dict`` after a trip through JSON (lists become tuples)."""
        fields: dict[str, Any] = {
            key: tuple(tuple(v) if isinstance(v, list) else v for v in value)
            if isinstance(value, list)
            else value
            for key, value in data.items()
        }
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


PRESETS: dict[str, VAEConfig] = {
    "tiny": VAEConfig(decoder_widths=(96, 128), reach=3),
    "4x8x8": VAEConfig(
        latent_channels=16,
        patch=(1, 2),
        widths=(96, 192, 384),
        strides=((2, 2), (2, 2)),
        encoder_blocks=(2, 2, 3),
        decoder_blocks=(3, 3, 4),
        time_kernel=3,
    ),
    "4x16x16": VAEConfig(
        latent_channels=48,
        patch=(1, 2),
        widths=(96, 192, 384, 512),
        strides=((1, 2), (2, 2), (2, 2)),
        encoder_blocks=(2, 2, 2, 3),
        decoder_blocks=(3, 3, 3, 4),
        time_kernel=3,
    ),
}


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the reconstruction and regularisation terms."""

    pyramid: float = 0.5
    """Weight of the Laplacian-pyramid L1 (the perceptual term) beside the plain L1 of weight 1."""
    pyramid_levels: int = 3
    """Band-pass levels of the pyramid; each halves the frame."""
    mse: float = 3.0
    """Weight of the mean squared error, which is what PSNR measures."""
    kl: float = 1e-3
    """Weight of the mean KL divergence per latent value."""
    gan: float = 0.0
    """Weight of the adversarial term, in pulls of the other terms on the last layer (``adversary``); 0 is none."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run of the VAE."""

    steps: int = 10_000
    """Optimiser steps of the whole run (the learning-rate schedule ends there)."""
    batch: int = 8
    """Clips per step, over all processes."""
    lr: float = 5e-3
    """Peak learning rate (of Muon and AdamW alike)."""
    warmup: int = 100
    """Steps of linear warm-up; the peak follows."""
    decay_share: float = 0.5
    """Last part of the run, over which the rate falls linearly to nothing."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's moment decays."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay."""
    clip_norm: float = 1.0
    """Largest gradient norm; larger ones are scaled down."""
    ema: float = 0.995
    """Decay of the weight average that is saved and evaluated."""
    image_share: float = 0.15
    """Share of steps that train on single frames instead of clips."""
    latent_noise: float = 0.3
    """Most extra noise on the latents of a clip, in latent units; half of the clips get none. The decoder
    learns to bear the small errors that a generator makes."""
    gan_start: float = 0.5
    """Share of the run before the discriminator joins; the decoder hears it fully ``warmup`` steps later."""
    gan_lr: float = 2e-4
    """Learning rate of the discriminator."""
    decoder_only: bool = False
    """Leave the encoder and the latent statistics as they are, so that latents made earlier stay valid."""
    seed: int = 0
    """Seed of the weights, the order, the image draws and the posterior noise."""
    bf16: bool | None = None
    """Autocast to bfloat16; None probes whether this machine multiplies faster in it."""
    save_every: int = 500
    """Steps between checkpoints."""
    log_every: int = 50
    """Steps between lines of metrics.jsonl."""
    sheet_every: int = 2_000
    """Steps between held-out evaluations and reconstruction contact sheets."""
    fps: float | None = None
    """Rate that clips are sampled at; None takes every frame."""
    max_pixels: int | None = 256 * 256
    """Area that larger frames are scaled down to; None keeps every size."""
    max_frames: int = 17
    """Longest clip in frames, trimmed to 1 + a multiple of the time factor."""
    loss: LossConfig = LossConfig()
    """Loss weights."""
