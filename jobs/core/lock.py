"""One command at a time writes to a folder: a second one is refused in one line, not waited for, and never mixed in.

On a disk the kernel holds the lock (``flock`` of ``.lock``), so it ends with the process that holds it, however that
ends. In an object store it is a lease (``pipeline.store.lease``).
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from jobs.core.errors import UserError
from pipeline.store.disk import writing
from pipeline.store.lease import lease_holder, leased
from pipeline.store.paths import Location, ObjectPath, location

LOCK = ".lock"
"""Name of the lock in the folder that it is of."""
_HELD: set[str] = set()
"""Folders that this process holds: a command that runs others, such as curate, does not shut itself out."""
_KEPT: dict[str, ExitStack] = {}
"""Those of them that ``hold`` took."""


@contextmanager
def locked(folder: Location | str, command: str) -> Iterator[None]:
    """Hold ``folder`` for ``command`` for the length of the block; UserError while another process holds it."""
    place = location(folder).absolute()
    if str(place) in _HELD:
        yield
        return
    with (
        leased(place / LOCK / "lease") if isinstance(place, ObjectPath) else _flock(place, command)
    ):
        _HELD.add(str(place))
        try:
            yield
        finally:
            _HELD.discard(str(place))


def hold(folder: Location | str, command: str) -> None:
    """``locked`` without a block: until ``release``, or the end of this process."""
    place = str(location(folder).absolute())
    if place not in _HELD:
        if not _KEPT:  # before the interpreter takes this module's names away
            atexit.register(release_all)
        _KEPT[place] = ExitStack()
        _KEPT[place].enter_context(locked(folder, command))


def release(folder: Location | str) -> None:
    """Let go of a folder that ``hold`` took; nothing happens when it did not."""
    if kept := _KEPT.pop(str(location(folder).absolute()), None):
        kept.close()


def release_all() -> None:
    """Let go of every folder that ``hold`` took."""
    for folder in list(_KEPT):
        release(folder)


def leave_nothing(folder: Path) -> None:
    """Let go of a folder that a refused command held, and remove it when it holds nothing else."""
    release(folder)
    (folder / LOCK).unlink(missing_ok=True)
    for place in (folder / ".done", folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def lock_holder(folder: Location) -> dict[str, Any] | None:
    """Who writes to a folder now (``command``, ``pid``, ``host``; ``{}`` if it does not say), None for nobody."""
    if isinstance(folder, ObjectPath):
        return lease_holder(folder / LOCK / "lease")
    try:
        with (folder / LOCK).open() as file:
            return None if _take(file, fcntl.LOCK_SH) else _told(file)
    except OSError:
        return None


def check_free(folder: Path) -> None:
    """UserError while another process writes to ``folder``: told before the work of checking begins. Makes nothing."""
    if str(folder.absolute()) not in _HELD and (holder := lock_holder(folder)) is not None:
        raise UserError(_held_by(holder, folder.absolute()))


def _held_by(found: dict[str, Any], place: Path) -> str:
    who = f"filmstock {found['command']}" if "command" in found else "another command"
    of = f" (process {found['pid']} on {found['host']})" if "pid" in found else ""
    return f"{who}{of} is writing to {place}; wait for it, or choose another folder"


@contextmanager
def _flock(place: Path, command: str) -> Iterator[None]:
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        lock = (place / LOCK).open("a+")
    with lock as file:
        if not _take(file, fcntl.LOCK_EX):
            raise UserError(_held_by(_told(file), place))
        file.truncate(0)
        file.write(
            json.dumps({"command": command, "pid": os.getpid(), "host": socket.gethostname()})
        )
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _take(file: IO[str], how: int) -> bool:
    """Take a lock, without waiting; False when somebody else has it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOTSUP):  # a file system without locks
            return True
        raise
    return True


def _told(file: IO[str]) -> dict[str, Any]:
    """What the holder of a lock wrote into it."""
    file.seek(0)
    try:
        found = json.loads(file.read())
    except ValueError:  # it has just been taken
        return {}
    return found if isinstance(found, dict) else {}
