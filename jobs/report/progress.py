"""How work goes on in a folder: counts, rates, time left, failures by type, losses; from files that jobs write anyway.

Nothing is asked of a running job, and a job needs not to know that it is watched: records, journals and parts are
counted, and the time since the stage took the folder's lock gives the rate.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.caption.journal import left_over
from jobs.core.lock import LOCK, lock_holder
from jobs.core.run import RunFolder
from jobs.core.stage import METRICS
from jobs.ingest.ledger import HIDDEN, SEGMENTS, SINGLE, TOTAL
from jobs.ingest.underway import read_underway
from jobs.trace.sightings import read_settings, trainings
from pipeline import schema as s
from pipeline.store.paths import Location, matching, parquet_input

POINTS = 400
"""Points of a curve at most."""
SAMPLES = 12
"""Newest sheets of a training that are named."""
OUTER = ("curate", "import")
"""Commands that run stages."""
INSIDE = 8
"""Sources being split that are named."""
RECENT = 200
"""Newest records that the rate of ingest is taken from."""


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """How far a stage is."""

    stage: str
    done: int
    total: int | None
    """None where it is not known."""
    unit: str
    running: bool
    per_s: float | None = None
    """Units a second since the stage began; None where it does not run."""
    left_s: float | None = None
    inside: list[str] = field(default_factory=list)
    """How far sources are that are being split, the longest first."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a training stands."""

    folder: str
    command: str
    running: bool
    step: int
    steps: int | None
    share: float | None
    """Part that is done, 0 to 1."""
    steps_per_s: float | None
    left_s: float | None
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """``loss``, ``held_out`` ... -> (step, value)."""
    samples: list[str] = field(default_factory=list)
    """Newest pictures first, relative to the folder."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Everything that is shown of a folder."""

    stages: list[StageProgress]
    failures: list[tuple[str, str, int]]
    """(source, clip or caption; stage/type; how many), most first."""
    trainings: list[Training]


def read_watched(run: RunFolder) -> Watched:
    """Look at a run folder, or at the ``--out`` of a trainer."""
    own = run.path if isinstance(run.path, Path) and read_settings(run.path) else None
    folders = [own] if own else trainings(run)
    return Watched(
        stages=[] if own else list(stages(run)),
        failures=[] if own else failures(run),
        trainings=[read_training(folder) for folder in folders],
    )


def stages(run: RunFolder) -> Iterator[StageProgress]:
    """Stages that have begun."""
    holder = lock_holder(run.path)
    command = None if holder is None else holder.get("command", "")
    since = _changed(run.path / LOCK) if holder is not None else None
    kept = _done_count(run, "select", "kept")
    counted = {
        "ingest": (_ingested(run), _total_sources(run), "sources"),
        "caption": (_caption_rows(run), _asked(run, kept), "captions"),
        "pack": (_rows(run.shards), kept, "clips"),
        "encode": (_rows(run / "latents"), None, "rows"),
    }
    for stage, ((done, fresh), total, unit) in counted.items():
        finished = run.done_info(stage) is not None
        running = command == stage or (command in OUTER and not finished and done > 0)
        if not done and not running:
            continue
        rate = None
        split = read_underway(run.path) if running and stage == "ingest" else []
        if running and since is not None:
            begun = sum(each.share for each in split)
            new = begun + sum(count for count, changed in fresh if changed >= since)
            rate = new / max(1e-3, time.time() - since) or None
        left = None
        if rate and total is not None and total > done:
            left = (total - done) / rate
        yield StageProgress(
            stage=stage,
            done=done,
            total=done if finished and not running else total,
            unit=unit,
            running=running,
            per_s=rate,
            left_s=left,
            inside=[each.text() for each in split],
        )


Fresh = list[tuple[int, float]]
"""(units, when they were written)."""


def _ingested(run: RunFolder) -> tuple[int, Fresh]:
    """Sources that have ended, and when the ones with a record of their own did."""
    if not isinstance(run.path, Path) or not (run.path / HIDDEN).is_dir():
        return _done_count(run, "ingest", "sources") or 0, []
    hidden = run.path / HIDDEN
    single = [(1, path.stat().st_mtime) for path in (hidden / SINGLE).glob("*/*.json")]
    gathered = sum(
        gzip.decompress(path.read_bytes()).count(b"\n") for path in (hidden / SEGMENTS).glob("*.gz")
    )
    return len(single) + gathered, single


def _total_sources(run: RunFolder) -> int | None:
    try:
        return int(json.loads((run / HIDDEN / TOTAL).read_text())["sources"])
    except (OSError, ValueError, KeyError):
        return None


def _rows(table: Location) -> tuple[int, Fresh]:
    """Rows of a table's parts, and when each part was written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: Fresh = []
    for path in matching(table):
        try:
            found.append((pq.read_metadata(parquet_input(path)).num_rows, _changed(path)))
        except (OSError, pa.ArrowException):  # it has just been replaced
            continue
    return sum(count for count, _ in found), found


def _caption_rows(run: RunFolder) -> tuple[int, Fresh]:
    """Captions in parts and in the journals of workers."""
    count, fresh = _rows(run.captions)
    for path in left_over(run.captions) if run.captions.exists() else ():
        lines = path.read_bytes().count(b"\n")
        count, fresh = count + lines, [*fresh, (lines, _changed(path))]
    return count, fresh


def _asked(run: RunFolder, kept: int | None) -> int | None:
    """Captions that will be there: kept clips by kinds of the recipe."""
    if kept is None or not run.has_recipe():
        return None
    try:
        return kept * len(run.recipe().caption.kinds)
    except ValueError:
        return None


def _done_count(run: RunFolder, stage: str, name: str) -> int | None:
    value = (run.done_info(stage) or {}).get(name)
    return int(value) if isinstance(value, int) else None


def _changed(path: Location) -> float:
    if isinstance(path, Path):
        return path.stat().st_mtime if path.exists() else 0.0
    return path.stat().changed.timestamp()


def failures(run: RunFolder) -> list[tuple[str, str, int]]:
    """What failed, by kind and type, from the tables as far as they are written."""
    import pyarrow.parquet as pq

    from pipeline.shards.read import open_table

    found: Counter[tuple[str, str]] = Counter()
    if (run / "sources.parquet").is_file():
        columns = [s.OUTCOME, s.ERROR_STAGE, s.ERROR_TYPE]
        table = pq.ParquetFile(parquet_input(run / "sources.parquet")).read(columns)
        for row in table.to_pylist():
            if row[s.OUTCOME] == s.SourceOutcome.QUARANTINED:
                found["source", f"{row[s.ERROR_STAGE]}/{row[s.ERROR_TYPE]}"] += 1
    if matching(run.manifest):
        for text in open_table(run.manifest, [s.ERROR])[s.ERROR].drop_null().to_pylist():
            for one in text.split("; "):
                found["clip", "/".join(part.strip() for part in one.split(":")[:2])] += 1
    if run.has_captions():
        for outcome in open_table(run.captions, [s.OUTCOME])[s.OUTCOME].to_pylist():
            if outcome != s.CaptionOutcome.OK:
                found["caption", outcome] += 1
    return [(what, kind, count) for (what, kind), count in found.most_common(40)]


def read_training(folder: Path) -> Training:
    """How one training stands, from its metrics."""
    settings = read_settings(folder)
    told = settings.get("settings", {})
    rows = list(_metrics(folder))
    last = rows[-1] if rows else {}
    step = int(last.get("step", 0))
    planned = (
        told.get("train", told).get("steps") if isinstance(told.get("train", {}), dict) else None
    )
    minutes = told.get("minutes") or (told.get("train") or {}).get("minutes")
    steps = int(planned) if planned and not minutes else None
    share = last.get("progress")
    share = float(share) if share is not None else step / steps if steps else None
    running = lock_holder(folder) is not None
    rate = _rate(rows)
    left = None
    if running and share and share < 1:
        elapsed = last.get("elapsed_s")
        left = (
            float(elapsed) * (1 - share) / share
            if elapsed
            else ((steps - step) / rate if steps and rate else None)
        )
    pictures = sorted(
        [*folder.glob("samples/*.png"), *folder.glob("*.png")],
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    return Training(
        folder=str(folder),
        command=str(settings.get("command", "train-captioner")),
        running=running,
        step=step,
        steps=steps,
        share=share,
        steps_per_s=rate,
        left_s=left,
        curves={name: curve for name in CURVES if (curve := _curve(rows, name))},
        samples=[str(path.relative_to(folder)) for path in pictures[:SAMPLES]],
    )


CURVES = (
    "loss",
    "held_out",
    "floor",
    "held_out_floor",
    "trainingclips_psnr",
    "heldout_psnr",
    "grad_norm",
)
"""Columns of metrics that are drawn."""


def _metrics(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / METRICS
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:  # cut short by a kill
            continue
        if isinstance(row, dict) and "step" in row:
            yield row


def _curve(rows: list[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    """A column over steps, thinned to ``POINTS``; a value that only repeats the last is left out."""
    points = [
        (int(row["step"]), float(row[name]))
        for row in rows
        if isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool)
    ]
    stride = max(1, len(points) // POINTS)
    return points[::-1][::stride][::-1]


def _rate(rows: list[dict[str, Any]]) -> float | None:
    """Steps a second over the last rows."""
    timed = [row for row in rows if isinstance(row.get("elapsed_s"), int | float)][-8:]
    if len(timed) < 2:
        return None
    seconds = timed[-1]["elapsed_s"] - timed[0]["elapsed_s"]
    return (timed[-1]["step"] - timed[0]["step"]) / seconds if seconds > 0 else None


def pace(per_s: float) -> str:
    """A rate in the unit in which it is at least 1, or an hour's."""
    if per_s >= 0.1:
        return f"{per_s:.2f} a second"
    return f"{per_s * 60:.1f} a minute" if per_s >= 1 / 60 else f"{per_s * 3600:.1f} an hour"


def watched_lines(found: Watched) -> Iterator[str]:
    """What is shown under the lines of the stages."""
    from jobs.core.console import clock

    for each in found.stages:
        if each.running:
            of = f" of {each.total}" if each.total is not None else ""
            rate = f", {pace(each.per_s)}" if each.per_s else ""
            left = f", {clock(each.left_s)} left" if each.left_s is not None else ""
            yield f"{each.stage}: {each.done}{of} {each.unit}{rate}{left}"
            yield from (f"  {text}" for text in each.inside[:INSIDE])
            if (more := len(each.inside) - INSIDE) > 0:
                yield f"  and {more} more"
    for what, kind, count in found.failures:
        yield f"{what}s that failed: {count} {kind}"
    for one in found.trainings:
        loss = one.curves.get("loss")
        said = [f"step {one.step}" + (f" of {one.steps}" if one.steps else "")]
        if loss:
            said.append(f"loss {loss[-1][1]:.4f}")
        if held := one.curves.get("held_out"):
            said.append(f"held-out {held[-1][1]:.4f}")
        if one.steps_per_s:
            said.append(f"{one.steps_per_s:.2f} steps a second")
        if one.left_s is not None:
            said.append(f"{clock(one.left_s)} left")
        yield f"{one.command} {one.folder}: {', '.join(said)}{' (running)' if one.running else ''}"
