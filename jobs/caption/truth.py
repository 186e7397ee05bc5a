"""Truth of the captions, as they are packed: each scored against its clip, in a table of its own beside ``captions/``.

Asking and checking are apart: a caption is not asked for again because the CLIP model or a check changed, and checks
need no answer from a captioning server. A row is computed once per caption text; what is up to date is left alone.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.core.console import Progress, say, warn
from jobs.core.run import RunFolder, open_run
from jobs.edits.apply import correct, run_edits
from jobs.edits.fresh import open_stage
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, matching, parquet_input
from pipeline.tables import truth_schema

if TYPE_CHECKING:
    import numpy as np

    from captioner.config import CaptionConfig

STAGE = "truth"
CHUNK_CLIPS = 256
"""Clips whose rows become one part: the unit of work and of commit."""
CLIPS_PER_WORKER = 2000
"""Clips that are worth a Ray worker of their own."""
MOTION_FRAMES = 96
"""Frames of a clip that movement is read from at most, evenly spread."""
REFERENCE = "reference.parquet"
MANIFEST_COLUMNS = (
    *s.READ_COLUMNS,
    s.CAMERA,
    s.CAMERA_PAN,
    s.CAMERA_TILT,
    s.CAMERA_ZOOM,
)
TEXTS = "texts"


@dataclass(frozen=True, kw_only=True)
class TruthResult:
    """What ``truth/`` holds after a run."""

    rows: int = 0
    """Captions that have a row."""
    scored: int = 0
    """Captions scored by this run."""
    flagged: int = 0
    """Captions with at least one fault."""


def run(config: CaptionConfig, folder: RunFolder, clip_model: str) -> TruthResult:
    """Bring ``truth/`` in line with the captions of the kept clips as they are packed, scored by CLIP model
    ``clip_model``."""
    inputs = ("captions", "manifest", "selection.parquet")
    settings = (clip_model, config.frames, config.frame_side)
    stage = open_stage(folder, STAGE, *settings, inputs=inputs)
    if result := stage.finished(TruthResult):
        return result
    with stage.working():
        result, faults = check_captions(config, folder, clip_model)
        ends = ", ".join(f"{count} {name}" for name, count in faults.most_common())
        say(f"truth: {result.rows} captions checked against their frames: {ends or 'no fault'}")
        stage.log({**vars(result), "faults": dict(faults)})
        stage.finish({**vars(result), "outputs": [STAGE]})
    return result


def check_captions(
    config: CaptionConfig, folder: RunFolder, clip_model: str
) -> tuple[TruthResult, Counter[str]]:
    """Score the captions that lack a row; what the table then holds, and how many captions have which fault."""
    checker = Checker(config, folder, clip_model)
    work = open_work(folder, checker.id)
    if checker.model.warning and config.model != "embedded":
        warn(checker.model.warning)
    if work:
        with Progress(STAGE, len(work), "clips") as progress:
            for clips in check_all(checker, config, folder, clip_model, work):
                progress.update(clips)
    rows = list(truth_rows(folder.path))
    faults: Counter[str] = Counter()
    for row in rows:
        faults.update(row[s.CHECKS])
    result = TruthResult(
        rows=len(rows),
        scored=sum(len(clip[TEXTS]) for clip in work),
        flagged=sum(bool(row[s.CHECKS]) for row in rows),
    )
    return result, faults


def open_work(folder: RunFolder, made_by: str) -> list[dict[str, Any]]:
    """Kept clips with captions that lack a row, after stale rows are dropped; ``TEXTS`` maps kind to caption."""
    # what was measured needs no check
    kinds = tuple(kind for kind in s.CAPTION_KINDS if kind != s.FACTS)
    texts = correct(folder.usable_captions(kinds), run_edits(folder), kinds)
    have: list[dict[str, Any]] = []
    stale = 0
    for row in truth_rows(folder.path):
        text = texts.get(row[s.CLIP_ID], {}).get(row[s.KIND])
        if text is not None and row[s.TEXT_HASH] == text_hash(text) and row[s.MODEL] == made_by:
            have.append(row)
        else:
            stale += 1
    if stale:
        before = matching(folder / STAGE)
        after = {write_rows(folder.path, have)} if have else set()
        for path in before:
            if path not in after:
                path.unlink()
    done = {(row[s.CLIP_ID], row[s.KIND]) for row in have}
    work = []
    names = folder.kept_clips()
    for clip in names.select(
        [name for name in MANIFEST_COLUMNS if name in names.column_names]
    ).to_pylist():
        lacking = {
            kind: text
            for kind, text in texts.get(clip[s.CLIP_ID], {}).items()
            if (clip[s.CLIP_ID], kind) not in done
        }
        if lacking:
            work.append({**clip, TEXTS: lacking})
    return work


def text_hash(text: str) -> str:
    """16 hex digits of a caption's text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def truth_rows(folder: Location) -> Iterator[dict[str, Any]]:
    """Every stored row, each (clip, kind) once."""
    import pyarrow.parquet as pq

    seen: set[tuple[str, str]] = set()
    for path in matching(folder / STAGE) if (folder / STAGE).exists() else []:
        for row in pq.read_table(parquet_input(path), partitioning=None).to_pylist():
            if (key := (row[s.CLIP_ID], row[s.KIND])) not in seen:
                seen.add(key)
                yield row


def write_rows(folder: Location, rows: list[dict[str, Any]]) -> Location:
    """Write rows as one part named by what it answers, atomically."""
    import pyarrow as pa

    rows = sorted(rows, key=lambda row: (row[s.CLIP_ID], row[s.KIND]))
    named = repr([(r[s.CLIP_ID], r[s.KIND], r[s.TEXT_HASH], r[s.MODEL]) for r in rows])
    digest = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
    path = folder / STAGE / f"part-{digest}.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=truth_schema()))
    return path


def reference_vectors(folder: RunFolder, made_by: str, dim: int) -> np.ndarray | None:
    """Embeddings (R, D) of the clips that scores are calibrated on, chosen once per folder and kept, or None.

    Later runs read the same ones, so that scores stay comparable while the folder grows.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from captioner.truth.grounding import LEAST_REFERENCES, MOST_REFERENCES
    from pipeline.shards.read import open_table

    path = folder / STAGE / REFERENCE
    if path.exists():
        table = pq.read_table(parquet_input(path))
        if (table.schema.metadata or {}).get(b"model") == made_by.encode():
            return np.stack(table[s.CLIP_EMBEDDING].to_numpy()).astype(np.float32)
    if not folder.embeddings.exists():
        return None
    table = open_table(folder.embeddings).sort_by(s.CLIP_ID)  # ids are hashes: a random draw
    vectors = [
        np.asarray(vector, np.float32)
        for vector in table[s.CLIP_EMBEDDING].to_pylist()
        if vector is not None and len(vector) == dim
    ][:MOST_REFERENCES]
    if len(vectors) < LEAST_REFERENCES:
        return None
    chosen = np.stack(vectors)
    column = pa.array(list(chosen), pa.list_(pa.float32(), dim))
    metadata = {b"model": made_by.encode()}
    write_table(path, pa.table({s.CLIP_EMBEDDING: column}).replace_schema_metadata(metadata))
    return chosen


class Checker:
    """A CLIP model and the reference of a folder: rows of work in, rows of ``truth/`` out."""

    def __init__(self, config: CaptionConfig, folder: RunFolder, clip_model: str) -> None:
        from captioner.truth.grounding import VERSION
        from pipeline.openclip.model import load_openclip
        from pipeline.training.device import pick_device

        self.config, self.folder = config, folder
        self.model = load_openclip(clip_model, device=str(pick_device()))
        self.id = f"{self.model.id}:{VERSION}:{config.frames}x{config.frame_side}"
        self.reference = reference_vectors(folder, self.model.id, self.model.dim)

    def check(self, clips: list[dict[str, Any]]) -> Location | None:
        """Score some clips and write their part; a clip that cannot be read gets rows without scores."""
        rows = [row for clip in clips for row in self.rows(clip)]
        return write_rows(self.folder.path, rows) if rows else None

    def rows(self, clip: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """One row per caption of a clip."""
        from captioner.ask.structured import parse
        from captioner.render import plain
        from captioner.truth.grounding import ground, manifest_camera

        frames, motion = self.look(clip)
        for kind, text in clip[TEXTS].items():
            row = {
                s.CLIP_ID: clip[s.CLIP_ID],
                s.KIND: kind,
                s.TEXT_HASH: text_hash(text),
                s.MODEL: self.id,
                s.CHECKS: [],
            }
            if frames is not None:
                truth = ground(
                    plain(parse(text)) if kind == "structured" else text,
                    self.model.embed_texts,
                    frames,
                    reference=self.reference,
                    camera=manifest_camera(clip),
                    motion=motion,
                )
                row |= {
                    s.TRUTH_MIN: truth.minimum,
                    s.TRUTH_MEAN: truth.mean,
                    s.WORST_ASSERTION: truth.worst,
                    s.CHECKS: list(truth.checks),
                }
            yield row

    def look(self, clip: dict[str, Any]) -> tuple[np.ndarray | None, Any]:
        """CLIP embeddings of the captioner's frames, and what moves; (None, None) when the clip cannot be read."""
        from captioner.ask.frames import scaled_size
        from pipeline.scores.object_motion import object_motion
        from pipeline.video.decode import decode_clip, sample_indices

        total = clip[s.N_FRAMES]
        shown = sample_indices(total, self.config.frames)
        step = -(-total // MOTION_FRAMES)
        spread = list(range(0, total, step))
        wanted = sorted({*shown, *spread})
        size = scaled_size(clip[s.WIDTH], clip[s.HEIGHT], self.config.frame_side)
        try:
            data = self.folder.read_clip(clip)
            pixels, _ = decode_clip(data, indices=wanted, size=size)
        except Exception as error:  # noqa: BLE001 - one unreadable clip costs its own scores
            warn(f"clip {clip[s.CLIP_ID]} cannot be checked: {type(error).__name__}: {error}")
            return None, None
        at = {index: i for i, index in enumerate(wanted)}
        frames = self.model.embed_images(pixels[[at[i] for i in shown]])
        return frames, object_motion(pixels[[at[i] for i in spread]], clip[s.FPS] / step)


class RayChecker:
    """``Checker`` as a Ray Data actor: one chunk per row."""

    def __init__(self, config: CaptionConfig, folder: str, clip_model: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.checker = Checker(config, open_run(folder), clip_model)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import json

        clips = json.loads(row["chunk"])
        self.checker.check(clips)
        return {"clips": len(clips)}


def check_all(
    checker: Checker,
    config: CaptionConfig,
    folder: RunFolder,
    clip_model: str,
    work: list[dict[str, Any]],
) -> Iterator[int]:
    """Check every clip, in this process or, when there are many, on Ray actors; yields clips as they are done."""
    workers = min(os.cpu_count() or 1, 1 + len(work) // CLIPS_PER_WORKER)
    if workers == 1:
        for at in range(0, len(work), CHUNK_CLIPS):
            checker.check(work[at : at + CHUNK_CLIPS])
            yield len(work[at : at + CHUNK_CLIPS])
        return
    import json

    import ray

    from jobs.core.ray_runtime import start_ray

    start_ray(shared=folder.path)
    rows = [
        {"chunk": json.dumps(work[at : at + CHUNK_CLIPS])}
        for at in range(0, len(work), CHUNK_CLIPS)
    ]
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        RayChecker,
        fn_constructor_args=(config, str(folder.path.absolute()), clip_model),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(rows))),
        num_cpus=1,
    )
    for row in done.iter_rows():
        yield int(row["clips"])
