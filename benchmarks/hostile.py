"""Hostile input: every file ends typed, none stops the job, none outlives its deadline.

    python -m benchmarks.hostile --count 2000

Damaged files in many codecs (``mutants``), special ones (``specials``), and the folder ``hostile`` of
``FILMSTOCK_TESTDATA`` if that is set, go through the splitter of ingest: the decoding child with its deadline and
memory cap. A sample of them then goes through ``filmstock ingest`` on Ray. Exit code 1 if a source ended untyped, with
an error type that means a bug of ours, or late.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.mutants import write_bases, write_mutants
from benchmarks.specials import write_specials
from jobs.ingest.stages import BODY, END, KIND, Splitter
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.video.probe import MediaError, claimed_minutes, probe

OUR_BUGS = frozenset(
    {
        "arithmetic", "assertion", "attribute", "error", "floating_point", "index", "key", "lookup", "name",
        "not_implemented", "overflow", "recursion", "runtime", "type", "unbound_local", "value", "zero_division",
    }
)  # fmt: skip
"""Types that come from an exception of Python that no file should be able to cause."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one file ended."""

    path: Path
    """The file."""
    outcome: str
    """``done`` or ``quarantined``."""
    failure: str
    """``stage/type``, empty when done."""
    message: str
    """What the table says about it."""
    spent_s: float
    """Seconds of the child's own time."""
    wall_s: float
    """Seconds by the clock."""
    deadline_s: float
    """Seconds it may take in the child: headers, and pictures by the length it claims."""

    @property
    def wrong(self) -> str | None:
        """What must not be, or None."""
        typed = self.outcome == s.SourceOutcome.DONE and not self.failure
        if self.outcome == s.SourceOutcome.QUARANTINED:
            stage, _, kind = self.failure.partition("/")
            typed = bool(stage and kind and self.message) and kind not in OUR_BUGS
        if not typed:
            return "untyped"
        return "late" if self.spent_s > self.deadline_s + 1.0 else None


def main() -> int:
    """Make the files, put them through, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--deadline", type=float, default=30.0, help="[ingest] deadline_s, seconds")
    parser.add_argument("--ingest", type=int, default=60, help="files of a real ingest; 0 for none")
    args = parser.parse_args()
    config = IngestConfig(min_clip_s=0.2, deadline_s=args.deadline)
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        files = list(gather(Path(name), args.count, args.seed))
        start = time.monotonic()
        ends = run_all(files, Path(name) / "out", config, args.workers)
        show(ends, time.monotonic() - start)
        bad = [end for end in ends if end.wrong]
        if args.ingest:
            step = max(1, len(files) // args.ingest)
            bad_ingest = ingest_sample(files[::step], Path(name) / "run", config, ends)
        else:
            bad_ingest = []
    for line in [f"{end.wrong}: {end.path.name}: {end.failure}: {end.message}" for end in bad]:
        print(line)
    for line in bad_ingest:
        print(line)
    return 1 if bad or bad_ingest else 0


def gather(folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Every file of the run: special ones, those of the test data, the sound ones and what damage makes of them."""
    for name in ("special", "sound", "mutant"):
        (folder / name).mkdir()
    yield from write_specials(folder / "special")
    known = os.environ.get("FILMSTOCK_TESTDATA")
    if known and (Path(known) / "hostile").is_dir():
        yield from sorted(p for p in (Path(known) / "hostile").iterdir() if p.is_file())
    bases = write_bases(folder / "sound")
    yield from bases
    yield from write_mutants(folder / "mutant", bases, count, seed)


def run_all(files: list[Path], out: Path, config: IngestConfig, workers: int) -> list[Outcome]:
    """Put every file through a splitter, ``workers`` at a time."""
    free: SimpleQueue[Splitter] = SimpleQueue()
    for _ in range(workers):
        free.put(Splitter(str(out), config, 2))

    def one(path: Path) -> Outcome:
        splitter = free.get()
        try:
            return run_one(splitter, path, config)
        finally:
            free.put(splitter)

    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, files))
    finally:
        while not free.empty():
            free.get().sandbox.close()


def run_one(splitter: Splitter, path: Path, config: IngestConfig) -> Outcome:
    """One file through the splitter, as ingest does it; an exception that gets out is an outcome too, and untyped."""
    began_s, spent_s = time.monotonic(), splitter.sandbox.spent_s
    try:
        with closing(splitter.split(0, str(path), path.name)) as rows:
            ends = [json.loads(row[BODY][0]) for row in rows if row[KIND][0] == END]
        end = ends[0] if len(ends) == 1 else {s.OUTCOME: f"{len(ends)} ends"}
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen in the table
        end = {s.OUTCOME: "escaped", s.ERROR_MESSAGE: repr(error)}
    failure = f"{end.get(s.ERROR_STAGE)}/{end.get(s.ERROR_TYPE)}" if end.get(s.ERROR_TYPE) else ""
    return Outcome(
        path=path,
        outcome=end[s.OUTCOME],
        failure=failure,
        message=str(end.get(s.ERROR_MESSAGE) or ""),
        spent_s=splitter.sandbox.spent_s - spent_s,
        wall_s=time.monotonic() - began_s,
        deadline_s=deadline_of(path, config, failure),
    )


def deadline_of(path: Path, config: IngestConfig, failure: str) -> float:
    """Seconds the file may take: once for the headers, then for every minute it claims to last."""
    if failure.startswith(("open/", "probe/")):
        return config.deadline_s
    try:
        return config.deadline_s * (1 + max(1.0, claimed_minutes(probe(path))))
    except MediaError:
        return config.deadline_s


def show(ends: list[Outcome], wall_s: float) -> None:
    """The table: how many ended in which way, and the slowest of each."""
    print(f"{len(ends)} files in {wall_s:.0f} s; seconds are the child's own time")
    print(f"{'files':>6}  {'outcome':<36} {'slowest':>8} {'deadline':>9}  file")
    counts = Counter(end.failure or end.outcome for end in ends)
    for name, count in counts.most_common():
        slow = max((e for e in ends if (e.failure or e.outcome) == name), key=lambda e: e.spent_s)
        figures = f"{slow.spent_s:>8.2f} {slow.deadline_s:>9.1f}"
        print(f"{count:>6}  {name:<36} {figures}  {slow.path.name}")
    tight = max(ends, key=lambda end: end.spent_s / end.deadline_s)
    print(
        f"nearest to its deadline: {tight.path.name}, {tight.spent_s:.2f} of {tight.deadline_s:.1f} s "
        f"({tight.wall_s:.2f} s by the clock)"
    )


def ingest_sample(
    files: list[Path], out: Path, config: IngestConfig, ends: list[Outcome]
) -> list[str]:
    """``filmstock ingest`` of these files: what is wrong, one line each. Every one must end as it did alone."""
    import pyarrow.parquet as pq

    from jobs.core.ray_runtime import stop_ray
    from jobs.ingest import command as ingest
    from pipeline.config import OpenClipConfig

    ingest.run(config, OpenClipConfig(frames=2), [str(path) for path in files], out)
    stop_ray()
    rows = {row[s.SOURCE_URI]: row for row in pq.read_table(out / "sources.parquet").to_pylist()}
    alone = {str(end.path): end for end in ends}
    wrong = [f"ingest: {path} is not accounted for" for path in files if str(path) not in rows]
    for uri, row in rows.items():
        got = (row[s.OUTCOME], row[s.ERROR_TYPE])
        want = (alone[uri].outcome, alone[uri].failure.partition("/")[2] or None)
        if got != want and got != (s.SourceOutcome.DONE, "duplicate"):
            wrong.append(f"ingest: {uri} ended {got}, alone {want}")
    print(f"ingest on Ray: {len(rows)} of {len(files)} sources accounted for, {len(wrong)} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
