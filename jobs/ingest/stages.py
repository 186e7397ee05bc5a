"""The two Ray Data stages of ingest: split sources in a sandboxed child, then embed and score the clips with CLIP.

Rows between the stages are flat: ``kind`` says whether a row is a clip, the end of a source, or a disk that cannot be
written (Ray Data would drop the exception's class), ``body`` holds its scalars as JSON. Video bytes never pass
through Ray: the splitter writes ``clips/`` and sends their byte ranges on.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.edits.moves import MOVED, read_moves
from jobs.ingest.given import GIVEN, PLACE, Told, ends_of, read_payload
from jobs.ingest.index import DROPPED
from jobs.ingest.tombstones import overlaps, read_tombstones
from jobs.ingest.underway import Teller
from pipeline import schema as s
from pipeline.config import ROW_GROUP_BYTES, IngestConfig, OpenClipConfig
from pipeline.scores.scorer import apply_scorers, make_named, note_error
from pipeline.shards.part import OpenPart
from pipeline.source.clips import ClipRecord, Plan
from pipeline.source.given import clip_given
from pipeline.source.listing import shown_uri
from pipeline.source.moved import clip_moved
from pipeline.source.sidecars import original_caption
from pipeline.store.paths import Location, location
from pipeline.store.staging import fetch_error, staged, sweep
from pipeline.tables import clips_schema
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError, Probe, claimed_minutes, probe

if TYPE_CHECKING:
    import pyarrow as pa

KIND, BODY, SAMPLES, SHAPE, EMBEDDING, ORDER = (
    "kind",
    "body",
    "samples",
    "shape",
    "embedding",
    "order",
)
CLIP, END, FAULT = "clip", "end", "fault"
FORGOTTEN = s.SourceOutcome.FORGOTTEN.value
"""Reason of a stretch that ``filmstock forget`` has taken out."""
NOWHERE = (None, None, None, None)
"""In place of a clip's byte range where clips are measured only."""
_SCORED = (s.AESTHETIC, s.CLIP_EMBEDDING)

log = logging.getLogger(__name__)


class Splitter:
    """Ray actor: source in, its clips on disk and one row per clip out, then one row that ends the source."""

    def __init__(self, out_dir: str, config: IngestConfig, samples: int) -> None:
        self.folder = location(out_dir)
        self.clips_dir = self.folder / "clips"
        self.tombstones = read_tombstones(self.folder)
        self.moves = read_moves(self.folder)
        self.config = config
        self.samples = samples
        named = make_named(config.scorers, "passage", "neighbours")
        self.extra = [name for scorer in named for name in scorer.columns]
        self.sandbox = Sandbox(memory_bytes=config.memory_bytes)
        sweep()

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        given = batch.get(GIVEN, [b""] * len(batch[ORDER]))
        for order, uri, source, told in zip(
            batch[ORDER], batch[s.SOURCE_URI], batch[s.SOURCE_ID], given, strict=True
        ):
            known = read_payload(told) if told else None
            yield from self.split(int(order), os.fsdecode(uri), str(source), known)

    def split(
        self, order: int, uri: str, source: str, known: Told | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rows of one source. The clips become visible only when the whole source went through.

        ``known`` gives its clips beforehand; None lets its shots decide.
        """
        end: dict[str, Any] = {
            s.SOURCE_ID: source,
            s.SOURCE_URI: uri,
            s.OUTCOME: s.SourceOutcome.DONE.value,
            s.N_CLIPS: 0,
        }
        writer = ClipParts(self.clips_dir, source, self.config.shard_bytes)
        forgotten = self.tombstones.spans_of(source)
        stack, path = ExitStack(), uri
        try:
            path = str(open_source(stack, uri))
            if known is None:
                end[MOVED] = self.moves.key(source)
            info = self.sandbox.run(probe, path, deadline_s=self.config.deadline_s, stage="probe")
            end |= probe_columns(info)
            teller = Teller(self.folder, source, uri, info.duration_s)
            stack.callback(teller.close)
            caption = known or original_caption(uri, info.tags, sidecars=self.config.sidecars)
            numbers: dict[tuple[int, int], int] = {}
            n_clips = 0
            for item in self.sandbox.stream(
                *(
                    (clip_moved, path, self.config, self.samples, source, self.moves.of(source))
                    if known is None
                    else (clip_given, path, self.config, self.samples, known.given)
                ),
                silence_s=self.config.deadline_s,
                total_s=self.config.deadline_s * max(1.0, claimed_minutes(info)),
                stage="decode",
            ):
                if isinstance(item, float):
                    teller.at(item)
                elif isinstance(item, Plan):
                    teller.cuts(item.duration_s)
                    end |= plan_columns(item)
                    if known is not None:
                        numbers = known.numbers(item)
                        end[GIVEN] = ends_of(item, source)
                elif isinstance(item, ClipRecord) and overlaps(*ticks(item.row), forgotten):
                    end[DROPPED].append([item.row[s.START_S], item.row[s.END_S], FORGOTTEN])
                elif isinstance(item, ClipRecord):
                    told = {
                        s.CAPTION_ORIGINAL: caption,
                        s.DOMAIN: info.domain,
                        s.TRAINING_FORBIDDEN: info.training_forbidden,
                    }
                    scored = {name: item.extra.get(name) for name in self.extra}
                    row = identify(item.row, uri, source) | scored | told
                    if known is not None:
                        number = numbers[row[s.START_PTS], row[s.END_PTS]]
                        row |= known.columns(number)
                        row[s.SHOTS_INSIDE] = item.extra.get(s.SHOTS_INSIDE)
                    row[PLACE] = n_clips
                    n_clips += 1
                    teller.clip()
                    if known is None or known.given.store:
                        writer.add(row)
                    yield clip_row(order, row, item.samples)
            ranges: list[Any] = writer.commit() or [NOWHERE] * n_clips
            end |= {s.N_CLIPS: n_clips, "ranges": ranges}
        except MediaError as error:
            writer.discard()
            end |= {
                s.OUTCOME: s.SourceOutcome.QUARANTINED.value,
                s.ERROR_STAGE: error.stage,
                s.ERROR_TYPE: error.type,
                s.ERROR_MESSAGE: error.message.replace(path, shown_uri(uri)),
            }
        except (
            OSError
        ) as error:  # of the disk that is written: a fault of the run, not of the source
            writer.discard()
            fault = {"errno": error.errno, "text": error.strerror or str(error)}
            yield stage_row(FAULT, order, fault | {"path": str(error.filename or self.clips_dir)})
            return
        except BaseException:
            writer.discard()
            raise
        finally:
            stack.close()
        yield stage_row(END, order, end)


def ticks(row: dict[str, Any]) -> tuple[int, int]:
    """Where a clip starts and ends, in ticks of its source's time base."""
    return int(row[s.START_PTS]), int(row[s.END_PTS])


def open_source(stack: ExitStack, uri: str) -> Path:
    """The source as a local file until ``stack`` closes; MediaError when its store does not give it."""
    try:
        return stack.enter_context(staged(location(uri)))
    except OSError as error:
        if error.filename != shown_uri(uri):  # of the disk it is staged on: a fault of the run
            raise
        raise MediaError("open", *fetch_error(error)) from error


def plan_columns(plan: Plan) -> dict[str, Any]:
    """What the end of a source says of its plan: its length, what becomes no clip, and whether the file is whole."""
    dropped = [[each.start_s, each.end_s, each.reason] for each in plan.dropped]
    end: dict[str, Any] = {s.DURATION_S: plan.duration_s, DROPPED: dropped}
    if plan.partial:
        end |= {s.ERROR_STAGE: "decode", s.ERROR_TYPE: s.PARTIAL, s.ERROR_MESSAGE: plan.partial}
    return end


def probe_columns(info: Probe) -> dict[str, Any]:
    """Columns of ``sources.parquet`` that the headers fill."""
    return {
        s.DURATION_S: info.duration_s,
        s.CODEC: info.codec,
        s.WIDTH: info.width,
        s.HEIGHT: info.height,
        s.FPS: float(info.fps),
        s.SIZE_BYTES: info.size_bytes,
        s.DOMAIN: info.domain,
    }


def identify(row: dict[str, Any], uri: str, source: str) -> dict[str, Any]:
    """The clip's row with its identity."""
    clip = s.clip_id(source, int(row[s.START_PTS]), int(row[s.END_PTS]))
    return {s.CLIP_ID: clip, s.SOURCE_ID: source, s.SOURCE_URI: shown_uri(uri), **row}


def clip_row(order: int, row: dict[str, Any], samples: np.ndarray) -> dict[str, Any]:
    """Row of one clip between the stages: everything but its video, and the frames for CLIP."""
    body = {name: value for name, value in row.items() if name != s.VIDEO}
    return stage_row(CLIP, order, body, samples)


def stage_row(
    kind: str, order: int, body: dict[str, Any], samples: np.ndarray | None = None
) -> dict[str, Any]:
    """One row between the stages, as a batch of one."""
    empty = np.zeros((0, 0, 0, 3), dtype=np.uint8)
    frames = empty if samples is None else samples
    return {
        KIND: [kind],
        ORDER: [order],
        BODY: [json.dumps(body)],
        SAMPLES: [frames.tobytes()],
        SHAPE: [json.dumps(frames.shape)],
    }


class ClipParts:
    """Writes ``part-<source_id>.parquet`` (and ``-001`` ... for long sources) and makes them visible together."""

    def __init__(self, folder: Location, source: str, shard_bytes: int) -> None:
        self.folder, self.source, self.shard_bytes = folder, source, shard_bytes
        self._parts: list[tuple[OpenPart, int]] = []
        self._rows: list[dict[str, Any]] = []
        self._waiting = 0
        self._size = 0

    def add(self, row: dict[str, Any]) -> None:
        """Take one clip, with its ``video``."""
        size = len(row[s.VIDEO])
        if self._size and self._size + size > self.shard_bytes:
            self._flush()
            self._size = 0
        self._rows.append(row)
        self._waiting += size
        self._size += size
        if self._waiting >= ROW_GROUP_BYTES:
            self._flush()

    def commit(self) -> list[tuple[str, int, int, str]]:
        """Close and rename; (shard, byte_offset, byte_length, video_xxh3) of every clip in the order it was added."""
        self._flush()
        ranges: list[tuple[str, int, int, str]] = []
        for part, _ in self._parts:
            hashes = list(part.hashes)
            found = part.commit()
            ranges += [
                (part.path.name, offset, length, digest)
                for (offset, length), digest in zip(found, hashes, strict=True)
            ]
        return ranges

    def discard(self) -> None:
        """Remove what was written so far."""
        for part, _ in self._parts:
            with suppress(OSError):
                part.discard()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        schema = clips_schema()
        first = self._size - self._waiting == 0
        if first or not self._parts:
            number = len(self._parts)
            name = f"part-{self.source}{f'-{number:03d}' if number else ''}.parquet"
            self._parts.append((OpenPart(self.folder / name, schema, {}), number))
        columns = {name: [row[name] for row in self._rows] for name in schema.names}
        self._parts[-1][0].write_group(pa.table(columns, schema=schema))
        self._rows, self._waiting = [], 0


class Embedder:
    """Ray actor: adds CLIP embedding, concept scores and aesthetic score to clip rows; other rows pass through."""

    def __init__(
        self, config: OpenClipConfig, scorers: tuple[str, ...] = (), device: str = "cpu"
    ) -> None:
        import torch

        from pipeline.openclip.find import NONE
        from pipeline.openclip.model import load_openclip
        from pipeline.scores.aesthetic import load_aesthetic_head
        from pipeline.scores.concepts import ConceptScorer

        torch.set_num_threads(1)
        self.allow_out_of_domain = config.allow_out_of_domain
        self.model = None if config.model == NONE else load_openclip(config.model, device=device)
        self.dim = self.model.dim if self.model else 1
        self.names = tuple(config.concepts)
        if self.model is not None:
            self.concepts = ConceptScorer(self.model, config.concepts, config.neutral)
        self.head = load_aesthetic_head(config.aesthetic_head)
        self.scorers = make_named(scorers, "embedding")

    def __call__(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        bodies, vectors = [], []
        for kind, body, samples, shape in zip(
            *(batch[name].to_pylist() for name in (KIND, BODY, SAMPLES, SHAPE)), strict=True
        ):
            vector = None
            row = json.loads(body)
            if kind == CLIP:
                frames = np.frombuffer(samples, dtype=np.uint8).reshape(json.loads(shape))
                vector = self.score(row, frames)
            else:
                row["embedding_dim"] = self.dim
            bodies.append(json.dumps(row))
            vectors.append(vector)
        return pa.table(
            {
                KIND: batch[KIND],
                ORDER: batch[ORDER],
                BODY: pa.array(bodies, pa.string()),
                EMBEDDING: pa.array(vectors, pa.binary()),
            }
        )

    def score(self, row: dict[str, Any], frames: np.ndarray) -> bytes | None:
        """Add the scores to ``row`` in place; the embedding as float16 bytes, None when it failed.

        Nothing is measured, and that is no error, without a model, and of footage that the model does not know.
        """
        row |= {
            s.AESTHETIC: None,
            **{s.CONCEPT_PREFIX + name: None for name in self.names},
        }
        if self.model is None or self.is_foreign(row):
            return None
        try:
            vector = self.model.embed_clip(frames)
            scores = {
                s.CONCEPT_PREFIX + name: float(value)
                for name, value in self.concepts(vector).items()
            }
            if self.head is not None:
                scores[s.AESTHETIC] = float(self.head(vector))
        except (ValueError, RuntimeError, MemoryError) as error:
            note_error(row, s.CLIP_EMBEDDING, error)
            return None
        row |= {name: value if math.isfinite(value) else None for name, value in scores.items()}
        apply_scorers(self.scorers, vector, row)
        return vector.astype(np.float16).tobytes()

    def is_foreign(self, row: dict[str, Any]) -> bool:
        """True when the model knows one closed domain and the clip is not of it."""
        narrow = self.model.domain if self.model else None
        return bool(narrow) and narrow != row.get(s.DOMAIN) and not self.allow_out_of_domain
