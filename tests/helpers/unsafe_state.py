"""A file of training state that runs code when somebody unpickles it, as one that came from elsewhere may."""

from __future__ import annotations

from pathlib import Path

import torch


def save_unsafe_state(path: Path, ran: Path) -> None:
    """Write it; whoever lets it run has a file ``ran``."""

    class Code:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save({"step": 1, "w": Code()}, path)
