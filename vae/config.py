"""Sizes of the video VAE and settings of its training: plain frozen dataclasses, no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pipeline.bounds import (
    Bounded,
    Count,
    Decay,
    Limits,
    NonNegative,
    Positive,
    Share,
    Steps,
    Whole,
    check_bounds,
)
from pipeline.groups import DATA, EVALUATION, MODEL, OBJECTIVE, OPTIMISATION, OUTPUT, SCHEDULE
from pipeline.training.config import BaseTrainConfig, OptimizerName

FORMAT = "filmstock-vae-1"
"""What a file of weights calls itself in its metadata."""


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """Shape of a causal video VAE. Compression is the patch times the product of the strides."""

    latent_channels: Count = 8
    """Channels of one latent cell."""
    patch: tuple[Count, Count] = (4, 4)
    """(frames, pixels) folded into channels before the first layer; 1 means none."""
    widths: tuple[Count, ...] = (64, 128)
    """Channels of each stage, from pixels to latents."""
    decoder_widths: tuple[Count, ...] | None = None
    """Channels of the decoder's stages, listed from pixels to latents; None repeats ``widths``."""
    strides: tuple[tuple[Count, Count], ...] = ((1, 2),)
    """(time, space) stride between one stage and the next; one fewer than ``widths``."""
    encoder_blocks: tuple[Whole, ...] = (2, 2)
    """Residual blocks per stage of the encoder, from pixels to latents."""
    decoder_blocks: tuple[Whole, ...] = (2, 3)
    """Residual blocks per stage of the decoder, listed from pixels to latents too."""
    reach: Count = 1
    """Dilation of every second block of the decoder's deepest stage: how far it looks for what moved."""
    linear_path: bool = True
    """A linear code of whole patches beside the network, on both sides; training starts it at PCA."""
    time_kernel: Annotated[int, Limits(least=2)] = 2
    """Frames (this one and those before it) that each causal convolution over time sees."""

    def __post_init__(self) -> None:
        check_bounds(self)
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

    @property
    def time_factor(self) -> int:
        """Frames per latent frame (after the first, which is one frame on its own)."""
        return self.patch[0] * math.prod(time for time, _ in self.strides)

    @property
    def space_factor(self) -> int:
        """Pixels per latent cell, along each side."""
        return self.patch[1] * math.prod(space for _, space in self.strides)

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C,T,H,W) of the latents of one clip."""
        f, s = self.time_factor, self.space_factor
        return self.latent_channels, 1 + (n_frames - 1) // f, height // s, width // s

    @classmethod
    def preset(cls, name: str) -> VAEConfig:
        """A named size of ``PRESETS`` (time x height x width compression)."""
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
    "tiny": VAEConfig(latent_channels=16, decoder_widths=(96, 128), reach=3),
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
class LossConfig(Bounded):
    """Weights of the reconstruction and regularisation terms."""

    pyramid: Annotated[NonNegative, OBJECTIVE] = 0.5
    """Weight of the perceptual term, an L1 of Laplacian pyramids, beside the plain L1 of weight 1."""
    pyramid_levels: Annotated[Count, OBJECTIVE] = 3
    """Band-pass levels of the pyramid; each halves the frame."""
    mse: Annotated[NonNegative, OBJECTIVE] = 3.0
    """Weight of the mean squared error, which is what PSNR measures."""
    motion: Annotated[NonNegative, OBJECTIVE] = 0.0
    """Extra weight of L1 and squared error where something moves: with 8, a pixel from black to white counts 9 times.
    Objects that move fast are small and few, so the other terms hardly see that they smear."""
    kl: Annotated[NonNegative, OBJECTIVE] = 1e-3
    """Weight of the mean KL divergence per latent value."""
    gan: Annotated[NonNegative, OBJECTIVE] = 0.0
    """Weight of an adversarial term (0.1 is mild), for sharper detail; 0 is none."""
    gan_start: Annotated[Share, OBJECTIVE] = 0.5
    """Share of the run before the discriminator joins; the decoder hears it fully ``warmup_steps`` later."""
    gan_lr: Annotated[Positive, OBJECTIVE] = 2e-4
    """Learning rate of the discriminator."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(BaseTrainConfig):
    """One training run of the VAE."""

    steps: Annotated[Steps, SCHEDULE] = 2400
    batch: Annotated[Count, DATA] = 8
    """Clips per step, over all processes."""
    lr: Annotated[Positive, OPTIMISATION] = 5e-3
    """Peak learning rate, of Muon and AdamW alike."""
    optimizer: Annotated[OptimizerName, OPTIMISATION] = "muon"
    """``muon`` (matrices of hidden layers by Muon, the rest by AdamW) or ``adamw``."""
    decay_share: Annotated[Share, SCHEDULE] = 0.5
    """Last part of the run, over which the learning rate falls linearly to zero."""
    ema_decay: Annotated[Decay, OPTIMISATION] = 0.995
    """Limit of the decay of the averaged weights, which are saved and evaluated; it warms up as (1 + n) / (10 + n)."""
    image_share: Annotated[Share, DATA] = 0.1
    """Share of steps that train on single frames instead of clips."""
    latent_noise: Annotated[NonNegative, OBJECTIVE] = 0.3
    """Most extra noise on the latents of a clip, in latent units; half of the clips get none. The decoder
    learns to bear the small errors that a generator makes."""
    decoder_only: Annotated[bool, MODEL] = False
    """Train only the decoder: encoder, latent statistics and so the VAE's id stay, and so do latents made earlier."""
    checkpoint_every: Annotated[Count, OUTPUT] = 100
    log_every: Annotated[Count, OUTPUT] = 50
    eval_every: Annotated[Count, EVALUATION] = 400
    """Steps between measured reconstructions and their contact sheets."""
    fps: Annotated[Positive | None, DATA] = None
    """Frames per second that clips are sampled at; None takes every frame."""
    max_pixels: Annotated[Count | None, DATA] = 256 * 256
    """Area that larger frames are scaled down to, pixels; None keeps every size."""
    max_frames: Annotated[Count, DATA] = 17
    """Longest clip in frames, cut to 1 + a multiple of the time factor."""
    loss: LossConfig = LossConfig()
    """Terms of the loss."""
