"""Latents in global steps of token packs: any mix of sizes and lengths under one token budget."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import MixConfig
from pipeline.latents.index import kind_of
from pipeline.latents.store import MEMORY_BYTES, LatentStore
from pipeline.loader.lazy_packs import LazyPacks
from pipeline.loader.mix import (
    EMPTY,
    draw_kind,
    draw_rendering,
    draw_shares,
    lacking,
    shown_kind,
)
from pipeline.loader.order import LoaderState
from pipeline.loader.packs import WINDOW, Balance
from pipeline.loader.quarantine import Quarantine
from pipeline.loader.steps import Batches, Step, StepLoader


class LatentPacks(Batches):
    """Token packs of latents: ``Step.units`` is a list of packs, each a list of dicts.

    Keys of a clip: latent_mean and latent_logvar (C,T,H,W) float32 as the VAE gave them
    (``channel_mean``/``channel_std`` bring them to unit scale), text_features (L, text_dim) float32,
    clip_id, kind, caption, fps, n_frames, width, height. ``mix`` says which kind of caption is drawn; an empty one
    has kind ``""`` and no text features. With ``linear_tokens`` (``DiTConfig.linear_tokens``) packs are balanced by
    what attention over them costs, see ``packs.Balance``.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        token_budget: int,
        packs_per_step: int = 1,
        patch: tuple[int, int, int] = (1, 2, 2),
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        window: int = WINDOW,
        linear_tokens: int = 0,
        mix: MixConfig | None = None,
        drop_last: bool = True,
        quarantine: str | Path | None = None,
        max_bad_share: float = 0.001,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.store = LatentStore(folder, memory_bytes=memory_bytes)
        self.root = str(self.store.root)
        self.token_budget, self.window, self.mix = token_budget, window, mix or MixConfig()
        self.clips = self.store.clips
        """Clip number -> {kind of caption: its number in the store}."""
        self.clip_ids = self.store.clip_ids
        """Clip number -> id."""
        self.patch = patch
        have = self.store.kind_sets()
        self.shares = draw_shares(self.mix, frozenset().union(*have))
        """Kind -> share of draws."""
        self.lacking = lacking(self.shares, have)
        """Kind -> clips that show another in its place."""
        self.balance = (
            Balance(linear_tokens=linear_tokens, packs_per_step=packs_per_step)
            if linear_tokens
            else None
        )
        self.steps = StepLoader(
            len(self.clips),
            seed,
            self.store.hash,
            packs_per_step,
            rank,
            world,
            drop_last=drop_last,
            plan=self._packed,
        )
        self.quarantine = Quarantine(quarantine, len(self.clips), max_share=max_bad_share)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(clips,) int32: tokens of each clip."""
        sides = self.store.shapes[:, 1:].T
        counts = (-(-side // p) for side, p in zip(sides, self.patch, strict=True))
        return np.prod(list(counts), axis=0, dtype=np.int32)

    def at(self, state: LoaderState) -> Step:
        members = self.steps.units_at(state)
        flat = iter(
            self._all(lambda i: self._clip(i, state.epoch), [i for pack in members for i in pack])
        )
        packs = [[next(flat) for _ in pack] for pack in members]
        everyone = self.steps.units_at(state, all_ranks=True)
        return Step(
            epoch=state.epoch,
            step=state.step,
            units=packs,
            n_tokens=sum(int(self.lengths[i]) for pack in everyone for i in pack),
            state=self.steps.advance(state, 1),
        )

    def _clip(self, index: int, epoch: int) -> dict[str, Any]:
        return self._fetch(index, epoch, lambda j: self.lengths[j] == self.lengths[index])

    def _packed(self, epoch: int) -> Sequence[list[int]]:
        return self.packed(self.steps.drawn(epoch))

    def packed(self, order: Sequence[int] | np.ndarray) -> Sequence[list[int]]:
        """Clips of ``order`` in packs, which are made when they are asked for."""
        clips = np.asarray(order, np.int64)
        return LazyPacks(self.lengths, clips, self.token_budget, self.window, self.balance)

    def _clip_id(self, index: int) -> str:
        return self.clip_ids[index]

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        rows = self.clips[index]
        name = self._drawn(index, epoch)
        if name != EMPTY:
            return self.store.item(rows[name])
        return self.store.bare_item(index)

    def _shares(self, index: int) -> dict[str, float]:
        """Shares that clip ``index`` draws by."""
        return self.shares

    def _drawn(self, index: int, epoch: int) -> str:
        """Name of the row that a clip shows in an epoch, ``""`` for no caption."""
        key = (self.steps.seed, epoch, self.clip_ids[index])
        rows = self.clips[index]
        kind = shown_kind(draw_kind(*key, self._shares(index)), {kind_of(name) for name in rows})
        names = [name for name in rows if kind_of(name) == kind]
        return draw_rendering(*key, names) if names else EMPTY
