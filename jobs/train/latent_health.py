"""Are cached latents what training takes them for? Their moments, and how they decode to the clips they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError
from pipeline import schema as s

if TYPE_CHECKING:
    import torch

    from dit.latents import LatentSpec
    from dit.train.training_packs import TrainingPacks
    from pipeline.contracts import Vae


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Normalised latents of the training clips, weighted by tokens."""

    mean: np.ndarray
    """(C,) should be near 0."""
    std: np.ndarray
    """(C,) should be near 1."""
    first_loss: float
    """Loss of a model that predicts zero: 1 + the mean square of what it is to predict from."""


def latent_moments(
    data: TrainingPacks, clips: Sequence[int], patch: tuple[int, int, int]
) -> Moments:
    """Moments of posterior samples, by arithmetic: E z = mean, E z^2 = mean^2 + variance."""
    import torch

    from dit.packing import patchify, real_share
    from pipeline.shards.ranges import ClipError

    spec: LatentSpec = data.spec()
    std = torch.tensor(spec.std).view(-1, 1, 1, 1)
    first = second = torch.zeros(len(spec.mean), dtype=torch.float64)
    numbers, squares, tokens = 0, 0.0, 0
    for i in clips:
        try:
            item = data.store.bare_item(i)
        except ClipError:  # named among what is left out
            continue
        mean = spec.normalise(item[s.LATENT_MEAN])
        square = mean.square() + item[s.LATENT_LOGVAR].exp() / std.square()
        first = first + mean.double().sum((1, 2, 3))
        second = second + square.double().sum((1, 2, 3))
        numbers += mean[0].numel()
        squares += float(token_means(square, patch, patchify, real_share).sum())
        tokens += data.lengths[i]
    if not tokens:
        raise UserError(f"no row of {data.store.root} is readable; run `filmstock encode` again")
    mean = first / numbers
    return Moments(
        mean=mean.numpy(),
        std=(second / numbers - mean.square()).clamp(min=0).sqrt().numpy(),
        first_loss=1 + squares / tokens,
    )


def token_means(
    numbers: torch.Tensor, patch: tuple[int, int, int], patchify: Any, real_share: Any
) -> torch.Tensor:
    """(tokens,) mean over the numbers of each token, edge padding left out: as the loss takes it."""
    rows = patchify(numbers, patch)
    mask = real_share(numbers.shape[1:], patch)
    if mask is None:
        return rows.mean(1)
    real = mask.repeat(1, numbers.shape[0])
    return (rows * real).sum(1) / real.sum(1)


def manifest_beside(data: TrainingPacks) -> Any:
    """The manifest of the shards that lie beside the latents, or None."""
    from pipeline.shards.layout import manifest_of
    from pipeline.shards.read import open_manifest

    shards = data.store.root.parent / "shards"
    return open_manifest(shards) if manifest_of(shards).exists() else None


def view_of(data: TrainingPacks) -> str:
    """How clips were cropped and sampled before encoding, as JSON; empty when it was not noted."""
    return data.store.metadata.get("view", "")


def round_trip_psnrs(data: TrainingPacks, manifest: Any, vae: Vae, most: int) -> dict[str, float]:
    """clip_id -> PSNR in dB of its latents, decoded, against the frames they came from; at most ``most`` clips."""
    from pipeline.loader.view import ClipView, decode_view

    view = ClipView(**json.loads(view_of(data)))
    place = {name: i for i, name in enumerate(manifest.table[s.CLIP_ID].to_pylist())}
    values = {}
    for i in spread([i for i, name in enumerate(data.clip_ids) if name in place], most):
        name = data.clip_ids[i]
        row = manifest.row(place[name])
        native = {key: row[key] for key in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        frames = decode_view(manifest.read(place[name]), view, **native)
        latent = data.store.bare_item(i)[s.LATENT_MEAN]
        error = vae.decode(latent).astype(np.float32) - frames.astype(np.float32)
        values[name] = float(10 * np.log10(255**2 / max(float(np.square(error).mean()), 1e-9)))
    return values


def spread(items: Sequence[int], most: int) -> list[int]:
    """At most ``most`` of ``items``, evenly spread."""
    return list(items[:: max(1, -(-len(items) // most))])
