"""What the latents are that a transformer makes: of which models, and how they are brought to unit scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LatentSpec:
    """What the latents of a DiT are: made by which models, and how they are brought to unit scale."""

    vae_id: str
    """Content id of the VAE."""
    text_encoder_id: str
    """Content id of the text encoder."""
    mean: tuple[float, ...]
    """Per-channel mean of the VAE's latents."""
    std: tuple[float, ...]
    """Per-channel standard deviation of the VAE's latents."""
    vae: str = ""
    """What ``encode`` called the VAE; empty where a checkpoint does not say."""
    text_encoder: str = ""
    """What ``encode`` called the text encoder."""

    def _column(self, values: tuple[float, ...]) -> Tensor:
        import torch

        return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)

    def normalise(self, latent: Tensor) -> Tensor:
        """VAE latents (C, T, H, W) -> unit scale."""
        return (latent - self._column(self.mean)) / self._column(self.std)

    def scale(self, deviation: Tensor) -> Tensor:
        """Deviations of VAE latents (C, T, H, W) -> of normalised ones."""
        return deviation / self._column(self.std)

    def denormalise(self, latent: Tensor) -> Tensor:
        """Inverse of ``normalise``."""
        return latent * self._column(self.std) + self._column(self.mean)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**vars(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LatentSpec:
        """Inverse of ``to_dict``."""
        return cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"])})
