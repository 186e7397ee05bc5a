"""What ``report.html`` is built from: the tables, markers and settings of a run folder, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError
from jobs.core.recipe import RESOLVED
from jobs.core.run import RunFolder
from jobs.edits.apply import run_edits
from jobs.select.tables import read_parts
from pipeline import schema as s
from pipeline.config import SelectConfig
from pipeline.select.funnel import FunnelRow, build_funnel
from pipeline.select.select import step_names
from pipeline.store.paths import matching, parquet_input
from pipeline.tables import manifest_schema

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGES = (
    "filmstock", "ray", "torch", "torchvision", "open_clip_torch", "transformers",
    "pyarrow", "duckdb", "av", "decord2", "numpy", "pillow",
)  # fmt: skip
"""Distributions whose versions a run records."""

QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?'\"]+)\?[^\s'\"]*")
"""An address with a query string; group 1 is all before it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A curation run; everything (N,) is in the order of ``clips``."""

    folder: RunFolder
    """The run folder."""
    clips: pa.Table
    """The manifest, by source and time: rows of a source that follow each other are neighbours in it."""
    decisions: np.ndarray
    """str (N,): what select decided, empty where it has not."""
    reasons: list[list[str]]
    """Reasons of each clip, in the order of the steps."""
    duplicate_of: list[str | None]
    """clip_id kept instead of each clip."""
    steps: tuple[str, ...]
    """Reasons that reject, in the order of the funnel."""
    sources: list[dict[str, Any]]
    """Rows of ``sources.parquet``, by URI."""
    captions: pa.Table | None
    """Rows of ``captions/``, None before there are any."""
    corrected: Mapping[str, Mapping[str, str]]
    """clip_id -> kind -> text that a person put in the place of the stored one."""
    select: SelectConfig
    """Settings of the selection."""
    recipe: str
    """Resolved recipe, TOML."""
    stages: dict[str, dict[str, Any]]
    """Stage -> its last line of ``metrics.jsonl``."""
    made_by: dict[str, Any]
    """``command`` and ``versions`` of the curate that last changed the tables."""

    def column(self, name: str) -> list[Any]:
        """One manifest column as Python values."""
        values: list[Any] = self.clips.column(name).to_pylist()
        return values

    def described(self) -> frozenset[str]:
        """Ids of the clips whose captions count: those kept, all before select. Of others captions may be left over."""
        kept = self.decisions == str(s.Decision.KEEP)
        counts = kept if (self.decisions != "").any() else np.ones(len(kept), bool)
        ids = self.column(s.CLIP_ID)
        return frozenset(ids[row] for row in np.flatnonzero(counts))

    def numbers(self, name: str) -> np.ndarray:
        """One manifest column, float64 (N,), NaN where NULL."""
        column = self.clips.column(name).to_numpy()
        return np.asarray(column, dtype=np.float64)

    def row(self, index: int) -> dict[str, Any]:
        """One clip as a dict."""
        row: dict[str, Any] = self.clips.slice(index, 1).to_pylist()[0]
        return row

    @property
    def kept(self) -> np.ndarray:
        """bool (N,): clips that select keeps."""
        return self.decisions == str(s.Decision.KEEP)

    @property
    def seconds(self) -> np.ndarray:
        """float64 (N,): length of each clip."""
        return np.nan_to_num(self.numbers(s.END_S) - self.numbers(s.START_S))

    def hit(self, reason: str) -> np.ndarray:
        """bool (N,): clips that carry this reason."""
        return np.array([reason in each for each in self.reasons], bool)


def read_run(folder: RunFolder) -> Run:
    """Read a run folder; UserError when it has no manifest yet."""
    import pyarrow.parquet as pq

    check_ingested(folder)
    has_clips = bool(matching(folder.manifest))
    clips = read_parts(folder.manifest) if has_clips else manifest_schema().empty_table()
    order = [(name, "ascending") for name in (s.SOURCE_ID, s.START_S, s.CLIP_ID)]
    clips = public(clips.sort_by(order)).combine_chunks()
    ids = clips.column(s.CLIP_ID).to_pylist()
    verdicts: dict[str, tuple[str, list[str], str | None]] = {}
    if folder.selection.is_file():
        table = pq.ParquetFile(parquet_input(folder.selection)).read()
        names = (s.CLIP_ID, s.DECISION, s.REASONS, s.DUPLICATE_OF)
        for clip, *verdict in zip(*(table.column(n).to_pylist() for n in names), strict=True):
            verdicts[clip] = (verdict[0], verdict[1] or [], verdict[2])
    found = [verdicts.get(clip, ("", [], None)) for clip in ids]
    sources: list[dict[str, Any]] = []
    if (folder / "sources.parquet").is_file():
        sources = public(
            pq.ParquetFile(parquet_input(folder / "sources.parquet")).read()
        ).to_pylist()
    recipe = folder / RESOLVED
    config = _select_config(folder)
    reasons = [reasons for _, reasons, _ in found]
    return Run(
        folder=folder,
        clips=clips,
        decisions=np.array([decision for decision, _, _ in found], dtype=str),
        reasons=reasons,
        duplicate_of=[keeper for _, _, keeper in found],
        steps=steps_of(config, reasons),
        sources=sorted(sources, key=lambda row: str(row[s.SOURCE_URI])),
        captions=read_parts(folder.captions) if folder.has_captions() else None,
        corrected=run_edits(folder).captions(),
        select=config,
        recipe=without_queries(recipe.read_text(encoding="utf-8")) if recipe.is_file() else "",
        stages=folder.last_metrics(),
        made_by=folder.done_info("curate") or {},
    )


def check_ingested(folder: RunFolder) -> None:
    """Refuse a folder that ingest has not written to; one whose sources gave no clip at all is fine."""
    if not (folder / "sources.parquet").is_file():
        folder.need("manifest")


def public(table: pa.Table) -> pa.Table:
    """The table with the query strings cut off its addresses: that of a presigned one is a key to the file."""
    import pyarrow.compute as pc

    for name in (s.SOURCE_URI, s.ERROR_MESSAGE, s.ERROR):
        if name in table.column_names:
            column = pc.replace_substring_regex(table.column(name), QUERY.pattern, r"\1")
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def without_queries(text: str) -> str:
    """The text with the query strings cut off every address in it."""
    return QUERY.sub(r"\1", text)


def funnel(run: Run) -> tuple[FunnelRow, ...]:
    """The funnel that select printed, rebuilt from its table; () before there is a selection."""
    if not len(run.decisions) or not (run.decisions != "").any():
        return ()
    hits = [run.hit(step) for step in run.steps]
    stacked = np.stack(hits, axis=1) if hits else np.zeros((len(run.decisions), 0), bool)
    errors = run.decisions == str(s.Decision.ERROR)
    return build_funnel(run.seconds, errors, run.steps, stacked)


def versions() -> dict[str, str]:
    """Python and the distributions that a run's rows depend on, those that are installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _select_config(folder: RunFolder) -> SelectConfig:
    try:
        return folder.recipe().select
    except UserError:  # a recipe of another filmstock: the page shows its text, and no thresholds
        return SelectConfig()


def steps_of(config: SelectConfig, reasons: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Rejecting reasons in the order in which select applies them, then any the recipe does not name."""
    seen = {reason for each in reasons for reason in each if ":" not in reason}
    first = seen & {s.TRAINING_FORBIDDEN}
    steps = (*first, *step_names(config))
    return (*steps, *sorted(seen - set(steps)))
