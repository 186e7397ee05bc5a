"""Columns of texts of one length, which ids and hashes are, handled as rows of bytes.

A million texts taken, sorted or hashed one by one take longer than everything else that a selection does; as rows
of bytes of one width they are copied and compared by the machine word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def letters(column: pa.Array) -> np.ndarray | None:
    """uint8 (N, width) of texts that all have one width; None where they have not, or one is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(column) or column.null_count or not pa.types.is_string(column.type):
        return None
    widths = pc.min_max(pc.binary_length(column)).as_py()
    width = widths["min"]
    if not width or width != widths["max"]:
        return None
    start = int(np.frombuffer(column.buffers()[1], np.int32)[column.offset])
    text = np.frombuffer(column.buffers()[2], np.uint8, len(column) * width, start)
    return text.reshape(len(column), width)


def take(column: pa.Array, rows: np.ndarray) -> pa.Array:
    """The texts of ``rows`` (int64, none negative), in that order."""
    import pyarrow as pa

    text = letters(column)
    if text is None:
        return column.take(pa.array(rows))
    n, width = len(rows), text.shape[1]
    if n * width > np.iinfo(np.int32).max:  # more than the offsets of one array can count
        return column.take(pa.array(rows))
    picked = text.view(f"S{width}").ravel().take(rows)
    ends = np.arange(0, (n + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(ends), pa.py_buffer(picked)])


def order(column: pa.Array) -> np.ndarray:
    """int64 (N,): rows in the order of their texts, by bytes; NULL last."""
    import pyarrow.compute as pc

    text = letters(column)
    if text is None:
        return pc.sort_indices(column).to_numpy().astype(np.int64)
    first = _words(text[:, :8])
    rows = np.argsort(first)
    ordered = first[rows]
    same = ordered[1:] == ordered[:-1]
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    some = rows[tied]
    if len(some):  # eight hexadecimal digits of a million ids: a few hundred
        words = [_words(text[some, at : at + 8]) for at in range(0, text.shape[1], 8)]
        rows[tied] = some[np.lexsort((some, *words[::-1]))]
    return rows


def fingerprints(column: pa.Array) -> np.ndarray | None:
    """A uint64 for each text, equal for equal texts; None where they are not of one width, or not of whole words."""
    text = letters(column)
    if text is None or text.shape[1] % 8:
        return None
    mixed = np.zeros(len(text), np.uint64)
    for word in text.view(np.uint64).T:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _words(text: np.ndarray) -> np.ndarray:
    """uint64 (N,) that sort as the texts uint8 (N, up to 8) do."""
    padded = np.zeros((len(text), 8), np.uint8)
    padded[:, : text.shape[1]] = text
    return padded.view(">u8").ravel().astype(np.uint64)
