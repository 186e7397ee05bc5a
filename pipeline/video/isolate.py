"""Run a function in a child process that may crash, hang or eat memory: its caller gets a result or a ``MediaError``.

One child serves many calls (starting Python with FFmpeg costs about half a second); it is killed on a timeout and
replaced before the next call. The child is a plain subprocess, so it never re-imports the caller's ``__main__``. It
gives up the network and writing to disk where the system allows it (``confine``), and answers in data that cannot run
(``wire``): a decoder that a file has taken over owns nothing but the child.

Deadlines are in seconds of the child's own time: CPU time while it is running or waiting for a core, wall time while it
sleeps. A busy machine therefore quarantines nothing that an idle one would let pass, and a hang is still a hang.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Self

from pipeline.store.staging import PREFIX
from pipeline.video.confine import child_environment, confine
from pipeline.video.confine import describe as describe_confinement
from pipeline.video.probe import MediaError, describe, media_type
from pipeline.video.wire import BadAnswer, answers, pack, unpack

MEMORY_BYTES = 4 << 30
"""Default cap on what a child may allocate, in bytes."""
_CHILD = "import sys; from pipeline.video.isolate import _serve; _serve(int(sys.argv[1]), int(sys.argv[2]))"
_ORPHAN_S = 1800
"""Wall time after its deadline at which a child kills itself, in case its caller is gone, seconds."""
_POLL_S = 0.25
"""How often a silent child's clock is read, seconds."""
ANSWER_BYTES = 1 << 30
"""Longest answer that is read from a child, bytes; less where the child may use less memory."""
_START_S = 120.0
"""Time a child has to start, in seconds of its own time."""

log = logging.getLogger(__name__)
_told: set[str] = set()
"""What has been logged about the children of this process."""


class Sandbox:
    """A child process for calls on untrusted media; use as a context manager or call ``close``.

    Functions must be importable (module level), their arguments picklable. What they return is plain data, or
    dataclasses that their return annotation names (see ``wire``).
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self.memory_bytes = memory_bytes
        self.spent_s = 0.0
        """Seconds of the children's own time in all calls so far."""
        self.confinement: dict[str, str] = {}
        """How network and files are closed to the child, see ``confine``; empty before it has started."""
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: BinaryIO | None = None
        self._folder = ""
        """The child's own temporary folder."""
        self._replies: int = -1

    def run(
        self, fn: Callable[..., Any], *args: Any, deadline_s: float, stage: str = "decode"
    ) -> Any:
        """Call ``fn(*args)`` in the child and return its result within ``deadline_s`` seconds."""
        (result,) = self.stream(
            _once,
            fn,
            args,
            silence_s=deadline_s,
            total_s=deadline_s,
            stage=stage,
            allowed=answers(fn),
        )
        return result

    def stream(
        self,
        fn: Callable[..., Iterator[Any]],
        *args: Any,
        silence_s: float,
        total_s: float,
        stage: str = "decode",
        allowed: dict[str, Any] | None = None,
    ) -> Iterator[Any]:
        """Yield what the generator ``fn(*args)`` yields in the child.

        The child is killed after ``silence_s`` seconds without an item, or ``total_s`` seconds in all (time the
        consumer spends between items does not count). Abandoning the iterator early kills the child. ``allowed``: the
        classes that may come, by name; those of the annotation of ``fn`` where it is not given.
        """
        allowed = answers(fn) if allowed is None else allowed
        self._start(stage)
        spent, finished = 0.0, False
        try:
            self._send((fn, args, silence_s))
            while True:
                kind, value, used = self._receive(min(silence_s, total_s - spent), stage, allowed)
                spent += used
                if kind == "item":
                    yield value
                elif kind == "done":
                    finished = True
                    return
                elif kind == "error":
                    finished = True
                    raise MediaError(value[0] or stage, value[1], value[2])
                else:
                    raise MediaError(stage, "bad_answer", f"the decoder answered {kind!r}")
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """Kill the child, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        os.close(self._replies)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, stage: str) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        request_read, request_write = os.pipe()
        reply_read, reply_write = os.pipe()
        self._folder = tempfile.mkdtemp(
            prefix=f"{PREFIX}{os.getpid()}-"
        )  # swept when we are killed
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _CHILD,
                str(request_read),
                str(reply_write),
                str(self.memory_bytes),
                self._folder,
            ],
            pass_fds=(request_read, reply_write),
            env={
                **child_environment(os.environ),
                "PYTHONPATH": paths,
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": self._folder,
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(request_read)
        os.close(reply_write)
        self._requests, self._replies = os.fdopen(request_write, "wb"), reply_read
        kind, self.confinement, _ = self._receive(_START_S, stage, {})
        if kind != "hello":
            self.close()
            raise MediaError(stage, "bad_answer", f"the decoder began with {kind!r}")
        line = describe_confinement(self.confinement)
        if line not in _told:
            _told.add(line)
            level = logging.WARNING if "open" in self.confinement.values() else logging.INFO
            log.log(level, "what is closed to the decoding child: %s", line)

    def _send(self, request: object) -> None:
        assert self._requests is not None
        try:
            _write(self._requests, request)
        except BrokenPipeError as error:
            raise self._death("start") from error

    def _receive(
        self, patience_s: float, stage: str, allowed: dict[str, Any]
    ) -> tuple[str, Any, float]:
        """Next message of the child and the time it took, or a typed error when the child dies, takes too long, or
        answers what the function that was called never would."""
        assert self._process is not None
        clock = _ChildClock(self._process.pid)
        try:
            size = int.from_bytes(self._read(8, clock, patience_s, stage), "little")
            if size > min(ANSWER_BYTES, self.memory_bytes):
                raise BadAnswer(f"it is {size} bytes long")
            kind, value = unpack(self._read(size, clock, patience_s, stage), allowed)
        except BadAnswer as error:
            self.close()
            why = f"the decoder's answer cannot be used: {error}"
            raise MediaError(stage, "bad_answer", why) from None
        finally:
            self.spent_s += clock.spent_s
        return kind, value, clock.spent_s

    def _read(self, size: int, clock: _ChildClock, patience_s: float, stage: str) -> bytes:
        poller = select.poll()
        poller.register(self._replies, select.POLLIN | select.POLLHUP)
        parts: list[bytes] = []
        while size > 0:
            if not poller.poll(1000 * min(_POLL_S, max(0.001, patience_s - clock.spent_s))):
                if clock.tick() >= patience_s:
                    self.close()
                    raise MediaError(stage, "timeout", f"no answer within {patience_s:.1f} s")
                continue
            part = os.read(self._replies, min(size, 1 << 20))
            if not part:
                raise self._death(stage)
            parts.append(part)
            size -= len(part)
        clock.tick()
        return b"".join(parts)

    def _death(self, stage: str) -> MediaError:
        assert self._process is not None
        code = self._process.wait()
        self.close()
        if code < 0:
            name = signal.Signals(-code).name
            if -code == signal.SIGALRM:
                return MediaError(
                    stage, "timeout", "the decoder did not return within its deadline"
                )
            if -code == signal.SIGKILL:
                return MediaError(stage, "killed", "the decoder was killed, most likely for memory")
            return MediaError(stage, "crashed", f"the decoder died of {name}")
        return MediaError(stage, "crashed", f"the decoder left with exit status {code}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class _ChildClock:
    """Adds up a child's own time: CPU time while it wants to run, wall time while it sleeps."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.spent_s = 0.0
        self._wall_s = time.monotonic()
        self._cpu_s, _ = self._read()

    def tick(self) -> float:
        """Read the clock; seconds since the start."""
        wall_s = time.monotonic()
        cpu_s, sleeps = self._read()
        passed = wall_s - self._wall_s
        self.spent_s += passed if sleeps else min(passed, max(0.0, cpu_s - self._cpu_s))
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return self.spent_s

    def _read(self) -> tuple[float, bool]:
        """CPU seconds of the process so far, and whether it sleeps; where /proc is missing, wall time counts."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return 0.0, True
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] != b"R"


def run_isolated(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    *,
    deadline_s: float,
    memory_bytes: int = MEMORY_BYTES,
    stage: str = "decode",
) -> Any:
    """One call in a child of its own; keep a ``Sandbox`` for many calls."""
    with Sandbox(memory_bytes=memory_bytes) as sandbox:
        return sandbox.run(fn, *args, deadline_s=deadline_s, stage=stage)


def _once(fn: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[Any]:
    yield fn(*args)


def _write(pipe: BinaryIO, message: object) -> None:
    """A request; the child trusts its parent, which sends functions by their names."""
    _frame(pipe, pickle.dumps(message, protocol=5))


def _frame(pipe: BinaryIO, body: bytes) -> None:
    pipe.write(len(body).to_bytes(8, "little"))
    pipe.write(body)
    pipe.flush()


def _serve(request_fd: int, reply_fd: int) -> None:
    """The child's loop: a request in, its items out, until the caller closes the pipe."""
    import resource

    memory_bytes = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests, replies = os.fdopen(request_fd, "rb"), os.fdopen(reply_fd, "wb")
    _frame(replies, pack("hello", confine(sys.argv[4])))
    while head := requests.read(8):
        body = requests.read(int.from_bytes(head, "little"))
        try:
            fn, args, silence_s = pickle.loads(body)  # from the parent
            limit_s = silence_s + _ORPHAN_S
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            for item in fn(*args):
                answer = pack("item", item)
                signal.setitimer(signal.ITIMER_REAL, 0)
                _frame(replies, answer)
                signal.setitimer(signal.ITIMER_REAL, limit_s)
            message = pack("done", None)
        except MediaError as error:
            message = pack("error", (error.stage, error.type, error.message))
        except BrokenPipeError:
            os._exit(0)
        except Exception as error:
            message = pack("error", ("", media_type(error), describe(error)))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _frame(replies, message)
