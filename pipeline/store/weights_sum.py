"""The sum of a file of weights, in its own header: a byte of a tensor that has changed is found before it is used.

A number whose bits have flipped is mostly still a number, so that a damaged model loads and draws rubbish.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

SUM = "xxh3"
"""Key in the header's texts; 16 hex digits of XXH3-64 over all bytes behind the header."""
UNKNOWN = "0" * 16
"""In its place until the bytes are written."""
CHUNK = 1 << 24
"""Bytes read at a time."""


def header_bytes(header: dict[str, Any]) -> bytes:
    """A header as it stands in a file: its length, the JSON, and blanks so that tensors are aligned."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def with_sum(data: bytes) -> bytes:
    """The bytes of a safetensors file with its sum in its header."""
    import xxhash

    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    header["__metadata__"] = {**header.get("__metadata__", {}), SUM: xxhash.xxh3_64_hexdigest(body)}
    return b"".join((header_bytes(header), body))


def put_sum(file: IO[bytes], start: bytes, digest: str) -> None:
    """Write the sum into a file that begins with ``start``, a header that holds ``UNKNOWN``."""
    key = f'"{SUM}":"'.encode()
    file.seek(start.index(key + UNKNOWN.encode()) + len(key))
    file.write(digest.encode())


def file_sum(path: Path) -> str:
    """The sum over all bytes behind the header of a file."""
    import xxhash

    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
