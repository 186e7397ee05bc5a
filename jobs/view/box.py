"""SQL that people wrote runs in a child process: it is killed when it takes too long or too much memory, and replaced.

DuckDB's own limits do not hold inside one call of a function such as ``repeat``. The operating system's do.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.search.dataset import Dataset

ANSWER_BYTES = 8 << 20
"""Longest answer to what a person wrote, bytes of JSON."""
HEADROOM_BYTES = 512 << 20
"""What the child may allocate beyond what it holds after its start."""
GRACE_S = 1.0
"""Seconds after DuckDB was told to stop at which the child is killed."""
START_S = 60.0
"""Longest start of a child, seconds."""
WAITING = 8
"""Requests that wait for the child at most: the server's other threads stay free."""
TOO_MUCH = (
    f"the query needs more than {HEADROOM_BYTES >> 20} MB of memory; select fewer columns or rows"
)


def too_long(seconds: float) -> str:
    """What is said of a query that was stopped."""
    return f"the query was stopped after {seconds:g} s"


class Box:
    """A child process with the tables of a dataset; it starts with the first query."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self._spill = ""
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return None if self._process is None else self._process.pid

    def ask(self, sql: str, *, seconds: float) -> dict[str, Any]:
        """Columns and rows of one SELECT."""
        answer: dict[str, Any] = json.loads(self._call("ask", sql, [], seconds, ANSWER_BYTES))
        return answer

    def arrow(self, sql: str, values: Sequence[Any], *, seconds: float) -> pa.Table:
        """Columns of a query of ours with a person's expression in it: a few bytes a clip."""
        import pyarrow as pa

        most = (1 << 20) + 32 * len(self._data)
        return pa.ipc.open_stream(self._call("arrow", sql, values, seconds, most)).read_all()

    def _call(self, kind: str, sql: str, values: Sequence[Any], seconds: float, most: int) -> bytes:
        if not self._waiting.acquire(blocking=False):
            raise UserError("too many queries at once; try again in a moment")
        try:
            if not self._lock.acquire(timeout=seconds):
                raise UserError("too many queries at once; try again in a moment")
            try:
                process = self._started()
                try:
                    _send(process, (kind, sql, list(values), seconds))
                    return self._answer(
                        process, time.monotonic() + seconds + GRACE_S, seconds, most
                    )
                except BrokenPipeError:
                    raise self._death(process, seconds) from None
            finally:
                self._lock.release()
        finally:
            self._waiting.release()

    def _answer(
        self, process: subprocess.Popen[bytes], until: float, seconds: float, most: int
    ) -> bytes:
        head = self._read(process, 9, until, seconds)
        size = int.from_bytes(head[1:], "little")
        if size > most:
            self._end()
            raise UserError(
                f"the answer is longer than {most >> 20} MB; select fewer columns or rows"
            )
        body = self._read(process, size, until, seconds)
        if head[:1].islower():  # it has little left
            self._end()
        if head[:1].upper() == b"E":
            raise UserError(body.decode(errors="replace"))
        return body

    def _read(
        self, process: subprocess.Popen[bytes], size: int, until: float, seconds: float
    ) -> bytes:
        """``size`` bytes of the child's answer; it is killed when they do not come in time."""
        assert process.stdout is not None
        replies, found = process.stdout.fileno(), io.BytesIO()
        poller = select.poll()
        poller.register(replies, select.POLLIN | select.POLLHUP)
        while size:
            if not poller.poll(max(0.0, 1000 * (until - time.monotonic()))):
                self._end()
                raise UserError(too_long(seconds))
            part = os.read(replies, min(size, 1 << 20))
            if not part:
                raise self._death(process, seconds)
            found.write(part)
            size -= len(part)
        return found.getvalue()

    def _death(self, process: subprocess.Popen[bytes], seconds: float) -> UserError:
        """Why the child died: by its clock, or, most likely, for memory."""
        code = process.wait()
        self._end()
        return UserError(too_long(seconds) if code == -signal.SIGALRM else TOO_MUCH)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise UserError("the tables have changed; ask again")
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._spill = tempfile.mkdtemp(prefix="filmstock-view-box-")
        child = "from jobs.view.box_child import main; main()"
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = process = subprocess.Popen(
            [sys.executable, "-c", child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is the server's: the child ends with its pipe
        )
        data = self._data
        tables = (data.files, data.tables, data.columns, data.selection, len(data))
        try:
            _send(process, (self._spill, HEADROOM_BYTES, ANSWER_BYTES, tables))
            self._answer(process, time.monotonic() + START_S, START_S, 0)
        except BrokenPipeError:
            raise self._death(process, START_S) from None
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):  # a request that it did not take
                    pipe.close()
        if self._spill:
            shutil.rmtree(self._spill, ignore_errors=True)
            self._spill = ""

    def close(self) -> None:
        """End the child, whatever it does."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()  # who waits for it is told, and lets go of the lock
        with self._lock:
            self._end()


def _send(process: subprocess.Popen[bytes], message: object) -> None:
    assert process.stdin is not None
    pickle.dump(message, process.stdin, protocol=5)
    process.stdin.flush()
