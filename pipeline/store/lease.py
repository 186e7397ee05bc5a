"""Allow one writer at a time on a prefix of an object store: a lease object names its holder.

It is made with a conditional PUT (If-None-Match), renewed while its holder lives, and taken over (If-Match) from a
holder that has not renewed it for ``LEASE_S``, or that is a dead process of this machine.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pipeline.store.paths import ObjectPath, process_lives

LEASE_S = 120.0
"""Silence after which a holder counts as dead, seconds."""


class Held(ValueError):
    """Somebody else holds the lease."""


@contextmanager
def leased(path: ObjectPath) -> Iterator[None]:
    """Hold the object ``path`` for the length of the block; ``Held`` when another living process does."""
    host = socket.gethostname()
    body = json.dumps({"host": host, "pid": os.getpid()}).encode()
    tag = path.create(body)
    if tag is None:
        found, age_s, old = _holder(path)
        dead = found.get("host") == host and not process_lives(int(found.get("pid", -1)))
        if not dead and age_s < LEASE_S:
            raise Held(
                f"process {found.get('pid')} on {found.get('host')} is writing to {path.parent.parent}; wait for it, "
                f"or choose another --out (if it was killed, its claim ends {LEASE_S - age_s:.0f} s from now)"
            )
        tag = path.replace(body, old)
        if tag is None:
            raise Held(f"another process has just begun to write to {path.parent.parent}")
    over = threading.Event()
    beat = threading.Thread(target=_renew, args=(path, body, tag, over), daemon=True)
    beat.start()
    try:
        yield
    finally:
        over.set()
        beat.join()
        path.unlink()


def lease_holder(path: ObjectPath) -> dict[str, Any] | None:
    """Who holds the lease (``host`` and ``pid``), None when it is free, old, or a dead process's of this machine."""
    if not path.is_file():
        return None
    found, age_s, _ = _holder(path)
    dead = found.get("host") == socket.gethostname() and not process_lives(
        int(found.get("pid", -1))
    )
    return None if dead or age_s >= LEASE_S else found


def _holder(path: ObjectPath) -> tuple[dict[str, Any], float, str]:
    """What the lease says, its age in seconds, and its tag; an empty old one when it is gone by now."""
    try:
        stat = path.stat()
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}, LEASE_S, ""
    age = datetime.now(UTC) - stat.changed
    return found, age.total_seconds(), stat.stamp


def _renew(path: ObjectPath, body: bytes, tag: str, over: threading.Event) -> None:
    """Write the lease again and again until it is over, or somebody else's."""
    current: str | None = tag
    while current is not None and not over.wait(LEASE_S / 4):
        try:
            current = path.replace(body, current)
        except OSError:
            continue  # the next time, perhaps
