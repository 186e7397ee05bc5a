"""Clips of video shards in global steps: decoded frames and a drawn caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import compress
from pathlib import Path
from typing import Any

from pipeline import schema as s
from pipeline.config import MixConfig
from pipeline.loader.mix import Render, draw_caption, draw_shares, lacking
from pipeline.loader.order import LoaderState, plan_groups
from pipeline.loader.quarantine import Quarantine
from pipeline.loader.steps import Batches, Step, StepLoader
from pipeline.loader.view import ClipView, decode_view
from pipeline.shards.read import open_manifest

NATIVE = (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)
"""What a clip is before its view."""


class VideoBatches(Batches):
    """Clips of video shards: ``Step.units`` is a list of dicts with ``frames`` uint8 (T,H,W,3) tensors.

    With ``same_shape`` all clips of a global step share (T,H,W), so they stack; otherwise any mix. Every clip comes
    once an epoch; with ``same_shape`` those of a shape that fill no step wait for the next epoch's. After E epochs no
    clip has come more than E times, and at most ``ceil(samples_per_step / clips of its shape)`` times less.
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
        self._ids: list[str] = self.manifest.columns[s.CLIP_ID].to_pylist()
        native = [self.manifest.columns[name].to_pylist() for name in NATIVE]
        self._native: list[tuple[int, float, int, int]] = list(zip(*native, strict=True))
        shapes = {kind: self.view.shape(*kind) for kind in set(self._native)}
        self.shapes = [shapes[kind] for kind in self._native]
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
        self._have = self._captioned()
        self.shares = draw_shares(self.mix, frozenset().union(*set(self._have)))
        """Kind -> share of draws."""
        self.lacking = lacking(self.shares, Counter(self._have))
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
            gaps=same_shape,
        )
        self.quarantine = Quarantine(quarantine, n, max_share=max_bad_share)
        self._cache: dict[int, Any] = {}
        self._cache_room = cache_bytes

    def at(self, state: LoaderState) -> Step:
        units = self._all(
            lambda i: self._fetch(i, state.epoch, self._twins(i)), self.steps.units_at(state)
        )
        return Step(
            epoch=state.epoch,
            step=state.step,
            units=units,
            n_tokens=0,
            state=self.steps.advance(state, 1),
        )

    def _captioned(self) -> list[frozenset[str]]:
        """Kinds of caption that each clip has; equal sets are one object, for there may be a million clips."""
        import pyarrow.compute as pc

        columns = (self.manifest.columns[s.caption_column(kind)] for kind in self._kinds)
        there = [pc.greater(pc.binary_length(c), 0).to_pylist() for c in columns]
        rows = list(zip(*there, strict=True)) if there else [()] * len(self.manifest)
        sets = {row: frozenset(compress(self._kinds, row)) for row in set(rows)}
        return [sets[row] for row in rows]

    def _twins(self, index: int) -> Callable[[int], bool]:
        """Which clips may stand in for ``index``."""
        return lambda other: not self.same_shape or self.shapes[other] == self.shapes[index]

    def _grouped(self, epoch: int) -> list[int]:
        steps = self.steps
        groups = plan_groups(
            self.shapes,
            self._size,
            manifest_hash=steps.manifest_hash,
            seed=steps.seed,
            epoch=epoch,
        )
        return [index for group in groups for index in group]

    def _clip_id(self, index: int) -> str:
        return self._ids[index]

    def _sample(self, index: int, epoch: int) -> dict[str, Any]:
        clip_id = self._ids[index]
        kind, text = draw_caption(
            self._have[index],
            lambda kind: self.manifest.caption(index, kind) or "",
            self.shares,
            self.steps.seed,
            epoch,
            clip_id,
            render=self.render,
        )
        return {
            "frames": self._frames(index),
            s.CLIP_ID: clip_id,
            s.KIND: kind,
            s.CAPTION: text,
            s.FPS: self.view.rate(self._native[index][1]),
        }

    def _frames(self, index: int) -> Any:
        import torch

        if index in self._cache:
            return self._cache[index]
        n_frames, fps, width, height = self._native[index]
        shape = {"n_frames": n_frames, "width": width, "height": height}
        data = self.manifest.read(index, check=self.check)
        frames = torch.from_numpy(decode_view(data, self.view, fps=fps, **shape))
        if frames.numel() <= self._cache_room:
            self._cache_room -= frames.numel()
            self._cache[index] = frames
        return frames
