"""Numbers of a run: means over the steps since the last line, and the lines of ``metrics.jsonl``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


def write_metrics(out: Path, row: dict[str, Any]) -> None:
    """Append one line to ``metrics.jsonl``."""
    with (out / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": "train-dit", **row}) + "\n")


class Window:
    """Means over the steps since the last line."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.began = time.monotonic()

    def add(self, numbers: dict[str, float]) -> None:
        self.rows.append(numbers)

    def row(self) -> dict[str, float]:
        seconds = max(1e-9, time.monotonic() - self.began)
        count = max(1, len(self.rows))
        mean = {
            name: sum(row[name] for row in self.rows) / count
            for name in ("loss", "grad_norm", "waste")
        }
        return {
            **mean,
            "lr": self.rows[-1]["lr"],
            "tokens_per_s": sum(row["tokens"] for row in self.rows) / seconds,
            "clips_per_s": sum(row["clips"] for row in self.rows) / seconds,
        }
