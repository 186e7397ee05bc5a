"""Token packs against padded batches and buckets on a mixed set of images and videos: waste, and time per useful token.

    python -m benchmarks.packing --rounds 3

Waste is the share of slots that hold nothing, over an epoch of 4,000 clips in a drawn order: packs by first-fit-
decreasing over windows of 64, 256 and 1,024 clips, packs filled in order (next-fit), random batches of 8 padded to
their longest, and batches of 8 of one shape (buckets; there the clips that fill no batch are what is lost). A training
step of the tiny DiT, forward and backward, then runs on packs and on padded batches. A padded batch is
run in the way that suits it best: its clips really have the longest one's tokens, so that no mask is needed. Processor
time, rounds in turn, medians. Exit code 1 if window 256 wastes over 2 %, or packed tokens are not 1.5 times cheaper.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dit.config import DiTConfig
from dit.model import DiT
from dit.packing import make_layout
from pipeline.loader.order import epoch_order
from pipeline.loader.packs import packing_waste, plan_packs

Shape = tuple[int, int, int]
CLIPS = 4000
BATCH = 8
BUDGET = 2560
CAPTION = 32
"""Text tokens of a caption."""


def mixed_shapes(n: int, seed: int = 0) -> list[Shape]:
    """Latent (T,H,W) of 30 % images and 70 % videos of 5 to 49 frames, sides of 48 to 128 pixels, any aspect."""
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(n):
        high, wide = (int(side) for side in rng.choice([6, 8, 10, 12, 14, 16], 2))
        frames = 1 if rng.random() < 0.3 else 1 + int(rng.integers(1, 13))
        shapes.append((frames, high, wide))
    return shapes


def tokens_of(shape: Shape) -> int:
    """Tokens at patch (1, 2, 2)."""
    return shape[0] * (shape[1] // 2) * (shape[2] // 2)


def next_fit(lengths: list[int], order: list[int], budget: int) -> list[list[int]]:
    """Packs filled in the order in which clips come."""
    packs: list[list[int]] = [[]]
    room = budget
    for i in order:
        if lengths[i] > room:
            packs.append([])
            room = budget
        packs[-1].append(i)
        room -= lengths[i]
    return packs


def print_waste(shapes: list[Shape], lengths: list[int], order: list[int]) -> float:
    """Table of waste; that of window 256."""
    found = {}
    for window in (64, 256, 1024):
        packs = plan_packs(lengths, order, BUDGET, window)
        found[window] = packing_waste(lengths, packs, BUDGET)
        print(f"packs, window {window:5}: {100 * found[window]:5.2f} % of slots empty")
    fit = packing_waste(lengths, next_fit(lengths, order, BUDGET), BUDGET)
    print(f"packs, in order     : {100 * fit:5.2f} %")
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    slots = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    print(f"padded batches of {BATCH} : {100 * (1 - sum(lengths) / slots):5.2f} %")
    counts = Counter(shapes)
    lost = sum(count % BATCH for count in counts.values())
    share = sum(count % BATCH * tokens_of(shape) for shape, count in counts.items()) / sum(lengths)
    print(
        f"buckets, batches of {BATCH}: 0.00 %, but {100 * lost / len(shapes):.1f} % of clips "
        f"({100 * share:.1f} % of tokens) fill no batch; {len(counts)} buckets, every batch of another size"
    )
    return found[256]


def step_seconds(model: DiT, shapes: list[Shape]) -> float:
    """Processor seconds of one forward and backward pass over clips of these shapes."""
    config = model.config
    texts = [torch.randn(CAPTION, config.text_dim) for _ in shapes]
    layout = make_layout(shapes, texts, patch=config.patch, text_dim=config.text_dim)
    n = layout.segments.ends[-1]
    x, t = torch.randn(n, config.token_dim), torch.rand(n)
    start = time.process_time()
    model(x, t, layout, torch.zeros(n, dtype=torch.bool)).square().mean().backward()
    return time.process_time() - start


def print_steps(shapes: list[Shape], lengths: list[int], order: list[int], rounds: int) -> float:
    """Time per useful token of packs and of padded batches; how many times cheaper packs are."""
    torch.manual_seed(0)
    model = DiT(DiTConfig.preset("tiny"))
    packs = plan_packs(lengths, order, BUDGET, 256)
    cost: dict[str, list[float]] = {"packs": [], "padded": []}
    step_seconds(model, [shapes[i] for i in packs[0]])  # warm up
    for k in range(rounds):
        pack = packs[k * 7 % len(packs)]
        useful = sum(lengths[i] for i in pack)
        cost["packs"].append(step_seconds(model, [shapes[i] for i in pack]) / useful)
        seconds, useful, at = 0.0, 0, k * 7 * BATCH
        while useful < BUDGET:
            batch = order[at : at + BATCH]
            longest = max((shapes[i] for i in batch), key=tokens_of)
            seconds += step_seconds(model, [longest] * BATCH)
            useful += sum(lengths[i] for i in batch)
            at += BATCH
        cost["padded"].append(seconds / useful)
    middle = {name: statistics.median(values) for name, values in cost.items()}
    for name, value in middle.items():
        print(f"{name:6}: {1e6 * value:7.1f} us of processor time per useful token")
    return middle["padded"] / middle["packs"]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    shapes = mixed_shapes(CLIPS)
    lengths = [tokens_of(shape) for shape in shapes]
    order = epoch_order(CLIPS, "packing", 0, 0).tolist()
    waste = print_waste(shapes, lengths, order)
    ratio = print_steps(shapes, lengths, order, args.rounds)
    print(f"a useful token in packs is {ratio:.2f} times cheaper than padded (limit 1.5)")
    return 0 if waste <= 0.02 and ratio >= 1.5 else 1


if __name__ == "__main__":
    sys.exit(main())
