"""A process that has imported what most processes of the tests import, and forks itself in place of a new Python.

To import Ray, torch, transformers and open_clip costs seconds of CPU, and a worker of Ray lives for one stage. A fork
runs the same script in the same environment and folder, with the same open files, in a session of its own. Nothing is
imported before somebody asks.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import itertools
import json
import os
import pkgutil
import random
import resource
import runpy
import selectors
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs")
"""What this repository's code lives in: all of its modules."""
MODULES = (
    "ray", "ray.data", "torch", "transformers", "av", "cv2", "pandas", "pyarrow.parquet", "pyarrow.dataset",
)  # fmt: skip
LATE = (
    "ray._common.pydantic_compat", "ray.data._internal.issue_detection", "ray.dag",
    "ray.dashboard.agent", "ray.dashboard.head", "ray._private.runtime_env.agent.runtime_env_agent",
    "ray.autoscaler._private.monitor", "pydantic.main", "pydantic.v1.main", "rapidocr.main", "onnxruntime",
    "transformers.models.auto.processing_auto", "peft",
)  # fmt: skip
"""What those import when they are used, a worker of Ray each time; another version may not have it."""
READ_AT_IMPORT = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "OMP_")
"""Names of variables that begin so are read once, by an import: who wants other values gets a Python of its own."""
HUB_CACHE = "HF_HUB_CACHE"
"""But for this one: what the import made of it can be set."""
START = dict(os.environ)
HIGH = min(2000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Numbers of file descriptors from here on are in use only while a fork puts its own in place."""
LIVE, NAMES = 256, 16
"""So many forks live at once at most; so many random names does each draw while others start."""
SITE: list[str] = []
"""``sys.path`` of a Python that was told nothing."""
Job = Callable[[], Any]


def serve(address: str, python: str) -> Job:
    """Fork for everyone who asks at ``address`` until standard input ends; returns in the forks only."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}-")
    listener.listen(64)
    os.rename(f"{address}-", address)  # who finds it may connect
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    for source in (listener, read, 0):
        selector.register(source, selectors.EVENT_READ)
    children: dict[int, socket.socket] = {}
    numbers = itertools.count()
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection = listener.accept()[0]
                prepare_once(python)
                ours = (selector, listener, connection, *children.values())
                pid, job = _fork(connection, ours, next(numbers))
                if job is not None:
                    return job
                if pid:
                    children[pid] = connection
                    selector.register(connection, selectors.EVENT_READ, pid)
            elif key.fileobj == read:
                os.read(read, 4096)
            elif key.fileobj == 0:
                for pid in children:
                    _kill(pid)
                os._exit(0)
            else:
                _from_client(key, selector)
        _reap(children, selector)


def prepare_once(python: str) -> None:
    """Import everything; let forks that start a Ray have its processes forked as well."""
    if "ray" in sys.modules:
        return
    # Ray reads these when it is imported: a worker without a job takes any, and asks whether this process lives; an
    # agent of a raylet looks at a pipe in place of its parent
    os.environ.update(
        RAY_JOB_ID="ffffffff",
        RAY_RAYLET_PID=str(os.getpid()),
        RAY_enable_pipe_based_agent_to_parent_health_check="1",
    )
    for name in MODULES:
        importlib.import_module(name)
    from pipeline.openclip.package import open_clip_module

    open_clip_module()
    _import_what_is_there(LATE)
    for package in ("ray.dashboard.modules", *PACKAGES):
        _import_what_is_there(_modules_of(package))
    from tests.helpers.unsynced import wait_for_no_disk
    from tests.helpers.warm_python import ray_starts

    wait_for_no_disk()
    ray_starts(python)
    gc.collect()
    gc.freeze()  # a collection in a fork would write to every object, and so copy all of them
    for each in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        each.atexit = False  # what is finalized at the end is this process, not a fork


def _modules_of(package: str) -> Iterator[str]:
    with contextlib.suppress(ImportError):
        paths = importlib.import_module(package).__path__
        yield from (each.name for each in pkgutil.walk_packages(paths, f"{package}."))


def _import_what_is_there(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # of an extra that is not installed, say
            importlib.import_module(name)


def _from_client(key: Any, selector: selectors.BaseSelector) -> None:
    """A signal to pass on; or the client has died, and so does its fork."""
    try:
        numbers = key.fileobj.recv(64)
    except OSError:
        numbers = b""
    with contextlib.suppress(ProcessLookupError):
        for number in numbers:
            os.kill(key.data, number)
    if not numbers:
        selector.unregister(key.fileobj)
        _kill(key.data)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        connection = children.pop(pid)
        with contextlib.suppress(KeyError, ValueError):
            selector.unregister(connection)
        with contextlib.suppress(OSError):
            code = os.waitstatus_to_exitcode(status)
            connection.sendall(code.to_bytes(4, "big", signed=True))
        connection.close()


def _fork(connection: socket.socket, ours: Iterable[Any], number: int) -> tuple[int, Job | None]:
    """(process number, nothing) here, (0, what to do) in the fork, (0, nothing) where there is none."""
    fds: list[int] = []
    try:
        size, fds, *_ = socket.recv_fds(connection, 8, 253)
        body, length = b"", int.from_bytes(size, "big")
        while len(body) < length and (more := connection.recv(length - len(body))):
            body += more
        wanted = json.loads(body)
        fits = _read_at_import(wanted["environment"]) == _read_at_import(START)
        connection.sendall(b"f" if fits else b"n")
        pid = os.fork() if fits else -1
    except (OSError, ValueError):
        pid = -1
    if pid == 0:
        for opened in ours:  # or they would close what has their numbers by then
            opened.close()
        _draw_apart(number)
        return 0, _become(wanted, fds)
    for fd in fds:
        os.close(fd)
    if pid < 0:
        connection.close()
    return max(pid, 0), None


def _draw_apart(number: int) -> None:
    """Give Ray names of its own in each fork: its random numbers, out of Python's reach, go on where they were.

    Two workers that draw the same name for the first object they store take it from each other: one of them dies,
    and who starts Ray waits for it for ever.
    """
    from ray import ObjectRef

    for _ in range(number % LIVE * NAMES):
        ObjectRef.from_random()


def _read_at_import(environment: Any) -> dict[str, str]:
    read = {k: v for k, v in environment.items() if k.startswith(READ_AT_IMPORT)}
    read.pop(HUB_CACHE, None)
    return read


def _become(wanted: dict[str, Any], fds: list[int]) -> Job:
    """Be the process that was asked for, short of running its script."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, wanted["blocked"])
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH) for fd in fds]
    os.closerange(0, HIGH)
    for fd, place in zip(high, wanted["fds"], strict=True):
        os.dup2(fd, place, inheritable=True)
        os.close(fd)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if HUB_CACHE in os.environ:
        from huggingface_hub import constants

        constants.HF_HUB_CACHE = os.environ[HUB_CACHE]
    random.seed()
    sys.modules["numpy"].random.seed()  # type: ignore[attr-defined]
    from ray import _raylet

    _raylet.Config.initialize("")  # from the environment, once more
    return _script(wanted["words"])


def _script(words: list[str]) -> Job:
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, told), *SITE]
    if words[0] == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        sys.path.insert(0, "")
        code, names = compile(words[1], "<string>", "exec"), vars(sys.modules["__main__"])
        return lambda: exec(code, names)
    if words[0] == "-m":
        sys.argv[:] = words[1:]
        sys.path.insert(0, os.getcwd())
        sys.modules.pop(words[1], None)  # imported it is, but run it must be
        return lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    words = _ray_worker(words)
    sys.argv[:] = words
    sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
    return lambda: runpy.run_path(words[0], run_name="__main__")


def _ray_worker(words: list[str]) -> list[str]:
    """What Ray's ``setup_worker.py`` starts after it has imported Ray, where it would add nothing of its own."""
    if os.path.basename(words[0]) != "setup_worker.py":
        return words
    from ray._private.runtime_env.context import RuntimeEnvContext
    from ray._private.utils import update_envs
    from ray._private.workers.setup_worker import parser

    known, rest = parser.parse_known_args(words[1:])
    context = RuntimeEnvContext.deserialize(known.serialized_runtime_env_context or "{}")
    plain = RuntimeEnvContext(py_executable=context.py_executable, env_vars=context.env_vars)
    if vars(context) != vars(plain):
        return words
    update_envs(context.env_vars)
    return rest


def _finish(job: Job) -> None:
    """Run a fork's script and end as Python does, but for taking all modules apart, which takes seconds."""
    code: Any = 0
    try:
        job()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    SITE[:] = [path for path in sys.path if path not in (here, *told)]
    _finish(serve(sys.argv[1], sys.argv[2]))
