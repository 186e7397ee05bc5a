"""The part of a pack that one process works on."""

from pathlib import Path

import pytest
import torch

from dit.config import DiTConfig
from dit.parallel.context import Context
from dit.parallel.split import split_layout, split_levels, take
from dit.train.data import Batch
from tests.helpers.latents import TEXT_DIM, write_folder
from tests.helpers.packs import ragged_packs


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Batch:
    folder: Path = write_folder(tmp_path_factory.mktemp("latents"))
    return ragged_packs(folder, DiTConfig(latent_channels=4, text_dim=TEXT_DIM))[0]


def test_a_part_holds_its_tokens_and_fills_up_with_what_nothing_counts(pack):
    parts = [pack.part(Context(size=4, rank=rank)) for rank in range(4)]
    tokens = len(pack.x_t)
    assert len({len(part.x_t) for part in parts}) == 1
    assert torch.equal(torch.cat([part.x_t for part in parts])[:tokens], pack.x_t)
    weights = torch.cat([part.weight for part in parts])
    assert torch.equal(weights[:tokens], pack.weight) and not weights[tokens:].any()
    assert sum(part.total for part in parts) == pytest.approx(pack.total)
    levels = torch.cat([part.levels.of_tokens() for part in parts])
    assert torch.equal(levels[:tokens], pack.levels.of_tokens())
    for part in parts:
        assert len(part.layout.segments.lengths) == pack.layout.n_clips
        assert sum(part.layout.segments.lengths) == len(part.x_t)
        assert part.layout.whole.ends == pack.layout.segments.ends
        assert part.layout.to("cpu").whole.context.size == 4


def test_more_processes_than_tokens_leave_some_with_padding_alone(pack):
    last = Context(size=64, rank=63)
    assert take(pack.x_t, last).shape[0] == 1
    assert pack.part(last).total == 0
    assert split_layout(pack.layout, last).clip.tolist() == [pack.layout.n_clips - 1]
    assert split_levels(pack.levels, last).value.shape == (1,)
