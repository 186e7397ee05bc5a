"""Clips that a predicate names, best first: ``filmstock inspect DIR --where SQL --sort blur --top 10``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError, unknown
from jobs.core.tables import TableFiles
from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = (s.CLIP_ID, s.SOURCE_URI, s.START_S, s.END_S, s.DECISION, s.REASONS)
"""Columns shown of every clip, of those that a table has."""


def top_clips(
    tables: list[TableFiles], *, where: str | None, sort: str | None, top: int
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """Names of columns, rows of the first ``top`` clips, and how many clips there are in all.

    Args:
        tables: Tables of a run folder, or one; the manifest is searched, else the shards.
        where: SQL over its columns that is true of a wanted clip; None wants every one.
        sort: A column, largest first; ``-column`` is smallest first; None is the table's order.
        top: Most rows.

    Raises:
        UserError: there are no clips, no such column, or the expression is no SQL.
    """
    from pipeline.select.predicates import evaluate, mentioned

    clips = {each.name: each for each in tables if s.CLIP_ID in each.columns}
    table = clips.get("manifest") or clips.get("shards") or next(iter(clips.values()), None)
    if table is None:
        raise UserError(
            "--where, --sort and --top look at clips, and no table here has any; give a run folder"
        )
    column = sort.removeprefix("-") if sort is not None else None
    if column is not None and column not in table.columns:
        raise UserError(f"--sort: {unknown('column', column, table.columns)}")
    names = list(table.columns)
    wanted = [name for name in SHOWN if name in names]
    wanted += [name for name in mentioned(where or "", names) if name not in wanted]
    wanted += [column] if column and column not in wanted else []
    rows = read(table, wanted)
    if where is not None:
        if not where.strip():
            raise UserError(
                f"--where is empty; write SQL over the columns, such as {s.MOTION_MEAN} > 0.1"
            )
        every = rows if set(wanted) >= set(mentioned(where, names)) else read(table, names)
        try:
            verdict = evaluate(every, {"where": where})["where"]
        except ValueError as error:
            raise UserError(str(error).replace("select.where.where", "--where")) from None
        import numpy as np

        rows = rows.take(np.flatnonzero(~(verdict.failed | verdict.unmeasured)))
    if column is not None:
        order = "ascending" if sort is not None and sort.startswith("-") else "descending"
        rows = rows.sort_by([(column, order)])
    shown = rows.slice(0, top)
    return wanted, [tuple(row[name] for name in wanted) for row in shown.to_pylist()], len(rows)


def read(table: TableFiles, names: list[str]) -> pa.Table:
    """Columns of a table, without what no predicate reads."""
    from pipeline.shards.read import open_table

    columns = [name for name in names if name not in (s.VIDEO, s.CLIP_EMBEDDING)]
    return open_table(table.path, columns)
