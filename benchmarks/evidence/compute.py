"""More compute, less loss: one DiT trained for 1, 2, 4, 8 and 16 units of steps on the same data.

    python -m benchmarks.evidence.compute --scratch runs/evidence

The Sora report shows samples that improve with compute; Peebles and Xie 2023 ("Scalable Diffusion Models with
Transformers", section 5) the same of FID. Here: held-out loss, which must fall each time, a power law with a floor,
fitted to all but the longest run, whose loss it has to foretell, and the share of objects drawn as the caption says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.evidence.runs import SIDE, outcome, save_sheet, train, write_shards

UNITS = (1, 2, 4, 8, 16)


def power_law(steps: np.ndarray, losses: np.ndarray) -> tuple[float, float, float]:
    """(a, b, floor) of loss = floor + a * steps**-b by least squares of relative errors; floor is not negative."""
    best: tuple[float, float, float, float] = (np.inf, 0.0, 0.0, 0.0)
    weight = 1 / losses
    for b in np.linspace(0.02, 2.0, 397):
        powers = steps**-b
        for floor in np.linspace(0.0, losses.min(), 201)[:-1]:
            a = (weight**2 * powers * (losses - floor)).sum() / (weight**2 * powers**2).sum()
            error = float((((floor + a * powers - losses) * weight) ** 2).sum())
            best = min(best, (error, float(a), float(b), float(floor)))
    return best[1:]


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
    for times in UNITS:
        steps = times * args.unit
        out = train(folder, args.scratch / f"compute-{steps}", steps)
        found[steps] = outcome(out, prompts=args.prompts)
    print(f"{'steps':>6} {'held-out loss':>14} {'colour':>8} {'shape':>8}")
    for steps, each in found.items():
        print(
            f"{steps:6} {each.held_out:14.4f} {each.marks['colour']:8.1%} {each.marks['shape']:8.1%}"
        )
    losses = np.array([each.held_out for each in found.values()])
    if not (np.diff(losses) < 0).all():
        print("the loss does not fall each time")
    counts = np.array(list(found), float)
    a, b, floor = power_law(counts[:-1], losses[:-1])
    told = floor + a * counts[-1] ** -b
    print(f"without the longest run: loss = {floor:.4f} + {a:.3f} * steps^-{b:.3f}")
    print(f"foretold for {counts[-1]:.0f} steps: {told:.4f}, measured {losses[-1]:.4f}")
    save_sheet(args.scratch / "compute.png", {str(k): v.images[:12] for k, v in found.items()})
    print(f"look at {args.scratch / 'compute.png'}")


if __name__ == "__main__":
    main()
