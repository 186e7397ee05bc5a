"""Numbers of a run between two lines of ``metrics.jsonl``."""

from __future__ import annotations

import time

MEANS = ("loss", "floor", "excess", "grad_norm", "waste")


class Window:
    """Means over the steps since the last line. ``rows`` are part of a run's state: a line may span a kill."""

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows = rows or []
        self.began = time.monotonic()
        self.fresh = 0

    def add(self, numbers: dict[str, float]) -> None:
        """Count a step."""
        self.rows.append(numbers)
        self.fresh += 1

    def row(self) -> dict[str, float]:
        """Means and the last learning rate; of the steps that this process made, useful tokens and clips a second, and
        the share of the time that they waited for data."""
        seconds = max(1e-9, time.monotonic() - self.began)
        mean = {name: sum(row[name] for row in self.rows) / len(self.rows) for name in MEANS}
        made = self.rows[len(self.rows) - self.fresh :]
        return {
            **mean,
            "lr": self.rows[-1]["lr"],
            "tokens_per_s": sum(row["tokens"] for row in made) / seconds,
            "clips_per_s": sum(row["clips"] for row in made) / seconds,
            "data_wait": sum(row["waited"] for row in made) / seconds,
        }
