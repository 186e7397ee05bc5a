"""``filmstock report DIR``: a curation run as one self-contained page with the funnel, scores, pictures and failures.

Built from the run folder alone, so it can be remade at any time and the same folder gives the same bytes. It loads
nothing from anywhere and says so to the browser. A clip whose bytes cannot be read is shown as a gap, never skipped.

    filmstock report runs/demo
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK
from jobs.core.keys import config_key
from jobs.core.run import RunFolder, open_run
from jobs.core.stage import mark_done
from jobs.report.data import Run, check_ingested, funnel, read_run, versions, without_queries
from jobs.report.edges import Edge, find_edges
from jobs.report.errors import count_failures
from jobs.report.pictures import (
    PictureBudget,
    StillCache,
    cut_sheets,
    duplicate_sheets,
    edge_sheets,
    kept_cards,
)
from jobs.report.scores import histograms, word_bars
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from jinja2 import Template

STAGES = ("ingest", "select", "caption", "pack")
"""What a page shows: it is out of date when one of them was done again."""
REPORT = "report.html"
VERSION = 3
"""Goes up when the page changes, so that the next curate of a finished folder writes it anew."""
MAX_BYTES = 5_000_000
"""Size of the page, which is less than this whatever the run."""
PICTURE_BYTES = 4_000_000
"""Base64 of pictures at most; the rest of the page is tables with a limit of their own."""
SHARES = {"edges": 0.45, "cuts": 0.2, "duplicates": 0.1, "kept": 0.25}
"""Section -> share of the pictures' bytes."""
INPUTS_SHOWN = 40
"""Rows of the table of inputs at most."""
TEXT_SHOWN = 60_000
"""Characters of the recipe, or of the command, at most."""
TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True, kw_only=True)
class Args:
    """Write report.html of a run folder anew, as after a select or a caption of its own; decodes a few frames only."""

    folder: tyro.conf.Positional[Folder]
    """Run folder, with a manifest/."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    folder = open_run(parse_args(Args, argv, "report").folder)
    folder.check_tables()
    if update(folder):
        say(f"report: see {folder / REPORT}")
    else:
        say(f"report: nothing to do, {folder / REPORT} shows these tables")
    return EXIT_OK


def update(folder: RunFolder, command: str | None = None) -> bool:
    """Write ``report.html`` unless the one that is there shows these very tables; True when it was written.

    ``command`` and the versions are kept in a marker of their own: from then on the page follows from the folder alone.
    Without it they stay those of the last curate.
    """
    key = config_key([folder.stage_key(name) for name in STAGES], VERSION)
    stage = folder.stage("report", key)
    if stage.info:
        return False
    check_ingested(folder)  # a folder without one is an error before anything is written
    if command is not None:
        mark_done(folder.path, "curate", key, {"command": command, "versions": versions()})
    write_report(folder)
    stage.finish({"outputs": [REPORT]})
    return True


def write_report(folder: RunFolder) -> Location:
    """Write ``folder/report.html`` from the tables that exist and return its path."""
    run = read_run(folder)
    edges, stills, facts, template = find_edges(run), StillCache(run), _facts(run), _template()
    return write_smaller(
        folder / REPORT,
        (
            template.render(**facts, **_pictures(stills, edges, scale), **_scores(run, edges))
            for scale in (1.0, 0.6, 0.3, 0.0)
        ),
    )


def write_smaller(target: Location, pages: Iterable[str]) -> Location:
    """Write the first of ever smaller pages that is small enough, else the last; returns ``target``."""
    for page in pages:
        body = page.encode()
        if len(body) < MAX_BYTES:
            break
    write_bytes(target, body)
    return target


@cache
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["hours"] = _hours
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _hours(hours: float) -> str:
    """Hours with three digits that say something: 0.0514, 1.24, 1,204."""
    if hours >= 100:
        return f"{hours:,.0f}"
    return f"{hours:.2f}" if hours >= 1 else f"{hours:.4f}"


def _pictures(stills: StillCache, edges: list[Edge], scale: float) -> dict[str, Any]:
    """Every section that has pictures, within ``scale`` of the budget."""
    budgets = {
        name: PictureBudget(left=int(PICTURE_BYTES * share * scale))
        for name, share in SHARES.items()
    }
    shown = []
    for number, edge in enumerate(edges):
        # what is left is shared by the thresholds still to come, so that none of them is without pictures
        mine = PictureBudget(left=budgets["edges"].left // (len(edges) - number))
        before = mine.left
        shown.append((edge, edge_sheets(stills, edge, mine)))
        budgets["edges"].left -= before - mine.left
    return {
        "edges": shown,
        "cuts": cut_sheets(stills, budgets["cuts"]),
        "duplicates": duplicate_sheets(stills, budgets["duplicates"]),
        "kept": kept_cards(stills, budgets["kept"]),
    }


def _scores(run: Run, edges: list[Edge]) -> dict[str, Any]:
    drawn, empty = histograms(run, edges)
    words, wordless = word_bars(run)
    return {"histograms": drawn, "word_bars": words, "empty_scores": empty + wordless}


def _facts(run: Run) -> dict[str, Any]:
    """Everything on the page but scores and pictures."""
    kept = run.kept
    steps = funnel(run)
    captions: Counter[tuple[str, str]] = Counter()
    if run.captions is not None:
        names = (s.KIND, s.OUTCOME)
        captions.update(zip(*(run.captions.column(n).to_pylist() for n in names), strict=True))
    return {
        "name": run.folder.path.absolute().name,
        "n_clips": len(kept),
        "n_kept": int(kept.sum()),
        "n_sources": len(run.sources),
        "outcomes": sorted(Counter(row[s.OUTCOME] for row in run.sources).items()),
        "hours_in": sum(row[s.DURATION_S] or 0 for row in run.sources) / 3600,
        "hours_clips": float(run.seconds.sum()) / 3600,
        "hours_kept": float(run.seconds[kept].sum()) / 3600,
        "funnel": steps,
        "predicates": {
            **run.select.where,
            **{k: f"best by {b.by}" for k, b in run.select.best.items()},
        },
        "dropped": [
            (reason, count, seconds / 3600)
            for reason, (count, seconds) in sorted(run.folder.dropped().items())
        ],
        "inputs": _inputs(run),
        "caption_outcomes": sorted(captions.items()),
        "caption_model": run.stages.get("caption", {}).get("model", ""),
        "failures": count_failures(run),
        "recipe": run.recipe[:TEXT_SHOWN],
        "command": without_queries(str(run.made_by.get("command", "")))[:TEXT_SHOWN],
        "versions": sorted((run.made_by.get("versions") or {}).items()),
        "schema_version": s.SCHEMA_VERSION,
    }


def _inputs(run: Run) -> list[dict[str, Any]]:
    """The first inputs, with the clips kept of each."""
    kept = Counter(
        source for source, is_kept in zip(run.column(s.SOURCE_ID), run.kept, strict=True) if is_kept
    )
    return [
        {
            "uri": row[s.SOURCE_URI],
            "name": str(row[s.SOURCE_URI]).rstrip("/").rpartition("/")[2],
            "outcome": row[s.OUTCOME],
            "why": "/".join(filter(None, (row[s.ERROR_STAGE], row[s.ERROR_TYPE]))),
            "clips": row[s.N_CLIPS],
            "kept": kept[row[s.SOURCE_ID]],
            "seconds": row[s.DURATION_S],
            "shape": f"{row[s.WIDTH]}×{row[s.HEIGHT]}" if row[s.WIDTH] and row[s.HEIGHT] else "",
            "fps": row[s.FPS],
            "codec": row[s.CODEC] or "",
        }
        for row in run.sources[:INPUTS_SHOWN]
    ]
