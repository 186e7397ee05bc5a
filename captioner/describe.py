"""Caption videos from Python: one call per video, with the questions, checks and retries of ``filmstock caption``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from captioner.ask.frames import ClipFrames, ServerFrames, from_pixels
from captioner.ask.prompts import fill, prompt_set, with_hints
from captioner.ask.structured import json_schema
from captioner.backends.base import Backend, Request
from captioner.backends.open import open_backend
from captioner.check.outcome import ASK_AGAIN, CheckedReply, check_reply
from captioner.config import ASKED_KINDS, CaptionConfig
from pipeline.schema import CaptionOutcome

if TYPE_CHECKING:
    from pipeline.video.stills import Stills

AGAIN_TEMPERATURE = 0.7
"""Lowest temperature of a request that is asked again: the likeliest tokens have failed already."""


def caption(
    video: str | Path | np.ndarray,
    *,
    kinds: Sequence[str] = ("dense",),
    seconds: float | None = None,
    config: CaptionConfig | None = None,
    backend: Backend | None = None,
) -> dict[str, CheckedReply]:
    """Describe one video, once for each kind of caption.

    Args:
        video: A video file, or its frames: uint8 RGB (T, H, W, 3), evenly spaced, as many as the model is to see.
        kinds: ``short``, ``dense`` or ``structured``.
        seconds: Length of the video, seconds. Needed with frames, not with a file.
        config: Model, frames, prompts. Default: the embedded captioner, which knows the synthetic world alone.
        backend: A loaded model (``captioner.load``), to caption many videos with one. Default: load ``config``'s.

    Returns:
        Kind -> the checked caption: ``text``, ``outcome`` (``ok`` or what is wrong with it), ``checks``, ``repairs``.

    Raises:
        MediaError: the file cannot be read.
        ValueError: a kind is unknown, frames are of another form, or the model cannot be loaded.
    """
    for kind in kinds:
        if kind not in ASKED_KINDS:
            raise ValueError(
                f"caption kind {kind!r} is not asked of a model; use {', '.join(ASKED_KINDS)}"
            )
    config = replace(config or CaptionConfig(), kinds=tuple(kinds))
    if isinstance(video, np.ndarray):
        if seconds is None:
            raise ValueError("caption: frames come without a length; give seconds=")
        shown = from_pixels(video, seconds)
    else:
        from pipeline.video.stills import sample_video

        found: Stills = sample_video(video, count=config.frames, side=config.frame_side)
        shown = from_pixels(found.frames, found.seconds)
    own = backend or open_backend(config)
    try:
        return ask(own, config, shown)
    finally:
        if backend is None:
            own.close()


def ask(backend: Backend, config: CaptionConfig, frames: ClipFrames) -> dict[str, CheckedReply]:
    """Every kind of ``config`` of one video; an answer with a defect is asked for again, the better one is taken."""
    prepared = backend.prepare(frames)
    checked: dict[str, CheckedReply] = {}
    pending = list(config.kinds)
    for attempt in range(config.retries_per_row + 1):
        requests = [
            request_for(config, "video", kind, prepared, attempt, before=checked.get(kind))
            for kind in pending
        ]
        for reply in backend.caption(requests):
            checked[reply.kind] = check_reply(
                reply, before=checked.get(reply.kind), language=config.language, judge=config.judges
            )
        pending = [kind for kind in pending if checked[kind].outcome in ASK_AGAIN]
        if not pending:
            break
    return {kind: checked[kind] for kind in config.kinds}


def request_for(
    config: CaptionConfig,
    clip_id: str,
    kind: str,
    frames: ClipFrames | ServerFrames,
    attempt: int = 0,
    hints: Sequence[str] = (),
    before: CheckedReply | None = None,
) -> Request:
    """What is asked about a clip; every further attempt has a seed of its own and some temperature.

    ``hints`` are clauses of what was measured, which the question states. ``before`` is what the last attempt checked
    to: a reply that was cut short is asked for again as it was, with twice the room each time.
    """
    room = config.max_new_tokens
    cut = before is not None and before.outcome == CaptionOutcome.TRUNCATED
    if cut:
        room *= 2**attempt
    prompt = prompt_set(config.model, config.prompts, config.language)[kind]
    question = fill(prompt, frames=len(frames), seconds=frames.seconds)
    temperature = config.temperature
    return Request(
        clip_id=clip_id,
        kind=kind,
        frames=frames,
        prompt=with_hints(question, hints),
        seed=config.seed + attempt,
        temperature=max(temperature, AGAIN_TEMPERATURE) if attempt and not cut else temperature,
        max_new_tokens=room if cut else None,
        schema=json_schema() if kind == "structured" else None,
    )
