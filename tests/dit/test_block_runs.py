"""Which blocks run: all, all but some, or some from memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dit.block_runs import ReusingRun, run_all, skipping


class Add(nn.Module):
    """Adds its number to x times ten: the order of blocks can be read from the result."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.calls = number, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return 10 * x + self.number


def through(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return block(x)


def test_all_and_all_but_some():
    blocks = [Add(i) for i in (1, 2, 3, 4)]
    x = torch.zeros(1)
    assert run_all(blocks, x, through).item() == 1234
    assert skipping([1])(blocks, x, through).item() == 134
    with pytest.raises(ValueError, match="no block 4 to skip"):
        skipping([4])(blocks, x, through)


def test_what_the_inner_blocks_added_is_repeated_in_between():
    blocks = [Add(i) for i in (1, 2, 3, 4)]
    run = ReusingRun(2)
    first = run(blocks, torch.zeros(1), through)
    assert first.item() == 1234
    # inner blocks had turned 1 into 123, so they add 122: (10 * 5 + 1 + 122) * 10 + 4
    assert run(blocks, torch.full((1,), 5.0), through).item() == 1734
    assert run(blocks, torch.zeros(1), through).item() == 1234, "every second call is whole"
    assert [block.calls for block in blocks] == [3, 2, 2, 3]


def test_every_call_whole_and_too_few_blocks():
    blocks = [Add(1), Add(2)]
    run = ReusingRun(3)
    assert [run(blocks, torch.zeros(1), through).item() for _ in range(2)] == [12, 12]
    with pytest.raises(ValueError, match="must be at least 1"):
        ReusingRun(0)
