"""Fit the weights of ``pipeline.shots.cut_scores``: a logistic regression on labelled files.

    FILMSTOCK_TESTDATA=... python -m benchmarks.fit_shots --real test.mp4

Trains on the composites of ``FILMSTOCK_TESTDATA/shots/dev`` and the real edit of ``benchmarks/labels``.
Prints what each half of the
real edit gets from weights that were fitted without it, then the weights to put into ``pipeline/shots.py``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shots import real_truth
from pipeline.analysis import Analysis, analyse
from pipeline.shots import ShotConfig, cut_features, find_fades

RIDGE = 1e-5
"""Penalty on the squared weights of standardised features."""


def examples(analysis: Analysis, labels: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, k) and labels (n,) of the frames that count: none in a fade, and none right beside a cut."""
    x = cut_features(analysis)
    y, counts = np.zeros(len(x)), np.ones(len(x), dtype=bool)
    for fade in find_fades(analysis, ShotConfig()):
        counts[max(0, fade.first - 2) : fade.stop + 2] = False
    for first, last in labels.get("either", []):
        counts[max(0, first - 3) : last + 3] = False
    for cut in labels["cuts"]:
        counts[[cut - 1, min(cut + 1, len(x) - 1)]] = False
        y[cut], counts[cut] = 1, True
    return x[counts], y[counts]


def fit(x: np.ndarray, y: np.ndarray, steps: int = 60) -> np.ndarray:
    """Weights (k + 1,), the constant last, by Newton's method."""
    mean, deviation = x.mean(0), x.std(0)
    z = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    w = np.zeros(z.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-z @ w))
        slope = z.T @ (p - y) / len(y) + RIDGE * np.append(w[:-1], 0)
        curve = (z * (p * (1 - p) / len(y))[:, None]).T @ z + RIDGE * np.eye(len(w))
        w -= np.linalg.solve(curve, slope)
    scaled = w[:-1] / deviation
    return np.append(scaled, w[-1] - scaled @ mean)


def main() -> None:
    """Print the halves, then the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True)
    args = parser.parse_args()
    folder = Path(os.environ["FILMSTOCK_TESTDATA"]) / "shots" / "dev"
    parts = []
    for name, labels in json.loads((folder / "truth.json").read_text()).items():
        *_, analysis = analyse(folder / name)
        assert analysis is not None
        parts.append(examples(analysis, labels))
    *_, analysis = analyse(args.real)
    assert analysis is not None
    (labels,) = real_truth(args.real).values()
    x, y = examples(analysis, labels)
    middle, threshold = len(x) // 2, ShotConfig().cut
    for name, held in (("first", slice(None, middle)), ("second", slice(middle, None))):
        kept = np.ones(len(x), dtype=bool)
        kept[held] = False
        both = [*parts, (x[kept], y[kept])]
        w = fit(np.concatenate([a for a, _ in both]), np.concatenate([b for _, b in both]))
        found = 1 / (1 + np.exp(-(x[held] @ w[:-1] + w[-1]))) >= threshold
        truth = y[held] == 1
        print(
            f"{name} half held out: {truth.sum()} cuts, {(truth & ~found).sum()} missed, {(found & ~truth).sum()} false"
        )
    both = [*parts, (x, y)]
    w = fit(np.concatenate([a for a, _ in both]), np.concatenate([b for _, b in both]))
    print("weights", [round(float(each), 3) for each in w])


if __name__ == "__main__":
    main()
