"""The captioning worker in this process, in the place of Ray."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from captioner.config import CaptionConfig
from jobs.caption import command
from jobs.caption.worker import COUNTS, CaptionWorker
from pipeline.store.paths import Location


def caption_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``command.run`` ask from this process."""
    monkeypatch.setattr(command, "ask", ask)


def ask(config: CaptionConfig, folder: Location, work: list[dict[str, Any]]) -> Counter[str]:
    """``command.ask`` without Ray."""
    worker = CaptionWorker(config, str(folder.absolute()), 1)
    block = {name: np.array([row[name] for row in work]) for name in work[0]}
    return counted(worker, block)


def counted(worker: CaptionWorker, block: dict[str, Any]) -> Counter[str]:
    """What a worker counts of a block, summed."""
    counts: Counter[str] = Counter()
    for told in worker(block):
        counts.update({name: int(told[name].sum()) for name in COUNTS})
    return counts
