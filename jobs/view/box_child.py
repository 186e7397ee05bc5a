"""The child of ``Box``: the same locked database, within limits that the operating system keeps.

It ends when its parent does: a thread waits for the end of the pipe, and an alarm ends a query that nothing else stops.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import resource
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

ALARM_S = 5
"""Seconds after its time at which a query ends its process."""


@dataclass
class Tables:
    """What the database needs of a ``Dataset``."""

    files: list[Path]
    tables: dict[str, list[Path]]
    columns: dict[str, str]
    selection: Any
    count: int

    def __len__(self) -> int:
        return self.count


def main() -> None:
    """Answer requests until the pipe ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    spill, headroom, most, tables = pickle.load(requests)  # from the parent
    from jobs.core.errors import UserError
    from jobs.view.box import TOO_MUCH
    from jobs.view.database import Database

    db = Database(cast(Any, Tables(*tables)), spill=spill)
    del tables
    db.arrow("select 1")  # threads and modules are here before the limit is
    start = allocated()
    if start:
        limit(start + headroom)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(requests, waiting, spill), daemon=True).start()
    frame(replies, b"J", b"")
    while True:
        kind, sql, values, seconds = waiting.get()
        signal.alarm(int(seconds) + ALARM_S)
        spent = False
        try:
            mark, body = b"J", answer(db, kind, sql, values, seconds, most)
        except UserError as error:
            mark, body = b"E", str(error).encode()
        except MemoryError:
            mark, body, spent = b"E", TOO_MUCH.encode(), True
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            mark, body, spent = b"E", said.encode(), True
        spent = spent or allocated() > start + headroom // 2  # the allocator keeps it
        frame(replies, mark.lower() if spent else mark, body)
        signal.alarm(0)


def answer(db: Any, kind: str, sql: str, values: list[Any], seconds: float, most: int) -> bytes:
    """The bytes of one answer."""
    if kind == "ask":
        return json.dumps(db.ask_here(sql, seconds=seconds, most=most)).encode()
    import pyarrow as pa

    table = db.arrow(sql, values, seconds=seconds)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def allocated() -> int:
    """Bytes that this process has allocated; 0 where /proc is missing."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def limit(size: int) -> None:
    """Let this process allocate ``size`` bytes; no core dumps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def listen(requests: BinaryIO, waiting: queue.SimpleQueue[Any], spill: str) -> None:
    """Hand on requests; end the process with the pipe, whatever a query does."""
    while True:
        try:
            waiting.put(pickle.load(requests))  # from the parent
        except (EOFError, pickle.UnpicklingError):
            shutil.rmtree(spill, ignore_errors=True)
            os._exit(0)


def frame(replies: BinaryIO, kind: bytes, body: bytes) -> None:
    """One answer: its kind (a small letter: replace me, I hold much), its length, its bytes."""
    replies.write(kind + len(body).to_bytes(8, "little") + body)
    replies.flush()
