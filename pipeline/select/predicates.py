"""SQL over the manifest, for predicates, ranking values and groups. One expression in, one value per clip out.

A query sees the manifest and nothing else: no files, no network, no other tables. What is wrong with an expression is
said in one line that names the setting it stands in.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import schema

if TYPE_CHECKING:
    import pyarrow as pa

ROW = "filmstock_row"
"""Column that a query finds beside those of the manifest: the number of the row."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one predicate says of N clips; a clip passes when neither is true."""

    failed: np.ndarray
    """bool (N,): the predicate is false."""
    unmeasured: np.ndarray
    """bool (N,): the predicate is NULL, because a score is."""


def evaluate(manifest: pa.Table, where: Mapping[str, str]) -> dict[str, Verdict]:
    """Reason -> verdict on every row of ``manifest``, in its order."""
    settings = {f"select.where.{reason}": text for reason, text in where.items()}
    verdicts = []
    for column in _query(manifest, settings, "{}", "BOOLEAN").values():
        null = np.ma.getmaskarray(column)
        verdicts.append(Verdict(failed=~np.ma.getdata(column) & ~null, unmeasured=null))
    return dict(zip(where, verdicts, strict=True))


def numbers(manifest: pa.Table, settings: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Setting (as named in errors) -> its expression's values, float64 (N,), NaN where NULL."""
    found = {}
    for name, column in _query(manifest, settings, "CAST({} AS DOUBLE)", "DOUBLE").items():
        found[name] = np.where(np.ma.getmaskarray(column), np.nan, np.ma.getdata(column))
    return found


def groups(manifest: pa.Table, setting: str, expression: str) -> tuple[np.ndarray, np.ndarray]:
    """Group number of every row, int64 (N,), and where it is NULL, bool (N,): equal values, equal number."""
    # hashed by DuckDB: a million Python strings would take longer than all the rest
    form = "CASE WHEN {0} IS NULL THEN NULL ELSE hash(CAST({0} AS VARCHAR)) END"
    column = _query(manifest, {setting: expression}, form, "UBIGINT")[setting]
    null = np.ma.getmaskarray(column)
    hashes = np.where(null, np.uint64(0), np.ma.getdata(column))
    return np.unique(hashes, return_inverse=True)[1].astype(np.int64), null


def mentioned(expression: str, columns: list[str]) -> list[str]:
    """Columns whose names stand in the expression, in the order of ``columns``; text in quotes counts too."""
    words = {word.lower() for word in re.findall(r"[A-Za-z_]\w*", expression)}
    return [name for name in columns if name.lower() in words]


@functools.cache
def _database() -> Any:
    """One of the process, empty and without access to files: to open one takes ten times as long as to ask it."""
    import duckdb

    return duckdb.connect(config={"enable_external_access": "false", "lock_configuration": "true"})


def _query(
    manifest: pa.Table, settings: Mapping[str, str], form: str, kind: str
) -> dict[str, np.ma.MaskedArray]:
    """Setting -> column of values; ``form`` wraps the expression, ``kind`` is the type it must have."""
    import duckdb
    import pyarrow as pa

    # windows and subqueries give rows in an order of their own: each value comes with its row
    numbered = manifest.append_column(ROW, pa.array(np.arange(manifest.num_rows)))
    with _database().cursor() as connection:
        connection.register("manifest", numbered)
        found = {}
        for setting, expression in settings.items():
            value = form.format(f"(\n{expression}\n)")
            try:
                first, *more = connection.extract_statements(
                    f"SELECT {value} AS verdict, {ROW} FROM manifest"
                )
                result = connection.execute(first)
                kinds = [str(column[1]) for column in result.description or ()]
                columns = result.fetchnumpy()
            except duckdb.Error as error:
                if f'"{ROW}" must appear in the GROUP BY' in str(error):
                    raise _not_one(setting, expression, kind) from None
                raise ValueError(
                    _explain(setting, expression, str(error), manifest.column_names)
                ) from None
            one = kinds == [kind, "BIGINT"] and len(columns["verdict"]) == manifest.num_rows
            if more or not one:
                raise _not_one(setting, expression, kind)
            verdict, place = np.ma.asarray(columns["verdict"]), np.asarray(columns[ROW])
            in_order = bool((place[1:] > place[:-1]).all())
            found[setting] = verdict if in_order else verdict[np.argsort(place)]
        return found


def _not_one(setting: str, expression: str, kind: str) -> ValueError:
    """The error of an expression that gives no value of its ``kind`` for each clip."""
    what, example = (
        ("true-or-false value", f"a comparison, such as {schema.MOTION_MEAN} > 0.002")
        if kind == "BOOLEAN"
        else ("value", f"an expression over columns, such as {schema.MOTION_MEAN}")
    )
    return ValueError(f"{setting} = {expression!r} is not one {what} per clip; write {example}")


def _explain(setting: str, expression: str, error: str, columns: list[str]) -> str:
    """One line from DuckDB's several: what is wrong with the expression, and the nearest column."""
    first = error.strip().splitlines()[0]
    missing = re.search(r'Referenced column "([^"]+)" not found', first)
    if missing:
        name = missing.group(1)
        close = difflib.get_close_matches(name, columns, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(columns)}"
        first = f"the manifest has no column {name!r}; {hint}"
    else:
        first += f"; write SQL over its columns, such as {schema.MOTION_MEAN} > 0.002"
    return f"{setting} = {expression!r}: {first}"
