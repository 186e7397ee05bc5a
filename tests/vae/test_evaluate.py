"""Figures of a VAE: of every cell of every clip alike, and deviations as deviations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vae.evaluate import latent_statistics
from vae.model import Posterior


class Told:
    """Its latents are the colours themselves, its deviations what it was told."""

    config = SimpleNamespace(latent_channels=3)
    latent_mean = torch.zeros(3)

    def __init__(self, deviations: tuple[float, ...]) -> None:
        self.logvar = 2 * torch.tensor(deviations).log()

    def encode(self, x: torch.Tensor) -> Posterior:
        return Posterior(mean=x, logvar=self.logvar.view(1, 3, 1, 1, 1).expand_as(x))


def test_statistics_are_of_all_cells_and_deviations_are_no_variances() -> None:
    """Training scales its latents by them, and its noise is compared with the posterior's."""
    rng = np.random.default_rng(0)
    sizes = ((3, 4, 4), (5, 8, 2), (1, 2, 2))
    clips = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    vae: Any = Told((0.1, 0.5, 2.0))
    mean, std, noise = latent_statistics(vae, clips)
    cells = np.concatenate([clip.reshape(-1, 3) for clip in clips]) / 127.5 - 1
    assert mean.numpy() == pytest.approx(cells.mean(0), abs=1e-5)
    assert std.numpy() == pytest.approx(cells.std(0), abs=1e-5)
    assert noise.numpy() == pytest.approx([0.1, 0.5, 2.0], rel=1e-4)
    with pytest.raises(ValueError, match="at least one clip"):
        latent_statistics(vae, [])
