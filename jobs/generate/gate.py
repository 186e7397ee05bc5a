"""Two gates around a generator, on by default: one for prompts before it runs, one for videos before they are written.

Each decision is a line of ``audit.jsonl`` beside the videos: which gate, what it looked at (by hash), and the outcome.
The prompt gate knows plain English wording only; the output gate is a network that knows pornography only. Neither is a
promise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from jobs.core.console import warn
from jobs.core.errors import Refused

AUDIT = "audit.jsonl"
LOOKED_AT = 4
"""Frames of a video that the output gate looks at, evenly spread."""
WITHHELD_FROM = 0.8
"""Probability of one frame from which a video is not written."""
PASSED, REFUSED, UNCHECKED, OFF = "passed", "refused", "unchecked", "off"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The audit file of a folder of videos; lines are appended, never changed."""

    folder: Path

    def write(self, gate: str, outcome: str, subject: bytes, **more: Any) -> None:
        """Append one decision about ``subject``, which is stored as its SHA-256 only."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "gate": gate,
            "outcome": outcome,
            "sha256": hashlib.sha256(subject).hexdigest(),
            **more,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / AUDIT, "a") as handle:
            handle.write(json.dumps(line) + "\n")


def gate_prompts(
    prompts: Sequence[str], audit: Audit, *, on: bool = True, ahead: bool = False
) -> None:
    """Let safe prompts pass; raise ``Refused`` with the category for the first that is not. Every one is audited.

    ``ahead``: a look before models are loaded, which writes nothing unless a prompt is refused.
    """
    from captioner.expansion.safety import judge_prompt

    if ahead and (not on or all(judge_prompt(prompt).safe for prompt in prompts)):
        return
    refused = None
    for prompt in prompts:
        if not on:
            audit.write("prompt", OFF, prompt.encode())
            continue
        verdict = judge_prompt(prompt)
        outcome = PASSED if verdict.safe else REFUSED
        audit.write("prompt", outcome, prompt.encode(), category=verdict.category)
        if not verdict.safe and refused is None:
            refused = prompt, verdict
    if refused is not None:
        prompt, verdict = refused
        raise Refused(
            f"prompt {prompt!r} is refused as {verdict.category} ({verdict.matched}); nothing was sampled"
        )


class OutputGate:
    """Looks at generated videos before they are written."""

    def __init__(self, audit: Audit, *, on: bool = True) -> None:
        from pipeline.scores.nsfw import NsfwDetector

        self._audit, self._on = audit, on
        self._detector: NsfwDetector | None = None
        if on:
            try:
                self._detector = NsfwDetector()
            except ModuleNotFoundError:
                warn(
                    "the output gate is not installed (pip install 'filmstock[nsfw]'): videos go unchecked"
                )

    def lets_pass(self, video: np.ndarray) -> bool:
        """Whether uint8 RGB ``video`` (T, H, W, 3) may be written."""
        from pipeline.video.decode import sample_indices

        if self._detector is None:
            self._audit.write("output", UNCHECKED if self._on else OFF, video.tobytes())
            return True
        found = self._detector(video[sample_indices(len(video), LOOKED_AT)])
        passes = found < WITHHELD_FROM
        outcome = PASSED if passes else REFUSED
        self._audit.write("output", outcome, video.tobytes(), nsfw=round(found, 4))
        return passes
