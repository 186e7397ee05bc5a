"""A run folder remembers what it finished: `.done/<stage>.json` holds a key of the config and inputs it came from.

A stage computes its key, asks ``stage_is_done``, does its work, and calls ``mark_done`` last. Markers and tables are
written under a temporary name and renamed, so a kill at any instant leaves either the old state or the new one.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.store.atomic import draft
from pipeline.store.atomic import write_bytes as write_bytes
from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath, each, files_below, location, read_range

if TYPE_CHECKING:
    import pyarrow as pa

WHOLE_FILE_BYTES = 64 << 20
"""Files up to this size are hashed whole; larger ones by size, head, middle and tail."""
BLOCK_BYTES = 1 << 20
"""Size of each of the three blocks hashed of a larger file."""


def config_key(*parts: Any) -> str:
    """Hash of dataclasses, dicts, lists, paths and scalars: 16 hex digits, independent of key order."""
    text = json.dumps([_plain(part) for part in parts], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def files_key(paths: Iterable[Location | str]) -> str:
    """Hash of the names and contents of files (folders: the files in them, dot files left out)."""
    digest = hashlib.blake2b(digest_size=8)
    for root in sorted(map(location, paths), key=str):
        below = files_below(root)
        members = [(f"{root.name}/{name}", path) for name, path in below] or [(root.name, root)]
        if not below and not root.is_file():
            if not root.exists():
                digest.update(f"missing {root.name}\n".encode())
            continue
        contents = each(_content_hash, [path for _, path in members])
        for (name, _), content in zip(members, contents, strict=True):
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _content_hash(path: Location) -> str:
    """Size of a file, and a hash of its content, or of three blocks of a large one."""
    import xxhash

    size = path.stat().st_size
    if size <= WHOLE_FILE_BYTES:
        return f"{size} {xxhash.xxh3_128_hexdigest(path.read_bytes())}"
    digest = xxhash.xxh3_128()
    for offset in (0, size // 2, size - BLOCK_BYTES):
        digest.update(read_range(path, offset, BLOCK_BYTES))
    return f"{size} {digest.hexdigest()}"


def stage_key(folder: Location | str, stage: str) -> str | None:
    """Key that ``stage`` was last finished with in ``folder``, or None; downstream stages chain on it."""
    info = done_info(folder, stage)
    return None if info is None else str(info.get("key"))


def done_info(folder: Location | str, stage: str) -> dict[str, Any] | None:
    """Contents of the stage's marker, or None when it is absent or unreadable."""
    try:
        info = json.loads(_marker(folder, stage).read_text())
    except ConnectionError:
        raise
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None


def stage_is_done(folder: Location | str, stage: str, key: str) -> bool:
    """True when the stage finished with this key and every output it named is still there."""
    info = done_info(folder, stage)
    if info is None or info.get("key") != key:
        return False
    return all((location(folder) / name).exists() for name in info.get("outputs", []))


def mark_done(folder: Location | str, stage: str, key: str, info: Mapping[str, Any]) -> None:
    """Write the stage's marker, atomically; ``info["outputs"]`` may list paths relative to the folder."""
    marker = _marker(folder, stage)
    body = {"stage": stage, "key": key, **{name: _plain(value) for name, value in info.items()}}
    write_bytes(marker, (json.dumps(body, indent=2) + "\n").encode())


def clear_done(folder: Location | str, stage: str) -> None:
    """Forget that the stage was finished: called before its outputs are replaced."""
    _marker(folder, stage).unlink(missing_ok=True)


def log_metrics(folder: Location | str, stage: str, metrics: Mapping[str, Any]) -> None:
    """Append one line of numbers to the folder's ``metrics.jsonl``."""
    line = {"stage": stage, "time_s": round(time.time(), 3)}
    line.update({name: _plain(value) for name, value in metrics.items()})
    path = location(folder) / "metrics.jsonl"
    if isinstance(path, ObjectPath):  # an object cannot grow: it is written anew
        before = path.read_bytes() if path.is_file() else b""
        path.write_bytes(before + (json.dumps(line) + "\n").encode())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), path.open("ab", buffering=0) as handle:
        size, body = handle.tell(), (json.dumps(line) + "\n").encode()
        try:
            if handle.write(body) < len(body):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            handle.truncate(size)  # half a line would spoil the next one
            raise


def write_table(path: Location | str, table: pa.Table) -> None:
    """Write a small Parquet table (no video) atomically."""
    import io

    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue())


def write_batches(path: Location | str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write a Parquet table (no video) atomically, a row group for each of ``tables``, one in memory at a time."""
    import pyarrow.parquet as pq

    with (
        draft(location(path)) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for table in tables:
            writer.write_table(table)


def _marker(folder: Location | str, stage: str) -> Location:
    return location(folder) / ".done" / f"{stage}.json"


def _plain(value: Any) -> Any:
    """JSON form of a config value; refuses what has no stable text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"__type__": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Location):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "item"):  # a NumPy or torch scalar
        return value.item()
    raise TypeError(f"{type(value).__name__} has no stable text form: {value!r}")
