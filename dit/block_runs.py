"""How the tokens go through the blocks of the transformer: all of them, some of them, or some of them from memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from torch import Tensor, nn

BlockRun = Callable[[Sequence[nn.Module], Tensor, Callable[[nn.Module, Tensor], Tensor]], Tensor]
"""(blocks, x, through) -> x after them; ``through(block, x)`` runs one block on tokens x (N, width)."""


def run_all(
    blocks: Sequence[nn.Module], x: Tensor, through: Callable[[nn.Module, Tensor], Tensor]
) -> Tensor:
    """Every block in order."""
    for block in blocks:
        x = through(block, x)
    return x


def skipping(skipped: Collection[int]) -> BlockRun:
    """A run without the blocks of these numbers: the weak model of skip-layer guidance.

    Raises ``ValueError`` when it is called on a model that has no such block.
    """

    def run(
        blocks: Sequence[nn.Module], x: Tensor, through: Callable[[nn.Module, Tensor], Tensor]
    ) -> Tensor:
        if unknown := [i for i in skipped if not 0 <= i < len(blocks)]:
            raise ValueError(
                f"no block {unknown[0]} to skip: the DiT has blocks 0 to {len(blocks) - 1}"
            )
        return run_all([block for i, block in enumerate(blocks) if i not in skipped], x, through)

    return run


class ReusingRun:
    """Runs all blocks at every ``every``-th call; in between the first and the last, and repeats what the others added.

    Static caching of block outputs between sampling steps (FORA, arXiv 2407.01425, section 3.2; that the outer blocks
    change most is seen in PAB, arXiv 2408.12588, section 3.1). What is repeated depends on the number of the call
    alone, never on other clips of the pack. One object serves one sampling.
    """

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ValueError(f"blocks are run every {every} steps; it must be at least 1")
        self.every, self.calls = every, 0
        self._added: Tensor | None = None

    def __call__(
        self, blocks: Sequence[nn.Module], x: Tensor, through: Callable[[nn.Module, Tensor], Tensor]
    ) -> Tensor:
        """As ``run_all``, or cheaper."""
        fresh = self.calls % self.every == 0
        self.calls += 1
        if len(blocks) < 3:
            return run_all(blocks, x, through)
        x = through(blocks[0], x)
        if fresh or self._added is None:
            middle = run_all(blocks[1:-1], x, through)
            self._added = middle - x
            x = middle
        else:
            x = x + self._added
        return through(blocks[-1], x)
