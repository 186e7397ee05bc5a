"""More compute, less loss: one DiT trained for 1, 4 and 16 units of steps on the same data.

    python -m benchmarks.evidence.compute --scratch runs/evidence

The Sora report shows samples that improve with compute; Peebles and Xie 2023 ("Scalable Diffusion Models with
Transformers", section 5) the same of FID. Here: held-out loss, which must fall each time, a power law through the three
(floor, factor and exponent), and the share of objects drawn as the caption says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.evidence.runs import SIDE, outcome, save_sheet, train, write_shards


def power_law(steps: np.ndarray, losses: np.ndarray) -> tuple[float, float, float]:
    """(a, b, floor) of loss = floor + a * steps**-b through three points whose steps grow by one factor."""
    ratio = (losses[1] - losses[2]) / (losses[0] - losses[1])
    b = -np.log(ratio) / np.log(steps[1] / steps[0])
    floor = losses[2] - (losses[1] - losses[2]) * ratio / (1 - ratio)
    return float((losses[0] - floor) * steps[0] ** b), float(b), float(floor)


def main() -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--unit", type=int, default=100, help="steps of the shortest run")
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--prompts", type=int, default=200)
    args = parser.parse_args()
    folder = write_shards(args.scratch / "world", args.images, seed=31, sizes=((SIDE, SIDE),))
    found = {}
    for times in (1, 4, 16):
        steps = times * args.unit
        out = train(folder, args.scratch / f"compute-{steps}", steps)
        found[steps] = outcome(out, prompts=args.prompts)
    print(f"{'steps':>6} {'held-out loss':>14} {'colour':>8} {'shape':>8}")
    for steps, each in found.items():
        print(
            f"{steps:6} {each.held_out:14.4f} {each.marks['colour']:8.1%} {each.marks['shape']:8.1%}"
        )
    losses = np.array([each.held_out for each in found.values()])
    if losses[0] > losses[1] > losses[2] and losses[1] - losses[2] < losses[0] - losses[1]:
        a, b, floor = power_law(np.array(list(found)), losses)
        print(f"loss = {floor:.4f} + {a:.3f} * steps^-{b:.3f}")
    else:
        print("no power law: the loss does not fall ever more slowly")
    save_sheet(args.scratch / "compute.png", {str(k): v.images[:12] for k, v in found.items()})
    print(f"look at {args.scratch / 'compute.png'}")


if __name__ == "__main__":
    main()
