"""The plan of an import: every row of a dataset with the source that it is of, and what ingest is told of each source.

It lies in a nameless file of SQLite's, as the index of ingest does, so a table of any length costs little memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from jobs.core.errors import UserError
from jobs.imports.items import Item
from jobs.ingest.given import write_payload
from pipeline import schema as s
from pipeline.source.given import Given, GivenSpan

MOST_SCORES = 64
"""Scores that a dataset may bring along."""
PAGE = 1024
"""Rows read at a time."""
_TABLES = """
CREATE TABLE item (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, uri BLOB, first REAL, stop REAL, unit TEXT,
    captions TEXT NOT NULL, scores TEXT NOT NULL, problem TEXT
);
CREATE INDEX item_uri ON item (uri);
"""
_ALL = "number, name, uri, first, stop, unit, captions, scores, problem"


class ImportPlan:
    """Rows of a dataset, by their sources; fits ``jobs.ingest.given.GivenSources``. Threads may share one."""

    def __init__(self, items: Iterable[Item], *, split: bool = False, store: bool = True) -> None:
        self.split, self.store = split, store
        self._lock = threading.RLock()
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES)
        names: set[str] = set()
        self._db.execute("BEGIN")
        self.rows = 0
        for number, item in enumerate(items):
            self._db.execute(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(number, item)
            )
            names |= item.scores.keys()
            self.rows += 1
        self._db.execute("COMMIT")
        if len(names) > MOST_SCORES:
            raise UserError(
                f"the dataset has {len(names)} columns of numbers, and {MOST_SCORES} are taken as scores at most; "
                "name those that you want with --column score=COLUMN"
            )
        self.scores = tuple(sorted(names))
        self.columns = (*(s.GIVEN_PREFIX + name for name in self.scores), s.SHOTS_INSIDE)
        self.settings = json.dumps({"split": split, "store": store})

    def sources(self) -> Iterator[tuple[int, bytes, str]]:
        """The distinct sources in the order of the dataset, as ``list_sources`` has them."""
        query = "SELECT min(number), uri FROM item WHERE uri IS NOT NULL GROUP BY uri ORDER BY 1"
        for number, uri in self._all(query):
            yield 0, int(number).to_bytes(8, "big"), os.fsdecode(uri)

    def payload(self, uri: str) -> bytes:
        """What ingest is told of a source."""
        items = [item for _, item in self.of(uri)]
        given = Given(spans=tuple(each.span for each in items), split=self.split, store=self.store)
        captions = [each.captions.get("original") for each in items]
        scores = [{s.GIVEN_PREFIX + k: v for k, v in each.scores.items()} for each in items]
        return write_payload(given, captions, scores)

    def key(self, uri: str) -> str:
        """Hash of ``payload``."""
        return hashlib.blake2b(self.payload(uri), digest_size=8).hexdigest()

    def of(self, uri: str) -> list[tuple[int, Item]]:
        """(row, item) of a source, in order: the places in this list are the numbers of ``Given.spans``."""
        query = f"SELECT {_ALL} FROM item WHERE uri = ? ORDER BY number"
        return [_item(row) for row in self._all(query, os.fsencode(uri))]

    def items(self) -> Iterator[tuple[int, Item]]:
        """Every (row, item) in order, never all at once."""
        last = -1
        query = f"SELECT {_ALL} FROM item WHERE number > ? ORDER BY number LIMIT {PAGE}"
        while page := self._all(query, last):
            last = page[-1][0]
            yield from map(_item, page)

    def problems(self) -> dict[str, int]:
        """Type of problem -> rows that name no clip because of it."""
        query = "SELECT problem FROM item WHERE problem IS NOT NULL"
        found: dict[str, int] = {}
        for (problem,) in self._all(query):
            kind = json.loads(problem)[0]
            found[kind] = found.get(kind, 0) + 1
        return found

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _row(number: int, item: Item) -> tuple[Any, ...]:
    span = item.span
    uri = os.fsencode(item.uri) if item.uri and not item.problem else None
    name = item.name.encode(errors="backslashreplace").decode()
    texts = {k: v.encode(errors="replace").decode() for k, v in item.captions.items()}
    problem = json.dumps(item.problem) if item.problem else None
    told = (json.dumps(texts), json.dumps(dict(item.scores)), problem)
    return number, name, uri, span.start, span.end, span.unit, *told


def _item(row: tuple[Any, ...]) -> tuple[int, Item]:
    number, name, uri, first, stop, unit, captions, scores, problem = row
    return number, Item(
        name=name,
        uri="" if uri is None else os.fsdecode(uri),
        span=GivenSpan(start=first, end=stop, unit=unit),
        captions=json.loads(captions),
        scores=json.loads(scores),
        problem=tuple(json.loads(problem)) if problem else None,
    )
