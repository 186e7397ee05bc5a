"""Clips of video shards in global steps: decoded frames and a drawn caption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.shards.mix import Render, draw_caption, draw_shares, lacking
from pipeline.shards.order import LoaderState, plan_groups
from pipeline.shards.quarantine import Quarantine
from pipeline.shards.read import open_manifest
from pipeline.shards.steps import Batches, Step, StepLoader
from pipeline.shards.view import ClipView, decode_view


class VideoBatches(Batches):
    """Clips of video shards: ``Step.units`` is a list of dicts with ``frames`` uint8 (T,H,W,3) tensors.

    With ``same_shape`` all clips of a global step share (T,H,W), so they stack; otherwise any mix.
    Other keys: clip_id, kind and caption (as drawn by ``mix``, ``""`` for none), fps. Structured captions are drawn
    only where ``render`` makes prose of them (``captioner.render.render_text``), anew for each epoch.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        samples_per_step: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        view: ClipView | None = None,
        same_shape: bool = True,
        mix: MixConfig | None = None,
        render: Render | None = None,
        drop_last: bool = True,
        check: bool = True,
        quarantine: str | Path | None = None,
        max_bad_share: float = 0.001,
        cache_bytes: int = 0,
    ) -> None:
        self.manifest = open_manifest(folder)
        self.root = self.manifest.root
        self.view = view or ClipView()
        self.mix, self.render, self.check = mix or MixConfig(), render, check
        names = [s.CLIP_ID, s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT]
        self._rows = self.manifest.table.select(names).to_pylist()
        self.shapes = [
            self.view.shape(row[s.N_FRAMES], row[s.FPS], row[s.WIDTH], row[s.HEIGHT])
            for row in self._rows
        ]
        self.same_shape, self._size = same_shape, samples_per_step
        columns = set(self.manifest.table.column_names)
        self._kinds = [
            kind
            for kind in s.CAPTION_KINDS
            if s.caption_column(kind) in columns and (kind != "structured" or render)
        ]
        n = len(self.manifest)
        if n == 0:
            raise ValueError(f"{self.manifest.root} holds no clips to train on")
        have = self._have()
        self.shares = draw_shares(self.mix, set().union(*have))
        """Kind -> share of draws."""
        self.lacking = lacking(self.shares, have)
        """Kind -> clips that show another in its place."""
        self.steps = StepLoader(
            n,
            seed,
            self.manifest.hash,
            samples_per_step,
            rank,
            world,
            drop_last=drop_last,
            plan=self._grouped if same_shape else None,
        )
        self.quarantine = Quarantine(quarantine, n, max_share=max_bad_share)
        self._cache: dict[int, Any] = {}
        self._cache_room = cache_bytes

    def at(self, state: LoaderState) -> Step:
        units = [self._fetch(i, state.epoch, self._twins(i)) for i in self.steps.units_at(state)]
        return Step(
            epoch=state.epoch,
            step=state.step,
            units=units,
            n_tokens=0,
            state=self.steps.advance(state, 1),
        )

    def _have(self) -> list[set[str]]:
        """Kinds of caption that each clip has."""
        import pyarrow.compute as pc

        columns = (self.manifest.columns[s.caption_column(kind)] for kind in self._kinds)
        there = [pc.greater(pc.binary_length(c), 0).to_pylist() for c in columns]
        return [
            {kind for kind, has in zip(self._kinds, row, strict=True) if has}
            for row in (zip(*there, strict=True) if there else [()] * len(self.manifest))
        ]

    def _twins(self, index: int) -> Callable[[int], bool]:
        """Which clips may stand in for ``index``."""
        return lambda other: not self.same_shape or self.shapes[other] == self.shapes[index]

    def _grouped(self, epoch: int) -> list[int]:
        groups = plan_groups(self.shapes, self.steps.order(epoch), self._size)
        return [index for group in groups for index in group]

    def _clip_id(self, index: int) -> str:
        return self._rows[index][s.CLIP_ID]

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        row = self._rows[index]
        captions = {kind: self.manifest.caption(index, kind) for kind in self._kinds}
        key = (self.steps.seed, epoch, row[s.CLIP_ID])
        kind, text = draw_caption(captions, self.shares, *key, render=self.render)
        return {
            "frames": self._frames(index),
            s.CLIP_ID: row[s.CLIP_ID],
            s.KIND: kind,
            s.CAPTION: text,
            s.FPS: self.view.rate(row[s.FPS]),
        }

    def _frames(self, index: int) -> Any:
        import torch

        if index in self._cache:
            return self._cache[index]
        row = self._rows[index]
        shape = {name: row[name] for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        data = self.manifest.read(index, check=self.check)
        frames = torch.from_numpy(decode_view(data, self.view, **shape))
        if frames.numel() <= self._cache_room:
            self._cache_room -= frames.numel()
            self._cache[index] = frames
        return frames
