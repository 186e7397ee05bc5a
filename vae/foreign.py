"""A video VAE that is not ours, as the trainer and the measurements of ``vae`` take one: only its decoder learns.

The wrapped model is any module whose ``encode(x).latent_dist`` has ``mean`` and ``logvar`` and whose ``decode(z)`` has
``sample``, as those of diffusers. Its own weights, layers and causal caches stay as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.optim import Group
from vae.config import VAEConfig
from vae.model import Posterior, UnitLatents, VideoVAE

DECODER = ("decoder.", "post_quant_conv.")
"""Beginnings of the names of weights that are behind the latents."""


@dataclass(frozen=True, kw_only=True)
class ForeignConfig:
    """Shape of somebody else's VAE, with the names that ``VAEConfig`` has for it."""

    name: str
    """Class of the model."""
    id: str
    """Its latent space."""
    latent_channels: int
    """Channels of one latent cell."""
    time_factor: int
    """Frames per latent frame."""
    space_factor: int
    """Pixels per side of a latent cell."""
    frame_step: int
    """A video has 1 + a multiple of this many frames."""

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C,T,H,W) of the latents of one clip."""
        f, s = self.time_factor, self.space_factor
        return self.latent_channels, 1 + (n_frames - 1) // f, height // s, width // s

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class ForeignVAE(UnitLatents):
    """A model of others behind the calls of ``VideoVAE``. Everything before its latents is frozen."""

    def __init__(
        self,
        model: nn.Module,
        config: ForeignConfig,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.model, self.config, self.id = model, config, config.id
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(DECODER))
        self.register_buffer("latent_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("latent_std", torch.tensor(std), persistent=False)

    def latent_shape(self, n_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C,T,H,W) of the latents of one clip."""
        return self.config.latent_shape(n_frames, height, width)

    def encode(self, x: Tensor) -> Posterior:
        """Frames (B,3,T,H,W) in [-1,1] to the posterior of their latents, which are not normalised."""
        with torch.no_grad():
            found = self.model.encode(x).latent_dist
        return Posterior(mean=found.mean.float(), logvar=found.logvar.expand_as(found.mean).float())

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B,C,T',H',W'), not normalised, to frames (B,3,T,H,W)."""
        frames: Tensor = self.model.decode(z).sample
        return frames.float()

    def last_weight(self) -> Tensor:
        """The weight of the layer that makes pixels."""
        return [p for p in self.model.decoder.parameters() if p.ndim > 1][-1]

    def groups(self, weight_decay: float) -> list[Group]:
        """Weights of hidden layers, of the first and the last layer, and vectors."""
        learn = [p for p in self.model.parameters() if p.requires_grad]
        edges = [p for p in learn if p.ndim > 1]
        edges = [edges[0], edges[-1]]
        hidden = [p for p in learn if p.ndim > 1 and not any(p is each for each in edges)]
        return [
            Group(params=hidden, hidden=True, weight_decay=weight_decay),
            Group(params=edges, weight_decay=weight_decay),
            Group(params=[p for p in learn if p.ndim <= 1]),
        ]


AnyConfig = VAEConfig | ForeignConfig
"""The shape of a VAE that can be trained."""
AnyVAE = VideoVAE | ForeignVAE
"""A VAE that can be trained."""
