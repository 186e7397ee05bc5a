"""Packs of training clips for tests."""

from pathlib import Path

from dit.config import DiTConfig, TrainConfig
from dit.train.data import Batch, generator_for, make_batch
from dit.train.training_packs import TrainingPacks
from pipeline import schema as s


def ragged_packs(folder: Path, config: DiTConfig) -> list[Batch]:
    """Two packs of ragged clips, with given frames and edge padding, whose tokens no four processes share evenly."""
    data = TrainingPacks(folder, held_out_share=0.0, token_budget=64, packs_per_step=1)
    clips = [data._fetch(i, 0, lambda _: False) for i in range(9)]
    clips[2] = {**clips[2], s.TEXT_FEATURES: clips[2][s.TEXT_FEATURES][:0]}
    clips[3] = {**clips[3], s.LATENT_MEAN: clips[3][s.LATENT_MEAN][:, :, :5, :3]}
    clips[3][s.LATENT_LOGVAR] = clips[3][s.LATENT_LOGVAR][:, :, :5, :3]
    settings = TrainConfig(condition_share=1.0)
    packs = [
        make_batch(part, data.spec(), config, settings, generator_for(number))
        for number, part in enumerate((clips[:4], clips[4:]))
    ]
    assert all(len(pack.x_t) % 4 for pack in packs)
    assert packs[0].real is not None
    return packs
