"""What is minimised when nothing else is said: the loss of the model's path."""

import pytest
import torch

from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.train.data import generator_for, make_batch
from dit.train.heldout import pack_loss
from dit.train.objective import PathObjective
from tests.dit.train.test_loop import MODEL, packs
from tests.helpers.latents import write_folder


def test_the_usual_loss_is_one_part_and_its_zero_is_known(tmp_path) -> None:
    data = packs(write_folder(tmp_path))
    batch = make_batch(
        data.at(data.state).units[0], data.spec(), MODEL, TrainConfig(), generator_for(1)
    )
    torch.manual_seed(0)
    model = DiT(MODEL)
    (part,) = PathObjective("flow").losses(model, batch)
    assert torch.equal(part, pack_loss(model, batch))
    assert PathObjective("flow").zero == pytest.approx(2.0)
    assert PathObjective(DiTConfig(path="vp").path).zero == 1.0
