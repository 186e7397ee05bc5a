"""The loss of a few-step model on packs: what it starts from, what it counts, and that a student learns by it."""

import dataclasses

import pytest
import torch

from dit.config import DiTConfig, TrainConfig
from dit.few_steps import FewSteps
from dit.guided import plan_pack
from dit.model import DiT
from dit.packing import patchify
from dit.train.data import Batch, generator_for, in_layout_order, make_batch
from dit.train.distil import Distillation, alike, levels_for, plan_of, rows_of_clips
from dit.train.loop import train
from dit.train.refusals import check_teacher
from pipeline import schema as s
from tests.dit.train.test_loop import CONFIG, MODEL, packs
from tests.helpers.awake_dit import awake_dit
from tests.helpers.json_lines import json_lines

FEW = FewSteps(steps=2, teacher_steps=4, guidance=3.0)
GIVEN = TrainConfig(condition_share=1.0)


def awake(config: DiTConfig = MODEL, seed: int = 1) -> DiT:
    return awake_dit(config, seed=seed, std=0.1)


def pack(folder, config: TrainConfig = GIVEN) -> tuple[list[dict], Batch]:
    data = packs(folder, dataclasses.replace(CONFIG, tokens_per_pack=200, packs_per_step=1))
    clips = data.at(data.state).units[0]
    return in_layout_order(clips), make_batch(clips, data.spec(), MODEL, config, generator_for(7))


def whole_plan(batch: Batch, copies: int):
    clips = list(range(batch.layout.n_clips))
    return plan_of(batch, clips, rows_of_clips(batch, clips), MODEL.patch, copies=copies)


def total(parts) -> torch.Tensor:
    return torch.stack([part.detach() for part in parts]).sum()


def test_a_plan_starts_from_the_noise_of_the_batch_and_gives_what_it_gives(folder) -> None:
    clips, batch = pack(folder, dataclasses.replace(GIVEN, condition_share=0.7))
    plan = whole_plan(batch, 2)
    data = packs(folder)
    clean = torch.cat(
        [patchify(data.spec().normalise(clip[s.LATENT_MEAN]), MODEL.patch) for clip in clips]
    )
    assert batch.given.any() and not batch.given.all()
    assert float((plan.known - clean).abs().mean()) < 0.15  # but for the posterior's noise
    level = batch.levels.of_tokens()[:, None]
    torch.testing.assert_close((1 - level) * plan.known + level * plan.noise, batch.x_t)
    torch.testing.assert_close(plan.noise - plan.known, batch.target)
    assert torch.equal(plan.given, batch.given) and not plan.any_noised
    first = plan.first(1.0)
    assert torch.equal(first[~batch.given], plan.noise[~batch.given])
    assert torch.equal(first[batch.given], plan.known[batch.given])


def test_a_plan_is_laid_out_as_the_sampler_does(folder) -> None:
    """Captions, sizes and rates of the copies are those of ``plan_pack``: the second has no caption."""
    clips, batch = pack(folder)
    texts = [torch.as_tensor(clip[s.TEXT_FEATURES]).float() for clip in clips]
    theirs = plan_pack(
        MODEL,
        [clip[s.LATENT_MEAN].shape[1:] for clip in clips],
        [text if len(text) else None for text in texts],
    )
    ours = whole_plan(batch, 2)
    assert ours.layout.shapes == theirs.layout.shapes
    assert torch.equal(ours.layout.text, theirs.layout.text)
    assert ours.layout.captions == theirs.layout.captions
    assert torch.equal(ours.layout.fps, theirs.layout.fps)


def test_a_student_that_is_its_teacher_without_guidance_has_no_loss(folder) -> None:
    _, batch = pack(folder)
    teacher = awake()
    task = Distillation(teacher, FewSteps(steps=3, teacher_steps=3, guidance=1.0))
    parts = list(task.losses(teacher, batch))
    assert len(parts) == 3 * len(alike(batch, task.few))
    assert float(total(parts)) < 1e-8
    guided = Distillation(teacher, FewSteps(steps=3, teacher_steps=3, guidance=3.0))
    assert float(total(guided.losses(teacher, batch))) > 1e-3


def test_given_tokens_carry_no_loss(folder) -> None:
    _, batch = pack(folder)
    none = dataclasses.replace(batch, weight=batch.weight * batch.given, total=0.0)
    assert float(total(Distillation(awake(), FEW).losses(awake(seed=2), none))) == 0.0


def test_clips_of_other_lengths_pass_through_levels_of_their_own(folder) -> None:
    _, batch = pack(folder)
    short = FewSteps(steps=2, teacher_steps=4, shift_tokens=1)
    groups = alike(batch, short)
    assert sorted(i for group in groups for i in group) == list(range(batch.layout.n_clips))
    levels = {tuple(levels_for(batch, group[0], short)) for group in groups}
    assert len(levels) == len(groups) > 1
    assert len(alike(batch, FEW)) == 1
    parts = list(Distillation(awake(), short).losses(awake(seed=2), batch))
    assert len(parts) == 2 * len(groups)


def test_a_student_learns_to_follow(folder, tmp_path) -> None:
    config = dataclasses.replace(
        CONFIG, steps=24, lr=5e-3, packs_per_step=1, checkpoint_every=100, eval_every=24
    )
    teacher = awake()
    shape = dataclasses.replace(MODEL, few_steps=FEW)
    run = train(
        shape, config, packs(folder, config), tmp_path,
        initial=teacher.state_dict(), objective=Distillation(teacher, FEW),
    )  # fmt: skip
    rows = json_lines(tmp_path / "metrics.jsonl")
    losses = [row["loss"] for row in rows]
    assert sum(losses[-6:]) < 0.85 * sum(losses[:6])
    assert all(row["floor"] == 0 for row in rows)
    each = [run.held_out["step1"], run.held_out["step2"]]
    assert run.held_out["held_out"] == pytest.approx(sum(each) / 2)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (dataclasses.replace(MODEL, path="vp"), "follows rectified flow"),
        (dataclasses.replace(MODEL, few_steps=FEW), "distilled to 2 steps already"),
    ],
)
def test_what_cannot_be_followed_is_refused(config: DiTConfig, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_teacher(config)
