"""The clips that a training draws from: the loader's token packs, with some clips held out. No torch is needed to open
them, so what there is, and what does not fit, is said before it is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.latents.layout import TEXT_ENCODER_ID, VAE_ID
from pipeline.loader.held_out import held_out_clips
from pipeline.loader.latent_packs import LatentPacks
from pipeline.loader.mix import without_empty
from pipeline.loader.packs import plan_packs

if TYPE_CHECKING:
    from dit.latents import LatentSpec
    from dit.train.references import Mates

REFERENCES = "references"
"""Key of a loader's item: latents (C, T, H, W), as the VAE gave them, that the clip is shown; missing without any."""
HELD_OUT_LIMIT = 256
"""Most of the clips kept out of training that the held-out loss is measured on."""


class TrainingPacks(LatentPacks):
    """The loader's token packs without the held-out clips, which are those of whole sources."""

    def __init__(
        self,
        folder: str | Path,
        *,
        held_out_share: float = 0.02,
        reference_share: float = 0.0,
        reference_videos: float = 0.25,
        **options: Any,
    ) -> None:
        super().__init__(folder, **options)
        self.held = held_out_clips(self.store, held_out_share)
        """(clips,) bool: clips that are never trained on."""
        self.reference_share, self.reference_videos = reference_share, reference_videos
        self.held_out: list[int] = np.flatnonzero(self.held)[:HELD_OUT_LIMIT].tolist()
        """Those of them that the held-out loss is measured on."""

    @property
    def n_clips(self) -> int:
        """Clips that are trained on."""
        return len(self.held) - int(self.held.sum())

    @cached_property
    def mates(self) -> Mates:
        """The clips that may be references of each clip."""
        from dit.train.references import Mates

        return Mates(self.store.source_codes, self.held)

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        """A clip, with ``REFERENCES`` where it is shown another of its source."""
        item = super()._sample(index, epoch)
        if not self.reference_share:
            return item
        import torch

        from dit.train.references import draw_reference, shown_part

        key = (self.steps.seed, epoch, self.clip_ids[index])
        drawn = draw_reference(self.mates, index, key, self.reference_share, self.reference_videos)
        if drawn is None:
            return item
        mean = torch.from_numpy(self.store.posterior(drawn[0])[0])
        return {**item, REFERENCES: [shown_part(mean, drawn[1])]}

    def _packed(self, epoch: int) -> Sequence[list[int]]:
        order = self.steps.drawn(epoch)
        return self.packed(order[~self.held[order]])

    def _clip(self, index: int, epoch: int) -> dict[str, Any]:
        """A clip, or in place of a damaged one another of the same length that is not held out."""
        length = self.lengths[index]
        return self._fetch(index, epoch, lambda j: self.lengths[j] == length and not self.held[j])

    def _shares(self, index: int) -> dict[str, float]:
        """A held-out clip always shows a caption."""
        return without_empty(self.shares) if self.held[index] else self.shares

    def held_out_packs(self) -> Sequence[list[dict[str, Any]]]:
        """The held-out clips, packed, always the same; a pack is read when it is asked for."""
        packs = plan_packs(self.lengths.tolist(), self.held_out, self.token_budget, self.window)
        return _Packs(self, packs)

    def held_out_shapes(self) -> list[str]:
        """Latent shapes (T, H, W) of the clips that are held out, such as ``5x8x8``."""
        shapes = np.unique(self.store.shapes[np.flatnonzero(self.held), 1:], axis=0)
        return ["x".join(map(str, shape)) for shape in shapes.tolist()]

    def spec(self) -> LatentSpec:
        """Which models made these latents, and their statistics."""
        from dit.latents import LatentSpec

        metadata = self.store.metadata
        return LatentSpec(
            vae_id=metadata[VAE_ID],
            text_encoder_id=metadata[TEXT_ENCODER_ID],
            mean=tuple(self.store.channel_mean),
            std=tuple(self.store.channel_std),
            vae=self.store.made_with("vae"),
            text_encoder=self.store.made_with("text_encoder"),
        )


class _Packs(Sequence[list[dict[str, Any]]]):
    """Packs of held-out clips, each read when it is asked for."""

    def __init__(self, data: TrainingPacks, packs: list[list[int]]) -> None:
        self._data, self._packs = data, packs

    def __len__(self) -> int:
        return len(self._packs)

    def __getitem__(self, number: Any) -> Any:
        data = self._data
        return data._all(
            lambda i: data._fetch(i, 0, lambda j: bool(data.held[j])), self._packs[number]
        )
