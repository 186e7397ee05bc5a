"""Hashes of settings and of files: a stage that would be run with the same ones again has nothing to do."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.store.paths import Location, each, files_below, location, read_range

WHOLE_FILE_BYTES = 64 << 20
"""Files up to this size are hashed whole; larger ones by size, head, middle and tail."""
BLOCK_BYTES = 1 << 20
"""Size of each of the three blocks hashed of a larger file."""


def config_key(*parts: Any) -> str:
    """Hash of dataclasses, dicts, lists, paths and scalars: 16 hex digits, independent of key order."""
    text = json.dumps([plain(part) for part in parts], sort_keys=True, ensure_ascii=True)
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


def plain(value: Any) -> Any:
    """JSON form of a config value; TypeError for what has no stable text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"__type__": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, Location):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "item"):  # a NumPy or torch scalar
        return value.item()
    raise TypeError(f"{type(value).__name__} has no stable text form: {value!r}")
