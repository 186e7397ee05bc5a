"""DuckDB over a dataset's Parquet files, locked: it reads these files and nothing else, within time and memory.

Three locks, each enough by itself for what it guards: only SELECT is taken (nothing is written, attached, installed
or set), external access is off but for the listed files, and the configuration is sealed.
"""

from __future__ import annotations

import bisect
import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError
from jobs.search.dataset import DECISIONS, Dataset
from jobs.view.box import Box
from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MEMORY = "128MB"
"""What all queries together may hold."""
SPILL = "2GB"
"""What they may write to a temporary folder beyond it."""
THREADS = 2
AT_ONCE = 4
"""Queries that run at a time; others wait."""
SECONDS = 20.0
"""Longest time of a query of ours."""
USER_SECONDS = 10.0
"""Longest time of what a person wrote."""
MOST_ROWS = 1000
"""Rows of the answer to what a person wrote."""
MOST_SQL = 20_000
"""Characters of what a person wrote."""
HIDDEN = frozenset({s.LOOK, s.VIDEO})
"""Columns without meaning to a person."""
ROW = "rn"
"""Row number of a clip in the dataset."""


class Database:
    """Queries on the views ``clips``, ``captions``, ``truth``, ``sources`` and ``dropped`` of a dataset."""

    def __init__(self, data: Dataset, *, spill: str | None = None) -> None:
        import duckdb

        self.data = data
        self.box = Box(data)
        self._spill = None if spill else tempfile.TemporaryDirectory(prefix="filmstock-view-spill-")
        self._db = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "threads": str(THREADS),
                "temp_directory": self._spill.name if self._spill else str(spill),
                "max_temp_directory_size": SPILL,
                "python_enable_replacements": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._make_views()

    def _make_views(self) -> None:
        data, db = self.data, self._db
        files = [
            *data.files,
            *(f for name, found in data.tables.items() if name != "selection" for f in found),
        ]
        db.execute(f"set allowed_paths = {_list(files)}")
        starts = self._starts
        shown = [name for name in data.columns if name not in HIDDEN]
        columns = ", ".join(f'm."{name}"' for name in shown)
        db.execute(
            f"create view base as select {columns}, "
            f"m.file_row_number + {starts}[m.file_index::bigint + 1] as {ROW} "
            f"from read_parquet({_list(data.files)}, union_by_name = true) m"
        )
        self._side(db)
        db.execute(
            f"create view clips as select b.*, d.* exclude ({ROW}) from base b left join side d using ({ROW})"
        )
        for name in ("captions", "truth", "sources", "dropped"):
            if found := [f for f in data.tables.get(name, []) if f.name != "reference.parquet"]:
                db.execute(
                    f"create view {name} as select * from read_parquet({_list(found)}, union_by_name = true)"
                )
        for setting in ("enable_external_access = false", "lock_configuration = true"):
            db.execute(f"set {setting}")

    @cached_property
    def _starts(self) -> list[int]:
        """Number of the first row of each file."""
        import pyarrow.parquet as pq

        from pipeline.shards.read import readable

        starts, total = [], 0
        for file in self.data.files:
            starts.append(total)
            with readable(file):
                total += pq.read_metadata(file).num_rows
        return starts

    def _side(self, db: DuckDBPyConnection) -> None:
        """The decisions as a table in memory, in the order of the rows."""
        import numpy as np
        import pyarrow as pa

        selection = self.data.selection
        names = pa.array([None, *DECISIONS[1:]], pa.string())
        side = pa.table(
            {
                ROW: pa.array(np.arange(len(self.data), dtype=np.int64)),
                s.DECISION: pa.DictionaryArray.from_arrays(pa.array(selection["decided"]), names),
                s.REASONS: selection["reasons"],
                s.DUPLICATE_OF: selection["of"],
            }
        )
        db.register("side_arrow", side)
        db.execute("create table side_rows as select * from side_arrow")
        db.unregister("side_arrow")
        words = f"case when {s.REASONS} = '' then [] else string_split({s.REASONS}, ',') end"
        db.execute(f"create view side as select * replace ({words} as {s.REASONS}) from side_rows")

    # -- queries

    @contextmanager
    def _running(self, seconds: float) -> Iterator[DuckDBPyConnection]:
        """A cursor that is interrupted after ``seconds``."""
        import duckdb

        if not self._slots.acquire(timeout=seconds):
            raise UserError("too many queries at once; try again in a moment")
        cursor = self._db.cursor()
        over = threading.Event()

        def stop() -> None:
            over.set()
            cursor.interrupt()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield cursor
        except duckdb.InterruptException:
            raise UserError(f"the query was stopped after {seconds:g} s") from None
        except duckdb.OutOfMemoryException:
            raise UserError(
                f"the query needs more than {MEMORY} of memory; select fewer columns or rows"
            ) from None
        except duckdb.Error as error:
            raise UserError(_readable(str(error))) from None
        finally:
            timer.cancel()
            cursor.close()
            self._slots.release()

    def fetch(
        self, sql: str, values: Sequence[Any] = (), *, seconds: float = SECONDS
    ) -> list[dict[str, Any]]:
        """Rows of a query of ours."""
        with self._running(seconds) as cursor:
            result = cursor.execute(sql, list(values))
            names = [each[0] for each in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def row(self, row: int) -> dict[str, Any]:
        """The manifest's columns of one clip, read from the file that it lies in."""
        file = bisect.bisect_right(self._starts, row) - 1
        names = ", ".join(f'"{n}"' for n in pq_names(self.data.files[file]) if n not in HIDDEN)
        sql = (
            f"select {names} from read_parquet({_list([self.data.files[file]])}, file_row_number = true) "
            "where file_row_number = ?"
        )
        return self.fetch(sql, [row - self._starts[file]])[0]

    def arrow(self, sql: str, values: Sequence[Any] = (), *, seconds: float = SECONDS) -> pa.Table:
        """Columns of a query of ours."""
        with self._running(seconds) as cursor:
            return cursor.sql(sql, params=list(values)).to_arrow_table()

    def typed(self, sql: str, expression: str, values: Sequence[Any] = ()) -> pa.Table:
        """Columns of a query of ours with an expression that a person typed: in the child unless it is plain."""
        if is_plain(expression):
            return self.arrow(sql, values)
        return self.box.arrow(sql, values, seconds=USER_SECONDS)

    def by_row(self, value: str, *, typed: str = "") -> pa.Array:
        """What an expression over columns gives for each clip, in the order of the rows; ``typed`` as in ``typed``.

        Windows give rows in an order of their own, so each value comes with its row.
        """
        import numpy as np
        import pyarrow as pa

        sql = f"select {value} as v, {ROW} from base"
        table = self.typed(sql, typed) if typed else self.arrow(sql)
        found, row = table["v"].combine_chunks(), table[ROW].to_numpy()
        in_order = bool((row[1:] > row[:-1]).all())
        return found if in_order else found.take(pa.array(np.argsort(row)))

    def ask(self, sql: str) -> dict[str, Any]:
        """What a person wrote, run in a child: columns, at most ``MOST_ROWS`` rows, whether there are more."""
        if len(sql) > MOST_SQL:
            raise UserError(f"the query is longer than {MOST_SQL} characters")
        return self.box.ask(sql, seconds=USER_SECONDS)

    def ask_here(self, sql: str, *, seconds: float, most: int) -> dict[str, Any]:
        """The same in this process; UserError for an answer of more than ``most`` bytes."""
        statement = one_select(sql)
        rows: list[Any] = []
        size = 0
        with self._running(seconds) as cursor:
            result = cursor.execute(statement)
            names = [each[0] for each in result.description or []]
            while len(rows) <= MOST_ROWS and (part := result.fetchmany(10)):
                found = [[_plain(value) for value in row] for row in part]
                size += len(json.dumps(found))
                if size > most:
                    raise UserError(
                        f"the answer is longer than {most >> 20} MB; select fewer columns or rows"
                    )
                rows += found
        return {"columns": names, "rows": rows[:MOST_ROWS], "more": len(rows) > MOST_ROWS}

    def close(self) -> None:
        """End it, and remove what it spilled."""
        self.box.close()
        self._db.close()
        if self._spill is not None:
            self._spill.cleanup()


def pq_names(file: Any) -> list[str]:
    """Columns of a Parquet file."""
    import pyarrow.parquet as pq

    return list(pq.read_schema(file).names)


def one_select(sql: str) -> Any:
    """The one SELECT that ``sql`` is; UserError for anything else."""
    import duckdb

    if len(sql) > MOST_SQL:
        raise UserError(f"the query is longer than {MOST_SQL} characters")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UserError(_readable(str(error))) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UserError("write one SELECT; nothing else is run here")
    return statements[0]


def check_expression(text: str) -> str:
    """``text`` when it is one SQL expression that may stand in a WHERE; UserError otherwise.

    It is read as a tree, so a bracket or a comment cannot lead out of its place; it may hold no query of its own.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.tokens import TokenType

    if len(text) > MOST_SQL:
        raise UserError(f"the filter is longer than {MOST_SQL} characters")
    try:
        if any(each.token_type == TokenType.SEMICOLON for each in sqlglot.tokenize(text, "duckdb")):
            raise UserError("a filter is one condition, without a semicolon")
        tree = sqlglot.parse_one(text, dialect="duckdb", into=exp.Condition)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise UserError(_readable(f"the filter cannot be read: {error}")) from None
    if tree is None or isinstance(tree, exp.Query | exp.DDL) or tree.find(exp.Query, exp.Command):
        raise UserError("a filter is a condition on columns, such as motion_mean > 0.1")
    return str(tree.sql(dialect="duckdb", comments=False))


def is_plain(text: str) -> bool:
    """Whether an expression only compares columns and values and counts with them: no function, nothing that grows."""
    import sqlglot
    from sqlglot import exp

    plain = (
        exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.And, exp.Or, exp.Not, exp.Neg,
        exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between, exp.In, exp.Add, exp.Sub, exp.Mul,
        exp.Div,
    )  # fmt: skip
    tree = sqlglot.parse_one(text, dialect="duckdb", into=exp.Condition)
    return tree is not None and all(type(each) in plain for each in tree.walk())


def _list(files: Sequence[Any]) -> str:
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


def _readable(error: str) -> str:
    """The first lines of DuckDB's message, without the picture of the query and without colours."""
    import re

    text = (
        re.sub(r"\x1b\[[0-9;]*m", "", error).partition("\n\nLINE")[0].partition("\n\nCandidate")[0]
    )
    return " ".join(text.split())[:300]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value[:64]]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return str(value)
