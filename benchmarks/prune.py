"""What a DiT loses with parts left out: each block, attention heads, channels of the MLPs. No part is healed.

``held-out`` is the loss per number on held-out clips, mean of five noise levels; ``parameters`` are those left.
Heads and channels go by the norm of the weights that read them, the smallest first (magnitude pruning, Li et al., arXiv
1608.08710), in every block alike.

    OMP_NUM_THREADS=1 python -m benchmarks.prune LATENTS --clips 24
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

import dit
from dit.config import TrainConfig
from dit.model import DiT
from dit.train.heldout import held_out_loss
from dit.train.training_packs import TrainingPacks


def without_block(model: DiT, number: int) -> int:
    """Take a block out; returns the weights that went."""
    gone = model.blocks[number]
    model.blocks = torch.nn.ModuleList(b for i, b in enumerate(model.blocks) if i != number)
    return sum(p.numel() for p in gone.parameters())


@torch.no_grad()
def without_channels(model: DiT, share: float) -> int:
    """Zero the MLP channels of every block that are read with the smallest weights; returns the weights that went."""
    count = 0
    for block in model.blocks:
        up, down = block.mlp.up, block.mlp.down
        size = down.weight.norm(dim=0) * up.weight.norm(dim=1)
        drop = size.argsort()[: int(share * len(size))]
        down.weight[:, drop] = 0
        count += len(drop) * (up.weight.shape[1] + 1 + down.weight.shape[0])
    return count


@torch.no_grad()
def without_head(model: DiT) -> int:
    """Zero the self-attention head of every block that is read with the smallest weights; returns what went."""
    count = 0
    for block in model.blocks:
        out, heads = block.attention.out, block.attention.heads
        parts = out.weight.unflatten(1, (heads, -1))
        drop = int(parts.norm(dim=(0, 2)).argmin())
        parts[:, drop] = 0
        count += 4 * out.weight.shape[0] * block.attention.head_dim
    return count


def cases(path: str) -> Iterator[tuple[str, DiT, int]]:
    """(name, model, weights that are gone) of each way of pruning."""
    model = dit.load(path).model
    whole = model.n_parameters()
    yield "nothing", model, 0
    for number in range(len(model.blocks)):
        model = dit.load(path).model
        yield f"block {number}", model, without_block(model, number)
    for share in (0.125, 0.25, 0.5):
        model = dit.load(path).model
        yield f"{100 * share:g} % of MLP channels", model, without_channels(model, share)
    model = dit.load(path).model
    yield "a head of each block", model, without_head(model)
    assert whole == model.n_parameters()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("latents", help="run folder with latents/, or a folder of latents")
    parser.add_argument("--dit", default="embedded")
    parser.add_argument("--clips", type=int, default=24, help="held-out clips")
    args = parser.parse_args()
    config = TrainConfig(tokens_per_pack=2560)
    data = TrainingPacks(
        args.latents,
        held_out_share=0.2,
        token_budget=config.tokens_per_pack,
        packs_per_step=1,
        seed=0,
    )
    data.held_out = data.held_out[: args.clips]
    packs = data.held_out_packs()
    print(f"{'without':<26}{'parameters':>12}{'held-out':>10}{'more':>8}")
    first = None
    for name, model, gone in cases(args.dit):
        loss = held_out_loss(model, packs, data, config)["held_out"]
        first = first or loss
        left = dit.load(args.dit).model.n_parameters() - gone
        print(f"{name:<26}{left / 1e6:>10.2f} M{loss:>10.4f}{loss / first - 1:>+8.1%}", flush=True)


if __name__ == "__main__":
    main()
