"""The Ray actor of ``filmstock caption``: a stream of clips is decoded, asked about, judged and stored, all at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jobs.caption.journal import Journal
from jobs.caption.rows import KINDS, Key, caption_row, hinted, made_with, write_part
from jobs.core.run import open_run
from pipeline import schema as s

if TYPE_CHECKING:
    from captioner.ask.frames import ClipFrames, ServerFrames
    from captioner.backends.base import Reply, Request
    from captioner.check.outcome import CheckedReply
    from captioner.config import CaptionConfig

Clip = dict[str, Any]
"""A work row: the manifest columns of a clip, and the kinds that it lacks."""

DECODED_AHEAD = 8
"""Clips decoded, at the least, ahead of the requests that are in flight."""
REPORT_S = 0.5
"""Seconds between the counts that a worker sends to the driver."""
COUNTS = ("rows", "errors", "tries", "strays")
"""What a worker counts: captions checked, captions without an answer, requests sent, replies nobody waited for."""
CAUSE = "cause"
"""Beside the counts: why rows failed, as JSON of a list; of a single row, the text or None."""


class CaptionWorker:
    """Captions blocks of clips and writes a part for each; one model, or one client, per worker."""

    def __init__(self, config: CaptionConfig, folder: str, threads: int) -> None:
        from captioner.backends.open import open_backend

        if config.backend == "transformers":
            import torch

            torch.set_num_threads(threads)
        self.config, self.folder, self.threads = config, open_run(folder), threads
        self.backend = open_backend(config)

    def __call__(self, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Columns of work rows in; counts out, every now and then, as one row of columns."""
        import numpy as np

        names = list(block)
        columns = (np.asarray(block[name]).tolist() for name in names)
        clips = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        counts, reported, causes = dict.fromkeys(COUNTS, 0), time.monotonic(), list[str]()

        def told() -> dict[str, Any]:
            columns = {name: np.array([count]) for name, count in counts.items()}
            return columns | {CAUSE: np.array([json.dumps(causes)])}

        for more in self.block(clips):
            counts = {name: counts[name] + more.get(name, 0) for name in COUNTS}
            causes += [more[CAUSE]] if more.get(CAUSE) else []
            if time.monotonic() - reported >= REPORT_S:
                yield told()
                counts, reported, causes = dict.fromkeys(COUNTS, 0), time.monotonic(), []
        yield told()

    def block(self, clips: list[Clip]) -> Iterator[dict[str, Any]]:
        """Caption some clips, every wanted kind of each exactly once, and store the rows; yields what to count.

        A row is on disk when it is counted: in the block's journal first, in its part at the end.
        """
        from captioner.check.outcome import ASK_AGAIN, check_reply

        table = self.folder.captions
        journal = Journal(table, ((clip[s.CLIP_ID], clip[KINDS]) for clip in clips))
        pending: dict[Key, Clip] = {
            (clip[s.CLIP_ID], kind): clip for clip in clips for kind in clip[KINDS].split(",")
        }
        for row in journal.rows():
            if pending.pop((row[s.CLIP_ID], row[s.KIND]), None):
                failed = row[s.OUTCOME] == s.CaptionOutcome.ERROR
                yield {"rows": 1, "errors": failed, CAUSE: row[s.ERROR_MESSAGE] if failed else None}
        held: dict[Key, CheckedReply] = {}
        for attempt in range(self.config.retries_per_row + 1):
            again: dict[Key, Clip] = {}
            for reply in self.replies(pending, attempt, held):
                key = (reply.clip_id, reply.kind)
                clip = pending.pop(key, None)
                if clip is None:  # answered already, or never asked for: it may not land anywhere
                    yield {"strays": 1}
                    continue
                checked = check_reply(
                    reply,
                    before=held.pop(key, None),
                    language=self.config.language,
                    judge=self.config.judges,
                )
                if checked.outcome in ASK_AGAIN and attempt < self.config.retries_per_row:
                    held[key], again[key] = checked, clip
                    yield {"tries": reply.tries}
                    continue
                made = made_with(self.config, self.backend.model_id, clip)[reply.kind]
                journal.add(caption_row(key, checked, made, hinted(clip)))
                error = checked.outcome == s.CaptionOutcome.ERROR
                told: dict[str, Any] = {"rows": 1, "errors": error, "tries": reply.tries}
                yield told | {CAUSE: checked.error if error else None}
            pending = again
        write_part(table, list(journal.rows()))
        journal.remove()

    def replies(
        self, pending: dict[Key, Clip], attempt: int, held: Mapping[Key, CheckedReply]
    ) -> Iterator[Reply]:
        """One reply for each pending caption, in any order; clips are decoded while others are described.

        ``held`` is what the last attempt came to; it says why a caption is asked for again.
        """
        from captioner.ask.prefetch import ahead
        from captioner.backends.base import Reply
        from captioner.describe import request_for

        kinds: dict[str, list[str]] = {}
        clips: dict[str, Clip] = {}
        for (clip_id, kind), clip in pending.items():
            kinds.setdefault(clip_id, []).append(kind)
            clips[clip_id] = clip
        unread: list[Reply] = []

        def requests() -> Iterator[Request]:
            depth = max(DECODED_AHEAD, self.backend.pulls)
            threads = self.threads if self.config.backend == "openai" else 1
            for clip_id, frames in ahead(clips.values(), self.shown, threads=threads, depth=depth):
                if isinstance(frames, str):
                    unread.extend(
                        Reply(clip_id=clip_id, kind=kind, frames_hash="", error=frames)
                        for kind in kinds[clip_id]
                    )
                else:
                    hints = [told[s.FACT_CLAUSE] for told in hinted(clips[clip_id])]
                    yield from (
                        request_for(
                            self.config,
                            clip_id,
                            kind,
                            frames,
                            attempt,
                            hints,
                            before=held.get((clip_id, kind)),
                        )
                        for kind in kinds[clip_id]
                    )

        yield from self.backend.caption(requests())
        yield from unread

    def shown(self, clip: Clip) -> tuple[str, ClipFrames | ServerFrames | str]:
        """(clip_id, frames in the backend's form), or why there are none: one unreadable clip costs its own rows."""
        from captioner.ask.frames import clip_frames
        from captioner.backends.base import error_line

        try:
            frames = clip_frames(
                self.folder.read_clip(clip),
                n_frames=clip[s.N_FRAMES],
                fps=clip[s.FPS],
                width=clip[s.WIDTH],
                height=clip[s.HEIGHT],
                frames=self.config.frames,
                side=self.config.frame_side,
            )
            return clip[s.CLIP_ID], self.backend.prepare(frames)
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises belongs to its clip
            return clip[s.CLIP_ID], error_line(error)
