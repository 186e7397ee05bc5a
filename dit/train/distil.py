"""The loss of a few-step model: at each of its steps the way that its teacher takes, see ``dit.distil``.

Of the clips it uses the captions, the shapes and the given frames; everything else starts from their noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dit.config import DiTConfig, SamplerConfig
from dit.distil import step_pairs
from dit.few_steps import FewSteps
from dit.guided import Plan, guided_velocity
from dit.levels import levels_of
from dit.model import DiT
from dit.packing import Patch, make_layout
from dit.parallel.context import data_place
from dit.rectified_flow import shift_for, weighted_loss
from dit.schedules import schedule
from dit.solvers import Velocity
from dit.train.data import Batch, generator_for, make_batch
from dit.train.heldout import HeldOut
from dit.train.parallel import all_sum, rank_and_world
from dit.train.refusals import check_teacher


class Distillation:
    """Follows a teacher; both lie on one device."""

    zero = math.nan
    knows_floor = False

    def __init__(self, teacher: DiT, few: FewSteps) -> None:
        check_teacher(teacher.config)
        self.teacher, self.few = teacher.eval().requires_grad_(False), few
        self.guidance = SamplerConfig(
            steps=few.teacher_steps, guidance=few.guidance, rule=few.rule, schedule=few.schedule,
            shift=few.shift, shift_tokens=few.shift_tokens,
        )  # fmt: skip

    def losses(self, model: DiT, batch: Batch) -> Iterator[Tensor]:
        """A part for each step of each group of clips that share their levels; weights sum to those of the batch."""
        if self.teacher.last.compute != model.last.compute:  # a resumed run keeps its number format
            self.teacher.set_compute(model.last.compute)
        for part in self.step_losses(model, batch):
            yield part / self.few.steps

    def step_losses(self, model: DiT, batch: Batch) -> Iterator[Tensor]:
        """The weighted sums of token losses of each step, group after group."""
        for clips in alike(batch, self.few):
            rows = rows_of_clips(batch, clips)
            patch = model.config.patch
            alone = plan_of(batch, clips, rows, patch, copies=1)
            times = levels_for(batch, clips[0], self.few)
            weight = batch.weight[rows]
            real = None if batch.real is None else batch.real[rows]

            def student(plan: Plan = alone) -> Velocity:
                return guided_velocity(model, plan, SamplerConfig(guidance=1.0))

            teacher = self._guided(
                plan_of(batch, clips, rows, patch, copies=2) if self.guidance.scale != 1 else alone
            )
            first = alone.first(times[0])
            for velocity, target in step_pairs(student, teacher, first, times, self.few.parts):
                yield weighted_loss(velocity, target, weight, real)

    def _guided(self, plan: Plan) -> Velocity:
        with torch.no_grad():
            return guided_velocity(self.teacher, plan, self.guidance)

    @torch.no_grad()
    def held_out(self, model: DiT, held: HeldOut) -> dict[str, Any]:
        """``held_out``: mean loss per number over all steps, from fixed noise; that of each as ``step1``."""
        packs, config = held.packs, held.config
        rank, world = data_place(held.context.size, *rank_and_world())
        count = min(len(packs), held.most or len(packs))
        steps = self.few.steps
        table = torch.zeros(count, steps + 1, dtype=torch.float64)
        for number in range(rank, count, world):
            batch = make_batch(
                packs[number], held.data.spec(), model.config, config,
                generator_for(config.seed, -1, number), times=torch.full((len(packs[number]),), 0.5),
            )  # fmt: skip
            there = batch.to(next(model.parameters()).device)
            for i, loss in enumerate(self.step_losses(model, there)):
                table[number, i % steps] += float(loss)
            table[number, steps] = batch.total
        rows = torch.tensor(all_sum(table.flatten().tolist()), dtype=torch.float64)
        *sums, weight = rows.view(count, steps + 1).sum(0).tolist()
        each = [value / max(weight, 1e-9) for value in sums]
        return {
            "held_out": sum(each) / steps,
            "held_out_floor": 0.0,
            **{f"step{i + 1}": value for i, value in enumerate(each)},
        }


def alike(batch: Batch, few: FewSteps) -> list[list[int]]:
    """Numbers of the clips that pass through the same levels, group by group."""
    found: dict[float, list[int]] = {}
    for i in range(batch.layout.n_clips):
        found.setdefault(clip_shift(batch, i, few), []).append(i)
    return list(found.values())


def clip_shift(batch: Batch, clip: int, few: FewSteps) -> float:
    """Shift of the schedule of a clip."""
    return shift_for(math.prod(batch.layout.grid[clip]), few.shift, few.shift_tokens)


def levels_for(batch: Batch, clip: int, few: FewSteps) -> list[float]:
    """Levels of the student's steps for a clip."""
    return schedule(few.steps, clip_shift(batch, clip, few), 1.0, few.schedule)


def rows_of_clips(batch: Batch, clips: Sequence[int]) -> Tensor:
    """Numbers of the tokens of some clips, in order."""
    ends = batch.layout.segments.ends
    found = torch.cat([torch.arange(ends[i], ends[i + 1]) for i in clips])
    return found.to(batch.x_t.device)


def plan_of(batch: Batch, clips: Sequence[int], rows: Tensor, patch: Patch, *, copies: int) -> Plan:
    """How some clips of a batch are sampled: what a batch gives is given, the noise is the batch's own."""
    whole, text_ends = batch.layout, batch.layout.captions.ends
    texts: list[Tensor | None] = [
        whole.text[text_ends[i] : text_ends[i + 1]].cpu() if whole.captions.lengths[i] else None
        for i in clips
    ]
    layout = make_layout(
        [whole.shapes[i] for i in clips] * copies,
        texts + [None] * len(clips) * (copies - 1),
        patch=patch,
        text_dim=whole.text.shape[1],
        fps=whole.fps[list(clips)].tolist() * copies,
    )
    level = batch.levels.of_tokens()[rows][:, None]
    x_t, target, given = batch.x_t[rows], batch.target[rows], batch.given[rows]
    start = (~given).float()
    plan = Plan(
        clips=len(clips),
        copies=copies,
        layout=layout,
        levels=levels_of(start.cpu().repeat(copies), layout.clip),
        noise=x_t + (1 - level) * target,
        known=x_t - level * target,
        given=given,
        noised=torch.zeros_like(given),
        any_noised=False,
        start=start,
    )
    return plan.to(batch.x_t.device)


def few_of(config: DiTConfig, few: FewSteps) -> DiTConfig:
    """Shape of the student of a teacher of shape ``config``."""
    return replace(config, few_steps=few)
