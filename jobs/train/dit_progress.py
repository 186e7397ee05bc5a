"""Where the numbers of ``train-dit`` go while it trains: a progress line, and TensorBoard if asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.console import Progress, clock
from jobs.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from jobs.train.dit_args import Args

BOARD = "tensorboard"
"""Folder of TensorBoard's files in that of the run."""


class Reports:
    """Takes the rows of ``metrics.jsonl`` as they are written, and the contact sheets."""

    def __init__(self, args: Args) -> None:
        self.line = Line()
        self.board = Board(args.out) if args.tensorboard else None

    def __call__(self, row: dict[str, Any]) -> None:
        """Show the numbers of a step."""
        if self.board:
            self.board(row)
        self.line(row)

    def picture(self, step: int, image: np.ndarray) -> None:
        """Show a contact sheet, uint8 (H, W, 3)."""
        if self.board:
            self.board.picture(step, image)


class Line:
    """One line of numbers per report: redrawn on a terminal, every few seconds in a pipe."""

    def __init__(self) -> None:
        self.progress = Progress("train-dit")

    def __call__(self, row: dict[str, Any]) -> None:
        """Show the numbers of a step."""
        held = f" held-out {row['held_out']:.4f}" if "held_out" in row else ""
        share = row["progress"]
        left = row["elapsed_s"] * (1 - share) / share if share > 0 else 0.0
        self.progress.done = row["step"]
        note = (
            f"loss {row['loss']:.4f} ({row['excess']:+.4f} over floor){held} grad {row['grad_norm']:.2f} "
            f"lr {row['lr']:.1e} {row['tokens_per_s']:.0f} tokens/s {row['clips_per_s']:.1f} clips/s "
            f"waste {100 * row['waste']:.1f}% {clock(left)} left"
        )
        if share >= 1:
            self.progress.close(note)
        else:
            self.progress.update(0, note)


class Board:
    """Every number of the rows as a TensorBoard scalar; a resumed run takes the place of what it does again."""

    def __init__(self, out: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "--tensorboard needs the package tensorboard; `pip install tensorboard`, or leave it out: "
                "metrics.jsonl has the same numbers"
            ) from error
        self._open: Callable[[int], Any] = lambda step: SummaryWriter(
            str(out / BOARD), purge_step=step
        )
        self._writer: Any = None

    def __call__(self, row: dict[str, Any]) -> None:
        """Write the numbers of a step."""
        writer, step = self._at(row["step"]), row["step"]
        for name, value in row.items():
            if name == "held_out_shapes":
                for shape, loss in value.items():
                    writer.add_scalar(f"held_out/{shape}", loss, step)
            elif isinstance(value, int | float) and name != "step":
                group = "held_out" if name.startswith(("held_out", "t0.")) else "train"
                writer.add_scalar(f"{group}/{name}", value, step)
        writer.flush()

    def picture(self, step: int, image: np.ndarray) -> None:
        """Write a contact sheet, uint8 (H, W, 3)."""
        self._at(step).add_image("samples", image, step, dataformats="HWC")

    def _at(self, step: int) -> Any:
        if self._writer is None:
            self._writer = self._open(step)
        return self._writer
