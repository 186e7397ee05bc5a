"""More compute, less loss: one DiT trained for 1, 2, 4, 8 and 16 units of steps on the same pictures.

    python -m benchmarks.evidence.compute --scratch runs/evidence

The Sora report shows samples that improve with compute; Peebles and Xie 2023 ("Scalable Diffusion Models with
Transformers", section 5) the same of FID. Here: held-out loss, which must fall each time, and how much of the pictures
is right. A power law with a floor is fitted to all but the longest runs, whose loss it has to foretell.
"""

from __future__ import annotations

import numpy as np

from benchmarks.evidence.runs import Plan, compare, plan, world, world_rows, write_shards
from benchmarks.evidence.tables import falling, keep, table

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


def run(told: Plan) -> None:
    """Train, measure, print the table, and say how well the law foretold the longest runs."""
    unit = max(1, told.steps // 8)
    folder = write_shards(told.scratch / "world", world_rows(world(told.images, seed=31)))
    lengths = [unit * times for times in UNITS]
    arms = compare(told, "compute", {f"{steps} steps": (folder, steps) for steps in lengths})
    losses = {steps: [found["held_out"] for found in arms[f"{steps} steps"]] for steps in lengths}
    counts = np.array(list(losses), float)
    means = np.array([np.mean(each) for each in losses.values()])
    law = power_law(counts[:-1], means[:-1])
    a, b, floor = law
    told_loss = floor + a * counts[-1] ** -b
    lines = [table(arms, ("held_out", "colour", "shape", "every_frame"))]
    falls = all((np.diff(row) < 0).all() for row in np.array(list(losses.values())).T)
    lines.append(
        "the loss falls each time, with every seed" if falls else "the loss does not fall each time"
    )
    lines.append(f"without the longest runs: loss = {floor:.4f} + {a:.3f} * steps^-{b:.3f}")
    lines.append(
        f"foretold for {counts[-1]:.0f} steps: {told_loss:.4f}, measured {means[-1]:.4f} "
        f"({told_loss / means[-1] - 1:+.1%})"
    )
    svg = falling(
        "Held-out loss by steps; dashed: the law fitted without the longest runs", losses, law
    )
    keep(told.scratch, "compute", "\n".join(lines), svg, arms)


if __name__ == "__main__":
    run(plan(__doc__))
