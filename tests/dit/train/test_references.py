"""Which clip is shown as a reference: another of the same source, on the same side, the same for every process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.train.data import generator_for, make_batch
from dit.train.heldout import pack_loss
from dit.train.loop import train
from dit.train.references import Mates, draw_reference, shown_part
from dit.train.training_packs import REFERENCES, TrainingPacks
from pipeline import schema as s
from tests.helpers.latents import write_folder

SOURCES = np.array([4, 7, 4, 4, 9, 7])
HELD = np.array([False, False, True, False, False, False])
CONFIG = DiTConfig(
    width=48, depth=1, heads=2, refiner_depth=1, latent_channels=4, text_dim=8, references=True
)


def one_source_each_three(rows: list[dict]) -> None:
    for row in rows:
        row[s.SOURCE_ID] = f"source{int(row[s.CLIP_ID][4:]) // 3:04d}"


@pytest.fixture
def data(tmp_path: Path) -> TrainingPacks:
    folder = write_folder(tmp_path / "latents", clips=24, edit=one_source_each_three)
    return TrainingPacks(folder, token_budget=64, held_out_share=0.2, reference_share=0.8)


def test_mates_are_the_others_of_the_source_on_the_same_side():
    mates = Mates(SOURCES, HELD)
    assert mates.counts.tolist() == [1, 1, 0, 1, 0, 1]
    assert {mates.pick(0, c) for c in np.linspace(0, 0.999, 9)} == {3}
    three = Mates(np.zeros(4, int), np.zeros(4, bool))
    for clip in range(4):
        picked = [three.pick(clip, c) for c in np.linspace(0, 0.999, 99)]
        assert set(picked) == set(range(4)) - {clip}


def test_a_share_of_the_clips_is_shown_one_and_the_draw_is_a_function_of_its_key():
    mates = Mates(np.zeros(2, int), np.zeros(2, bool))
    drawn = [draw_reference(mates, 0, (1, epoch, "a"), 0.8, 0.25) for epoch in range(2000)]
    some = [each for each in drawn if each]
    assert 0.77 < len(some) / 2000 < 0.83
    assert 0.21 < sum(whole for _, whole in some) / len(some) < 0.29
    assert {clip for clip, _ in some} == {1}
    assert drawn[7] == draw_reference(mates, 0, (1, 7, "a"), 0.8, 0.25)
    assert draw_reference(Mates(SOURCES, HELD), 4, (1,), 1.0, 0.0) is None


def test_a_picture_is_the_first_frame_alone():
    latent = torch.randn(4, 3, 2, 2)
    assert torch.equal(shown_part(latent, False), latent[:, :1])
    assert shown_part(latent, True) is latent


def test_packs_show_clips_of_the_same_source_and_none_that_is_held_out(data: TrainingPacks):
    assert 0 < data.held.sum() < 24
    seen = 0
    for index in np.flatnonzero(~data.held):
        item = data._fetch(int(index), 0, lambda _: False)
        for shown in item.get(REFERENCES, ()):
            owners = [
                j
                for j in range(24)
                if torch.equal(shown, torch.from_numpy(data.store.posterior(j)[0])[:, : shown.shape[1]])
            ]  # fmt: skip
            (owner,) = owners
            assert owner != index and owner // 3 == index // 3 and not data.held[owner]
            seen += 1
    assert seen


def test_references_carry_no_loss_and_change_nothing_that_is_drawn(data: TrainingPacks):
    step = data.at(data.state)
    pack = step.units[0]
    batch = make_batch(pack, data.spec(), CONFIG, TrainConfig(), generator_for(1))
    bare = [{k: v for k, v in clip.items() if k != REFERENCES} for clip in pack]
    plain = make_batch(bare, data.spec(), CONFIG, TrainConfig(), generator_for(1))
    assert batch.layout.references is not None and plain.layout.references is None
    for name in ("x_t", "target", "given", "weight"):
        assert torch.equal(getattr(batch, name), getattr(plain, name))
    assert torch.equal(batch.levels.of_tokens(), plain.levels.of_tokens())
    moved = batch.to("cpu")
    assert torch.isfinite(pack_loss(DiT(CONFIG), moved))


def test_a_run_with_references_trains_and_goes_on(data: TrainingPacks, tmp_path: Path):
    config = TrainConfig(steps=3, reference_share=0.8, tokens_per_pack=64, sample_every=0, eval_every=2)  # fmt: skip
    run = train(CONFIG, config, data, tmp_path / "out", stop_after=2)
    assert run.model.reference is not None and run.model.reference.abs().sum() > 0
    more = train(CONFIG, config, data, tmp_path / "out", resume=True)
    assert more.step == 3 and more.held_out["held_out"] > 0
    with pytest.raises(ValueError, match="references"):
        train(replace(CONFIG, references=False), config, data, tmp_path / "out", resume=True)
