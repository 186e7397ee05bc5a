"""Scratch tables of one ingest: its sources in order, and the records of those that have ended.

They live in a nameless file of SQLite's in TMPDIR that is gone when the process is, so a million sources cost the
driver a few megabytes of cache. The truth is in the run folder (``ingest_commit``); this is read from it at the start.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import schema as s

CACHE_KB = 16_384
"""What SQLite may hold of the tables in memory, kilobytes."""
PAGE = 1024
"""Rows read at a time."""
DROPPED = "dropped"
"""Key of a record that lists footage that became no clip: [start_s, end_s, reason] each."""
COPY_OF = "copy_of"
"""Key of a record that names the source it is a copy of."""

_TABLES = """
CREATE TABLE source (position INTEGER PRIMARY KEY, uri BLOB NOT NULL UNIQUE);
CREATE TABLE named (rank INTEGER, place BLOB, uri BLOB);
CREATE TABLE record (
    uri BLOB PRIMARY KEY, source TEXT NOT NULL, clips INTEGER NOT NULL, copy INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE holder (source TEXT PRIMARY KEY, uri BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE part (source TEXT PRIMARY KEY, tables INTEGER NOT NULL) WITHOUT ROWID;
"""
EVERY = (1 << 62) - 1
"""Of a content whose rows are in all tables."""
_NAME_PART = "INSERT INTO part VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET tables = tables | excluded.tables"
_PUT = "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?)"


class Index:
    """Sources and records by their URI, in order, without holding them. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tables = 0
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for pragma in (f"cache_size=-{CACHE_KB}", "journal_mode=OFF", "synchronous=OFF"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES)

    # -- sources

    def name(self, found: Iterable[tuple[int, bytes, str]]) -> int:
        """Take the sources of this run, (rank, key, URI) in any order, each once; returns how many there are."""
        with self._work() as db:
            db.executemany(
                "INSERT INTO named VALUES (?, ?, ?)",
                ((rank, key, os.fsencode(uri)) for rank, key, uri in found),
            )
            db.execute(
                "INSERT OR IGNORE INTO source (uri) SELECT uri FROM named ORDER BY rank, place"
            )
            db.execute("DELETE FROM named")
            (count,) = db.execute("SELECT count(*) FROM source").fetchone()
        return int(count)

    def sources(self, size: int) -> Iterator[list[tuple[int, str]]]:
        """(position, URI) of all sources in their order, ``size`` at a time."""
        last = 0
        while page := self._all(
            "SELECT position, uri FROM source WHERE position > ? ORDER BY position LIMIT ?",
            last,
            size,
        ):
            last = page[-1][0]
            yield [(position, os.fsdecode(uri)) for position, uri in page]

    # -- records

    def load(self, lines: Iterable[bytes]) -> None:
        """Take the records of earlier runs, as JSON; a later one of the same source replaces an earlier one."""
        with self._work() as db:
            db.executemany(_PUT, map(_row, lines))
            db.execute(
                "INSERT OR IGNORE INTO holder "
                "SELECT source, uri FROM record WHERE NOT copy ORDER BY clips DESC, uri"
            )

    def put(self, lines: Iterable[bytes]) -> None:
        """Take the records of sources that have ended now, in place of their old ones."""
        rows = list(map(_row, lines))
        with self._work() as db:
            db.executemany(_PUT, rows)
            held = ((source, uri) for uri, source, _, copy, _ in rows if not copy)
            db.executemany("INSERT OR IGNORE INTO holder VALUES (?, ?)", held)

    def record(self, uri: str) -> bytes | None:
        """Record of a source, as it was put in, or None when it has none."""
        rows = self._all("SELECT body FROM record WHERE uri = ?", os.fsencode(uri))
        return bytes(rows[0][0]) if rows else None

    def records(self) -> Iterator[bytes]:
        """Every record, in the order of the bytes of their URIs."""
        last = b""
        while page := self._all(
            "SELECT uri, body FROM record WHERE uri > ? ORDER BY uri LIMIT ?", last, PAGE
        ):
            last = page[-1][0]
            yield from (bytes(body) for _, body in page)

    # -- who holds a content

    def claim(self, source: str, uri: str) -> str:
        """URI of the source whose clips stand for this content: the first that claimed it."""
        with self._work() as db:
            db.execute("INSERT OR IGNORE INTO holder VALUES (?, ?)", (source, os.fsencode(uri)))
            (holder,) = db.execute("SELECT uri FROM holder WHERE source = ?", (source,)).fetchone()
        return os.fsdecode(holder)

    def release(self, source: str, uri: str) -> bool:
        """The file at ``uri`` does not have this content any more; True when copies of it were counted on it."""
        where = "WHERE source = ? AND uri = ?"
        with self._work() as db:
            held = db.execute(f"DELETE FROM holder {where}", (source, os.fsencode(uri))).rowcount
            # a scan, but files that change between two runs are few
            query = "SELECT 1 FROM record WHERE source = ? AND copy LIMIT 1"
            return bool(held and db.execute(query, (source,)).fetchone())

    def holds_clips(self, source: str) -> bool:
        """True when a record says that there are clips of this content."""
        query = (
            "SELECT 1 FROM holder JOIN record USING (uri, source) WHERE source = ? AND clips > 0"
        )
        return bool(self._all(query, source))

    # -- what the tables hold

    def name_parts(self, sources: Iterable[str], table: int | None = None) -> None:
        """Take the contents that table number ``table`` has rows of; without one, those that all tables have."""
        bits = EVERY if table is None else 1 << table
        with self._work() as db:
            done = db.executemany(_NAME_PART, ((each, bits) for each in sources)).rowcount
        if table is not None and done > 0:
            self._tables |= bits

    def has_part(self, source: str) -> bool:
        """True when there are rows of this content in every table that has any."""
        query = "SELECT 1 FROM part WHERE source = ? AND tables & ? = ?"
        return bool(self._all(query, source, self._tables, self._tables))

    def lost_parts(self) -> int:
        """How many contents have rows in some tables only: a part that was there is gone, or a kill came before it."""
        query = "SELECT count(*) FROM part WHERE tables & ? <> ?"
        return int(self._all(query, self._tables, self._tables)[0][0])

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _work(self) -> Iterator[sqlite3.Connection]:
        """One transaction at a time; a temporary folder that is full is named."""
        with self._lock:
            try:
                self._db.execute("BEGIN")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if "full" not in str(error):
                    raise
                where = os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")


def _row(line: bytes) -> tuple[bytes, str, int, bool, bytes]:
    record = json.loads(line)
    uri, source = os.fsencode(record[s.SOURCE_URI]), record[s.SOURCE_ID]
    return uri, source, record.get(s.N_CLIPS) or 0, bool(record.get(COPY_OF)), line
