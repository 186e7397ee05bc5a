"""Everything in a run folder that is no table: records, journals, markers, pages, pictures, files of others.

Whatever shows clips goes and is made anew by its command. Lines of journals go one by one. A file of a form that is
not known goes when it holds an id, a path, a caption or bytes of the work.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from jobs.core.lock import LOCK
from jobs.core.run import RunFolder
from jobs.core.stage import MARKERS
from jobs.ingest.index import DROPPED
from jobs.ingest.ledger import HIDDEN, SEGMENTS, SINGLE, Ledger, compile_sources
from jobs.ingest.tombstones import FOLDER
from jobs.trace.search import Needles, all_files, file_hit
from jobs.trace.tables import Gone, take_out_table
from jobs.trace.targets import Target
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, matching, parquet_input

SHOWN = frozenset(
    {".html", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".pdf", ".svg", ".mp4", ".webm", ".npy"}
)
"""Endings of files that show clips."""
KEPT = frozenset({".toml"})
"""Endings of files that a person wrote: named where they still say something, never removed."""
VIDEO_TABLES = frozenset({"clips", "shards", "latents"})
"""Folders that ``tables`` sees to."""


def take_out_records(run: RunFolder, gone: Gone, clips: Mapping[str, Target]) -> Iterator[str]:
    """The records of ingest, and the two tables that are made of them; yields the files that changed."""
    hidden = run / HIDDEN
    if not hidden.is_dir():
        return
    stretches: dict[str, list[list[Any]]] = {}
    for clip in clips.values():
        if clip.source_id and clip.source_id not in gone.sources:
            word = s.SourceOutcome.FORGOTTEN.value
            stretches.setdefault(clip.source_id, []).append([clip.start_s, clip.end_s, word])
    changed = False
    for name, path in all_files(hidden):
        if not _is_record(name):
            continue
        packed = name.name.endswith(".gz")
        data = path.read_bytes()
        lines = (gzip.decompress(data) if packed else data).splitlines(keepends=True)
        left = [line for line in (_record(run, line, gone, stretches) for line in lines) if line]
        if left == lines:
            continue
        changed = True
        yield f"{HIDDEN}/{name}"
        body = b"".join(left)
        if not body:
            path.unlink()
        else:
            write_bytes(path, gzip.compress(body, 1, mtime=0) if packed else body)
    if changed or any(gone.touches(run / n) for n in _compiled(run)):
        compile_sources(Ledger(run.path), lambda record: None)
        yield "sources.parquet"


def _is_record(name: PurePosixPath) -> bool:
    """Whether a file below ``.ingest`` holds records; beside them lie settings, counts, and how far sources are."""
    return name.parts[0] in (SINGLE, SEGMENTS) and name.name.endswith((".jsonl.gz", ".json"))


def _compiled(run: RunFolder) -> list[str]:
    return [n for n in ("sources.parquet", "dropped.parquet") if (run / n).is_file()]


def _record(
    run: RunFolder, line: bytes, gone: Gone, stretches: Mapping[str, list[list[Any]]]
) -> bytes:
    """A record without what is gone: nothing of a whole source, fewer clips of another."""
    record = json.loads(line)
    source = record[s.SOURCE_ID]
    if source in gone.sources:
        return b""
    if source not in stretches or not record.get(s.N_CLIPS):
        return line
    dropped = [list(each) for each in record.get(DROPPED) or []]
    dropped += [each for each in stretches[source] if each not in dropped]
    found = {s.N_CLIPS: _count(run, source), DROPPED: sorted(dropped, key=lambda each: each[0])}
    return json.dumps(record | found).encode() + b"\n"


def _count(run: RunFolder, source: str) -> int:
    """Clips of a source that are left in the manifest."""
    import pyarrow.parquet as pq

    parts = matching(run.manifest, f"part-{source}*.parquet")
    return sum(pq.read_metadata(parquet_input(path)).num_rows for path in parts)


def take_out_rest(run: RunFolder, gone: Gone, needles: Needles) -> Iterator[str]:
    """Every other file; yields the names of those that changed or went."""
    for name, path in all_files(run.path):
        top = name.parts[0]
        if top == FOLDER or name.name == LOCK:
            continue
        if top == HIDDEN and _is_record(name.relative_to(HIDDEN)):
            continue
        if top in VIDEO_TABLES and name.match("part-*.parquet"):
            continue
        if _take_out_file(path, name.parts, gone, needles):
            yield str(name)


def _take_out_file(path: Location, parts: tuple[str, ...], gone: Gone, needles: Needles) -> bool:
    kind = path.suffix.lower()
    if kind in SHOWN or (path.name.startswith(".") and kind == ".tmp"):
        path.unlink(missing_ok=True)
        return True
    if kind == ".parquet":
        return take_out_table(path, gone)
    named = needles.hit("/".join(parts).encode()) is not None
    if not named and file_hit(path, needles) is None:
        return False
    if kind in KEPT:
        return False  # the search at the end names it
    if not named and (kind == ".jsonl" or path.name.endswith((".csv", ".txt", ".log", ".md"))):
        drop_lines(path, needles)
    elif not named and kind == ".json":
        body = scrubbed(json.loads(path.read_text()), needles)
        write_bytes(path, (json.dumps(body, indent=2) + "\n").encode())
    else:
        path.unlink(missing_ok=True)
    return True


def drop_lines(path: Location, needles: Needles) -> None:
    """Rewrite a file of lines without those that hold a needle."""
    lines = path.read_bytes().splitlines(keepends=True)
    write_bytes(path, b"".join(line for line in lines if needles.hit(line) is None))


def scrubbed(value: Any, needles: Needles) -> Any:
    """A JSON value without texts that hold a needle: items of lists go, values of keys become empty."""

    def bad(item: Any) -> bool:
        if isinstance(item, dict):
            return any(isinstance(one, str) and bad(one) for one in (*item, *item.values()))
        return isinstance(item, str) and needles.hit(item.encode()) is not None

    if isinstance(value, list):
        return [scrubbed(item, needles) for item in value if not bad(item)]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not bad(key)}
        return {
            key: "" if isinstance(i, str) and bad(i) else scrubbed(i, needles)
            for key, i in kept.items()
        }
    return "" if bad(value) else value


def take_out_of_training(folder: Location, sheets: bool, needles: Needles) -> Iterator[str]:
    """What a trainer wrote beside its weights: lists of bad clips, pictures of steps and of held-out clips."""
    for name, path in all_files(folder):
        drawn = sheets and (path.suffix == ".png" or ".tfevents." in path.name)
        batches = name.parts[0] == "batches"
        if drawn or batches:
            path.unlink(missing_ok=True)
            yield f"{folder}/{name}"
        elif path.suffix == ".jsonl" and file_hit(path, needles) is not None:
            drop_lines(path, needles)
            yield f"{folder}/{name}"


def mend_markers(run: RunFolder, fresh: Collection[str]) -> None:
    """Bring the markers of stages in line with the tables: those that were up to date are up to date.

    Their keys are cleared, so that each may be run again: a clip that was rejected as a duplicate of one that is gone
    can come in.
    """
    from jobs.edits.fresh import Inputs

    seen = Inputs(run)
    counts = _counts(run)
    for path in matching(run / MARKERS, "*.json"):
        body = json.loads(path.read_text())
        stage = body.get("stage")
        if "inputs" in body and stage in fresh:
            body["inputs"] = {name: seen.key(name) for name in body["inputs"]}
        if stage not in ("curate", "report"):
            body["key"] = ""
        body |= {k: v for k, v in counts.get(stage, {}).items() if k in body}
        if stage == "pack":
            body["outputs"] = [n for n in body.get("outputs", []) if (run / n).exists()]
        write_bytes(path, (json.dumps(body, indent=2) + "\n").encode())


def _counts(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Figures of the markers, counted anew."""
    import pyarrow.compute as pc

    from pipeline.shards.layout import MANIFEST_NAME, manifest_of
    from pipeline.shards.read import open_manifest, open_table

    found: dict[str, dict[str, Any]] = {}
    if matching(run.manifest):
        found["ingest"] = {"clips": open_table(run.manifest, [s.CLIP_ID]).num_rows}
    if run.selection.is_file():
        kept = pc.equal(open_table(run.selection, [s.DECISION])[s.DECISION], str(s.Decision.KEEP))
        found["select"] = {"kept": pc.sum(kept).as_py() or 0}
    if run.has_captions():
        table = open_table(run.captions, [s.CLIP_ID, s.OUTCOME])
        ok = pc.sum(pc.equal(table[s.OUTCOME], str(s.CaptionOutcome.OK))).as_py() or 0
        clips = pc.count_distinct(table[s.CLIP_ID]).as_py()
        found["caption"] = {
            "clips": clips,
            "rows": table.num_rows,
            "ok": ok,
            "asked": table.num_rows,
        }
    if manifest_of(run.shards).is_file():
        table = open_manifest(run.shards).table
        seconds = pc.sum(pc.subtract(table[s.END_S], table[s.START_S])).as_py() or 0.0
        found["pack"] = {"packed": table.num_rows, "hours": seconds / 3600}
    latents = run / "latents" / MANIFEST_NAME
    if latents.is_file():
        table = open_table(latents, [s.CLIP_ID])
        clips = pc.count_distinct(table[s.CLIP_ID]).as_py()
        found["encode"] = {"clips": clips, "captions": table.num_rows}
    return found
