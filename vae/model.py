"""The causal video VAE: frames (B,3,T,H,W) in [-1,1], T = 1+k*f, to latents (B,C,1+k,H/s,W/s) and back.

An image is a one-frame video. Latent i depends on no frame after 1+i*f, and a video encoded or
decoded in pieces equals the same video encoded or decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae.config import VAEConfig
from vae.conv import (
    CausalTimeConv,
    Down,
    FoldTime,
    PatchLinear,
    ResBlock,
    RMSNorm,
    SpaceConv,
    StreamState,
    UnfoldTime,
    UnpatchLinear,
    Up,
    fold_space,
    unfold_space,
)

Linear = TypeVar("Linear", PatchLinear, UnpatchLinear)
LOGVAR_RANGE = (-20.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A diagonal Gaussian over latents; both fields are (B,C,T,H,W)."""

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw; ``generator`` lives on the CPU so that draws do not depend on the device."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=torch.float32)
        return self.mean + noise.to(self.mean) * (0.5 * self.logvar).exp()

    def kl(self) -> Tensor:
        """Mean KL divergence to N(0,1) per latent value, in nats."""
        return kl_divergence(self.mean, self.logvar)


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Mean KL divergence of N(mean, exp(logvar)) from N(0,1) per value, in nats."""
    mean, logvar = mean.float(), logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()


def _linear_path(kind: type[Linear], config: VAEConfig) -> Linear | None:
    if not config.linear_path:
        return None
    return kind(config.latent_channels, config.time_factor, config.space_factor)


class Encoder(nn.Module):
    """Frames (B,T,H,W,3) to (B,T',H',W',2C): means, then log-variances."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        frames, pixels = config.patch
        self.pixels = pixels
        self.fold_time = FoldTime(frames)
        self.stem = nn.Linear(3 * frames * pixels * pixels, config.widths[0])
        layers: list[nn.Module] = []
        for i, width in enumerate(config.widths):
            if i:
                layers.append(Down(config.widths[i - 1], width, *config.strides[i - 1]))
            layers += [ResBlock(width, config.time_kernel) for _ in range(config.encoder_blocks[i])]
        self.layers = nn.ModuleList(layers)
        self.norm = RMSNorm(config.widths[-1])
        self.head = nn.Linear(config.widths[-1], 2 * config.latent_channels)
        self.linear = _linear_path(PatchLinear, config)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        base = None if self.linear is None else self.linear(x, state)
        x = self.stem(fold_space(self.fold_time(x, state), self.pixels))
        for layer in self.layers:
            x = layer(x, state)
        out = self.head(F.silu(self.norm(x)))
        return out if base is None else out + F.pad(base, (0, base.shape[-1]))


class Decoder(nn.Module):
    """Latents (B,T',H',W',C) to frames (B,T,H,W,3)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        frames, pixels = config.patch
        widths = (config.decoder_widths or config.widths)[::-1]
        self.pixels = pixels
        self.stem = CausalTimeConv(config.latent_channels, widths[0], config.time_kernel)
        layers: list[nn.Module] = []
        for i, width in enumerate(widths):
            if i:
                layers.append(Up(widths[i - 1], width, *config.strides[len(widths) - 1 - i]))
            blocks = config.decoder_blocks[len(widths) - 1 - i]
            for k in range(blocks):
                dilation = config.reach if i == 0 and k % 2 else 1
                layers.append(ResBlock(width, config.time_kernel, dilation))
        self.layers = nn.ModuleList(layers)
        values = 3 * frames * pixels * pixels
        hidden = max(widths[-1], values)
        self.norm = RMSNorm(widths[-1])
        self.widen = (
            SpaceConv(widths[-1], hidden) if frames * pixels < 8 else nn.Linear(widths[-1], hidden)
        )
        self.head = nn.Linear(hidden, values)
        self.unfold_time = UnfoldTime(frames)
        self.linear = _linear_path(UnpatchLinear, config)

    def forward(self, z: Tensor, state: StreamState | None = None) -> Tensor:
        base = None if self.linear is None else self.linear(z, state)
        x = self.stem(z, state)
        for layer in self.layers:
            x = layer(x, state)
        x = self.head(F.silu(self.widen(F.silu(self.norm(x)))))
        x = self.unfold_time(unfold_space(x, self.pixels), state)
        return x if base is None else x + base


class UnitLatents(nn.Module):
    """A model that knows the statistics of its latents, by which they become unit scale."""

    latent_mean: Tensor
    latent_std: Tensor

    def normalise(self, z: Tensor) -> Tensor:
        """Latents to zero mean and unit deviation per channel (over the training clips)."""
        shape = (1, -1, 1, 1, 1)
        return (z - self.latent_mean.view(shape)) / self.latent_std.view(shape)

    def denormalise(self, z: Tensor) -> Tensor:
        """Inverse of ``normalise``."""
        shape = (1, -1, 1, 1, 1)
        return z * self.latent_std.view(shape) + self.latent_mean.view(shape)


class VideoVAE(UnitLatents):
    """Encoder, decoder, and the latent statistics that make its latents unit scale."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels))
        self.register_buffer("latent_std", torch.ones(config.latent_channels))
        self.id = "untrained"

    @torch.no_grad()
    def start_linear_path(self, mean: Tensor, components: Tensor, std: Tensor) -> None:
        """Make the linear paths a whitened linear code, and let the networks beside them start at zero.

        mean (D,), orthonormal components (C,D) and their deviations (C,), where D runs over
        (row, column, frame, colour) within one patch.
        """
        if self.encoder.linear is None or self.decoder.linear is None:
            raise ValueError("this VAE has no linear path (VAEConfig.linear_path is False)")
        down = components / std[:, None]
        self.encoder.linear.project.weight.copy_(down)
        self.encoder.linear.project.bias.copy_(-down @ mean)
        self.decoder.linear.project.weight.copy_((components * std[:, None]).T)
        self.decoder.linear.project.bias.copy_(mean)
        n = self.config.latent_channels
        for head in (self.encoder.head, self.decoder.head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.encoder.head.bias[n:] = -4.0  # a posterior deviation of 0.14 to start from

    def check_frames(self, shape: torch.Size | tuple[int, ...]) -> None:
        """Raise ValueError unless (B,3,T,H,W) fits the compression."""
        f, s = self.config.time_factor, self.config.space_factor
        if len(shape) != 5 or shape[1] != 3:
            raise ValueError(f"frames have shape {tuple(shape)}; the VAE wants (B,3,T,H,W)")
        _, _, t, h, w = shape
        if t < 1 or (t - 1) % f:
            raise ValueError(f"{t} frames do not fit the VAE; give 1 + a multiple of {f}")
        if h % s or w % s or not h or not w:
            raise ValueError(
                f"frames of {w}x{h} do not fit the VAE; sides must be multiples of {s}"
            )

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C,T,H,W) of the latents of one clip."""
        return self.config.latent_shape(n_frames, height, width)

    def _encode(self, x: Tensor, state: StreamState | None) -> Posterior:
        out = self.encoder(x.permute(0, 2, 3, 4, 1), state).permute(0, 4, 1, 2, 3)
        mean, logvar = out.float().chunk(2, dim=1)
        return Posterior(mean=mean, logvar=logvar.clamp(*LOGVAR_RANGE))

    def _decode(self, z: Tensor, state: StreamState | None) -> Tensor:
        out = self.decoder(z.permute(0, 2, 3, 4, 1), state)
        return out.permute(0, 4, 1, 2, 3).float()

    def encode(self, x: Tensor) -> Posterior:
        """Frames (B,3,T,H,W) in [-1,1] to the posterior of their latents (not yet normalised)."""
        self.check_frames(x.shape)
        return self._encode(x, None)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B,C,T',H',W'), not normalised, to frames (B,3,T,H,W), nominally in [-1,1]."""
        return self._decode(z, None)

    def encode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Posterior]:
        """Encode a video that arrives in pieces of any length (B,3,n,H,W), in constant memory.

        Yields a posterior whenever enough frames have come. A video that ends off the grid of
        1 + k*f frames raises ValueError after the last full latent.
        """
        state, held, first = StreamState(), None, True
        for chunk in chunks:
            held = chunk if held is None else torch.cat([held, chunk], dim=2)
            if first and held.shape[2]:
                yield self._encode(held[:, :, :1], state)
                held, first = held[:, :, 1:], False
            ready = held.shape[2] - held.shape[2] % self.config.time_factor
            if ready:
                yield self._encode(held[:, :, :ready], state)
                held = held[:, :, ready:].clone()
        if held is not None and held.shape[2]:
            raise ValueError(
                f"the video ended {held.shape[2]} frames past a whole number of latents; "
                f"give 1 + a multiple of {self.config.time_factor} frames"
            )

    def decode_stream(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode latents that arrive in pieces (B,C,n,H',W'), in constant memory."""
        state = StreamState()
        for chunk in chunks:
            if chunk.shape[2]:
                yield self._decode(chunk, state)

    def last_weight(self) -> Tensor:
        """The weight of the layer that makes pixels."""
        return self.decoder.head.weight
