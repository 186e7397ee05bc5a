"""``filmstock inspect DIR|FILE``: what is in our tables, in the terminal; ``--html`` for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK
from jobs.core.run import MADE_BY, open_run
from jobs.core.tables import TableFiles, find_tables, open_tables
from jobs.core.writable import check_file
from jobs.report.status import incomplete
from pipeline import schema as s
from pipeline.bounds import Bounded, Count, Limits, Whole
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from rich.table import Table

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Show rows, hours, schema, scores and captions of a run folder, a table folder or a Parquet file."""

    path: tyro.conf.Positional[Folder]
    """Run folder, folder of Parquet parts, or one Parquet file."""
    html: Path | None = None
    """Also write a self-contained contact sheet with captions to this file."""
    clips: Count = 48
    """Most clips on the contact sheet, evenly spaced."""
    frames: Annotated[int, Limits(least=1, most=8)] = 4
    """Frames shown of a clip on the contact sheet, 1 to 8."""
    captions: Whole = 3
    """Sample captions printed."""
    where: str | None = None
    """Show the clips of which this SQL over the columns is true: --where 'motion_mean > 0.1'."""
    sort: str | None = None
    """Show clips, those with the largest value of this column first; a - in front turns it round: --sort=-blur."""
    top: Count = 20
    """With --where or --sort: most clips shown."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "inspect")
    if args.html is not None:
        check_file(args.html, "--html")
    if args.where is not None or args.sort is not None:
        show_clips(args)
    else:
        run(args.path, captions=args.captions)
    if args.html is not None:
        from jobs.report.sheet import write_sheet

        shown, total = write_sheet(args.path, args.html, clips=args.clips, frames=args.frames)
        size = args.html.stat().st_size / 1e6
        say(f"contact sheet of {shown} of {total} clips: {args.html} ({size:.1f} MB)")
    return EXIT_OK


def show_clips(args: Args) -> None:
    """Print the clips that --where and --sort name, one a line."""
    from rich.console import Console

    from jobs.report.top import top_clips

    names, rows, total = top_clips(
        find_tables(args.path), where=args.where, sort=args.sort, top=args.top
    )
    view = _grid(*names)
    for row in rows:
        view.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(100, 18 * len(names))
    if rows:
        console.print(view)
    say(f"{len(rows)} of {total} clips" if total else "no such clip")


def _cell(value: Any) -> str:
    """A value as a person reads it: a path by its name, a number to four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).rpartition("/")[2]


def run(path: Location, *, captions: int = 3) -> None:
    """Print what the tables at ``path`` hold."""
    from rich.console import Console

    tables = find_tables(path)
    db = open_tables(tables)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 100
    console.print(overview(db, tables))
    if path.is_dir() and path.name not in MADE_BY and (line := incomplete(open_run(path))):
        console.print(f"\nnot up to date: {line}")
    single = len(tables) == 1
    for block in _blocks(db, tables, captions, single):
        console.print()
        console.print(block)


def _blocks(
    db: DuckDBPyConnection, tables: list[TableFiles], captions: int, single: bool
) -> Iterator[Any]:
    """The parts of the page below the overview: one per thing that the tables have to say."""
    for table in tables:
        columns = set(table.columns)
        yield schema_table(table) if single else schema_line(table)
        if {s.OUTCOME, s.SOURCE_URI} <= columns:
            yield from outcomes(db, table)
        if {s.REASON, s.START_S} <= columns:
            yield from dropped(db, table)
        if s.DECISION in columns:
            yield from decisions(db, table)
        if {s.KIND, s.TEXT} <= columns:
            yield from caption_counts(db, table)
        if any(is_score(name) for name in columns) and (single or table.name == _scored(tables)):
            yield quantiles(db, table)
        if s.LATENT_SHAPE in columns:
            yield from latent_facts(db, table)
        if s.TEXT_CUT in columns:
            yield text_facts(db, table)
    captioned = next((table for table in tables if _has_captions(db, table)), None)
    if captioned is not None and captions > 0:
        yield from sample_captions(db, captioned, captions)


def _has_captions(db: DuckDBPyConnection, table: TableFiles) -> bool:
    """Whether a table holds any caption: a manifest may have the column and nothing in it."""
    query = _caption_sql(table)
    return query is not None and bool(_one(db, f"select count(*) from ({query})"))


def _scored(tables: list[TableFiles]) -> str | None:
    """The table whose scores are shown for a folder: the manifest when there is one."""
    names = [t.name for t in tables if any(is_score(c) for c in t.columns)]
    return "manifest" if "manifest" in names else next(iter(names), None)


def overview(db: DuckDBPyConnection, tables: Iterable[TableFiles]) -> Table:
    """One line per table: rows, files, size, hours."""
    view = _grid("table", "rows>", "files>", "size>", "hours>")
    for table in tables:
        rows = _one(db, f"select count(*) from {table.sql}")
        span = _hours_sql(table)
        seconds = _one(db, f"select sum({span}) from {table.sql}") if span else None
        hours = "" if seconds is None else f"{seconds / 3600:.3f}"
        view.add_row(table.name, f"{rows:,}", str(len(table.files)), _bytes(table.size), hours)
    return view


def schema_table(table: TableFiles) -> Table:
    """Columns and types of a table, and what its metadata says of its making."""
    view = _grid(table.name, "type")
    for name, dtype in table.columns.items():
        view.add_row(name, dtype)
    for key, value in table.metadata.items():
        view.add_row(f"[{key}]", value)
    return view


def schema_line(table: TableFiles) -> str:
    """The columns of a table in a paragraph."""
    return f"{table.name}: {', '.join(f'{name} {kind}' for name, kind in table.columns.items())}"


def outcomes(db: DuckDBPyConnection, table: TableFiles) -> Iterator[Any]:
    """How inputs ended, and why those that were quarantined were."""
    view = _grid("outcome of inputs", "inputs>", "example")
    error = f"coalesce({s.ERROR_STAGE} || ': ' || {s.ERROR_TYPE}, '')"
    rows = db.execute(
        f"select {s.OUTCOME}, {error} why, count(*) n, min({s.SOURCE_URI}) from {table.sql} "
        "group by all order by n desc, why"
    ).fetchall()
    for outcome, why, count, example in rows:
        view.add_row(f"{outcome} {why}".strip(), str(count), Path(example or "").name)
    yield view


def dropped(db: DuckDBPyConnection, table: TableFiles) -> Iterator[Any]:
    """Footage that became no clip, by reason."""
    view = _grid("became no clip", "stretches>", "seconds>")
    for reason, count, seconds in db.execute(
        f"select {s.REASON}, count(*) n, sum({s.END_S} - {s.START_S}) from {table.sql} "
        "group by all order by n desc, 1"
    ).fetchall():
        view.add_row(reason, str(count), f"{seconds:.1f}")
    yield view


def decisions(db: DuckDBPyConnection, table: TableFiles) -> Iterator[Any]:
    """What select decided, and every reason with its count (a clip may have several)."""
    view = _grid("selection", "clips>")
    for decision, count in db.execute(
        f"select {s.DECISION}, count(*) n from {table.sql} group by all order by n desc"
    ).fetchall():
        view.add_row(decision, str(count))
    for reason, count in db.execute(
        f"select reason, count(*) n from (select unnest({s.REASONS}) reason from {table.sql}) "
        "group by all order by n desc, reason"
    ).fetchall():
        view.add_row(f"  reason: {reason}", str(count))
    yield view


def caption_counts(db: DuckDBPyConnection, table: TableFiles) -> Iterator[Any]:
    """Captions by kind and outcome, with their length in words."""
    view = _grid("captions", "outcome", "rows>", "median words>")
    words = f"median(len(string_split({s.TEXT}, ' ')))"
    for kind, outcome, count, length in db.execute(
        f"select {s.KIND}, {s.OUTCOME}, count(*), {words} from {table.sql} group by all order by all"
    ).fetchall():
        view.add_row(kind, outcome, str(count), "" if length is None else f"{length:.0f}")
    yield view


def quantiles(db: DuckDBPyConnection, table: TableFiles) -> Table | str:
    """Quantiles of every measured score; what was not measured is counted, not averaged in."""
    view = _grid("score", "measured>", "min>", "5 %>", "median>", "95 %>", "max>")
    missing = []
    words = []
    for name in filter(is_score, table.columns):
        if name in s.WORD_SCORES:
            words += [(name, _words(db, table, name))]
            continue
        count, values = db.execute(
            f'select count("{name}"), quantile_cont("{name}", {list(QUANTILES)}) from {table.sql}'
        ).fetchall()[0]
        if count:
            view.add_row(name, str(count), *(f"{value:.3g}" for value in values))
        else:
            missing.append(name)
    missing += [name for name, text in words if not text]
    lines = [f"{name}: {text}" for name, text in words if text]
    text = f"not measured: {', '.join(missing)}"
    if missing:
        lines.append(text)
    if lines:
        view.caption, view.caption_justify = "\n".join(lines), "left"
    return view if view.row_count else f"scores of {table.name}, {text}"


def _words(db: DuckDBPyConnection, table: TableFiles, name: str) -> str:
    """Values of a score made of words with their counts, most frequent first; empty when there are none."""
    rows = db.execute(
        f'select "{name}", count(*) n from {table.sql} where "{name}" is not null '
        "group by all order by n desc, 1"
    ).fetchall()
    return ", ".join(f"{count} {word}" for word, count in rows)


def latent_facts(db: DuckDBPyConnection, table: TableFiles) -> Iterator[Any]:
    """Shapes of latents, with the bytes that a clip takes."""
    if s.POSTERIOR not in table.columns:
        yield "latents: of an earlier layout, which training no longer reads; filmstock encode makes them anew"
        return
    view = _grid("latents: C x T x H x W", "clips>", "bytes each, mean>")
    for shape, count, size in db.execute(
        f"select {s.LATENT_SHAPE}, count(*) n, avg(octet_length({s.POSTERIOR})) from {table.sql} "
        "group by all order by n desc, 1 limit 20"
    ).fetchall():
        view.add_row(" x ".join(map(str, shape)), f"{count:,}", _bytes(size))
    yield view


def text_facts(db: DuckDBPyConnection, table: TableFiles) -> str:
    """How long captions are in tokens, and how many were cut."""
    count, middle, most, size, cut, longest = db.execute(
        f"select count(*), median({s.TEXT_LEN}), max({s.TEXT_LEN}), avg(octet_length({s.TEXT_FEATURES})), "
        f"count(*) filter ({s.TEXT_CUT} > 0), max({s.TEXT_CUT}) from {table.sql}"
    ).fetchall()[0]
    line = f"captions: {count:,}, {middle:.0f} tokens in the middle, {most} at most, {_bytes(size)} each"
    if cut:
        line += f"; {cut:,} are longer than the text encoder takes and lost up to {longest} tokens"
    return line


def sample_captions(db: DuckDBPyConnection, table: TableFiles, n: int) -> Iterator[Any]:
    """A few captions, spread evenly over the ids."""
    view = _grid("clip", "kind", "caption")
    query = _caption_sql(table)
    ids = [
        row[0] for row in db.execute(f"select distinct id from ({query}) order by id").fetchall()
    ]
    step = max(1, len(ids) // n)
    for clip in ids[::step][:n]:
        rows = db.execute(
            f"select kind, text from ({query}) where id = ? order by kind desc", [clip]
        ).fetchall()
        for i, (kind, text) in enumerate(rows):
            view.add_row("" if i else clip, kind, text)
    yield view


def _caption_sql(table: TableFiles) -> str | None:
    """Query that gives (id, kind, text) of every caption in a table, None if it has none."""
    columns = set(table.columns)
    if {s.CLIP_ID, s.KIND} <= columns:
        for text in (s.TEXT, s.CAPTION):
            if text in columns:
                query = f"select {s.CLIP_ID} id, {s.KIND} kind, {text} text from {table.sql}"
                return f"{query} where {text} is not null"
    parts = [
        f"select {s.CLIP_ID} id, '{kind}' kind, {name} text from {table.sql} where {name} is not null"
        for kind in s.CAPTION_KINDS
        if (name := s.caption_column(kind)) in columns and s.CLIP_ID in columns
    ]
    return " union all ".join(parts) or None


def _hours_sql(table: TableFiles) -> str | None:
    """SQL for a row's seconds of video, None where rows are not stretches of video."""
    columns = set(table.columns)
    if s.LATENT_SHAPE in columns or s.TEXT in columns:
        return None
    if s.DURATION_S in columns:
        return s.DURATION_S
    if {s.START_S, s.END_S} <= columns:
        return f"{s.END_S} - {s.START_S}"
    return f"{s.N_FRAMES} / {s.FPS}" if {s.N_FRAMES, s.FPS} <= columns else None


def is_score(name: str) -> bool:
    """Whether a column is a score."""
    return name in s.SCORE_COLUMNS or name.startswith(s.CONCEPT_PREFIX)


def _grid(*heads: str) -> Table:
    """A plain table; a head that ends in ``>`` is right-aligned."""
    from rich import box
    from rich.table import Table

    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, head in enumerate(heads):
        # nothing is cut, however narrow the terminal: names stay whole, and numbers go on in the next line
        side: Any = "right" if head.endswith(">") else "left"
        view.add_column(
            head.rstrip(">"), justify=side, no_wrap=number == 0, min_width=4, overflow="fold"
        )
    return view


def _one(db: DuckDBPyConnection, query: str) -> Any:
    row = db.execute(query).fetchone()
    return None if row is None else row[0]


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
