"""Latents in global steps of token packs: any mix of sizes and lengths under one token budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.loader.mix import (
    EMPTY,
    draw_kind,
    draw_rendering,
    draw_shares,
    kind_of,
    lacking,
    shown_kind,
)
from pipeline.loader.order import LoaderState
from pipeline.loader.packs import WINDOW, plan_packs
from pipeline.loader.quarantine import Quarantine
from pipeline.loader.steps import Batches, Step, StepLoader
from pipeline.shards.latents import MEMORY_BYTES, LatentStore


class LatentPacks(Batches):
    """Token packs of latents: ``Step.units`` is a list of packs, each a list of dicts.

    Keys of a clip: latent_mean and latent_logvar (C,T,H,W) float32 as the VAE gave them
    (``channel_mean``/``channel_std`` bring them to unit scale), text_features (L, text_dim) float32,
    clip_id, kind, caption, fps, n_frames, width, height. ``mix`` says which kind of caption is drawn; an empty one
    has kind ``""`` and no text features.
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
        mix: MixConfig | None = None,
        drop_last: bool = True,
        quarantine: str | Path | None = None,
        max_bad_share: float = 0.001,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.store = LatentStore(folder, memory_bytes=memory_bytes)
        self.root = str(self.store.root)
        self.token_budget, self.window, self.mix = token_budget, window, mix or MixConfig()
        self.clips: list[dict[str, int]] = []
        self.clip_ids: list[str] = []
        for number, row in enumerate(self.store.rows):
            if not self.clip_ids or self.clip_ids[-1] != row[s.CLIP_ID]:
                self.clip_ids.append(row[s.CLIP_ID])
                self.clips.append({})
            self.clips[-1][row[s.KIND]] = number
        first = [next(iter(kinds.values())) for kinds in self.clips]
        shapes = [self.store.rows[number][s.LATENT_SHAPE][1:] for number in first]
        self.lengths = [
            int(np.prod([-(-side // p) for side, p in zip(shape, patch, strict=True)]))
            for shape in shapes
        ]
        have = [frozenset(map(kind_of, kinds)) for kinds in self.clips]
        self.shares = draw_shares(self.mix, frozenset().union(*set(have)))
        """Kind -> share of draws."""
        self.lacking = lacking(self.shares, have)
        """Kind -> clips that show another in its place."""
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
            n_tokens=sum(self.lengths[i] for pack in everyone for i in pack),
            state=self.steps.advance(state, 1),
        )

    def _clip(self, index: int, epoch: int) -> dict[str, Any]:
        return self._fetch(index, epoch, lambda j: self.lengths[j] == self.lengths[index])

    def _packed(self, epoch: int) -> list[list[int]]:
        order = self.steps.order(epoch)
        return plan_packs(self.lengths, order, self.token_budget, self.window)

    def _clip_id(self, index: int) -> str:
        return self.clip_ids[index]

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        rows = self.clips[index]
        name = self._drawn(index, epoch)
        if name != EMPTY:
            return self.store.item(rows[name])
        item = self.store.item(next(iter(rows.values())))
        empty = item[s.TEXT_FEATURES][:0]
        return {**item, s.KIND: EMPTY, s.CAPTION: "", s.TEXT_FEATURES: empty}

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
