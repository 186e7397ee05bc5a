"""Whether two clips look alike and the same things move in them, by their looks (``scores.look``).

All of it must agree: the structure of the frames near start and end (that of the middle ones found the pair), the
colours, and where things move. So clips of one fixed camera are no duplicates unless the same happens in both, and two
grounds that differ in colour alone are two.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable

import numpy as np

from pipeline.schema import LOOK_CHARS

WORDS = 10
"""64-bit words of a look here: its version; three each of structures, colours, boards of what moves."""
STRUCTURE_BITS = 24
"""Bits, of 64, in which the structure may differ near start and end: a trimmed or faster copy shows other moments there
(22 and 24 were seen; different pictures differ in 32 on average)."""
COLOUR_STEPS = 2.5
"""Steps of chroma (of 12 in 256) by which colours may differ, on average over a frame."""
MOVED_SHARE, MOVED_FREE = 0.4, 1
"""Of the places on both boards, the share that need not be on the other, and so many more."""
_GREY = np.uint64(0x8888888888888888)
_FIRST_COLUMN = np.uint64(0x0101010101010101)
_LAST_COLUMN = np.uint64(0x8080808080808080)


def read_looks(texts: Iterable[str]) -> np.ndarray:
    """uint64 (n, WORDS) of looks as texts; ValueError for what is none."""
    words = []
    for text in texts:
        if len(text) != LOOK_CHARS:
            raise ValueError(f"{text[:20]!r} is no look; ingest its run anew")
        words.append(ord(text[0]).to_bytes(8, "little") + b64decode(text[1:]))
    return np.frombuffer(b"".join(words), "<u8").reshape(-1, WORDS)


def same_look(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """bool (n,): whether looks uint64 (n, WORDS) agree pair by pair; those of different versions never do."""
    agree = first[:, 0] == second[:, 0]
    for at in (1, 3):
        agree &= np.bitwise_count(first[:, at] ^ second[:, at]) <= STRUCTURE_BITS
    colour = np.stack([_colour_distance(first[:, at], second[:, at]) for at in (4, 5, 6)])
    agree &= colour.max(0) <= COLOUR_STEPS
    loose = np.zeros(len(first), int)
    both = np.zeros(len(first), int)
    for at in (7, 8, 9):
        a, b = first[:, at], second[:, at]
        loose += np.bitwise_count(a & ~spread(b)).astype(int)
        loose += np.bitwise_count(b & ~spread(a)).astype(int)
        both += np.bitwise_count(a).astype(int) + np.bitwise_count(b).astype(int)
    return agree & (loose <= MOVED_FREE + MOVED_SHARE * both)


def _colour_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean difference of the 16 numbers of two words, in steps; 0 where one is grey all over, as a grey copy is."""
    total = np.zeros(len(a))
    for shift in range(0, 64, 4):
        left, right = ((word >> np.uint64(shift)) & np.uint64(15) for word in (a, b))
        total += np.abs(left.astype(np.int8) - right.astype(np.int8))
    return np.where((a == _GREY) | (b == _GREY), 0, total / 16)


def spread(board: np.ndarray) -> np.ndarray:
    """Boards uint64 (n,) with the eight neighbours of every place on them."""
    one, eight = np.uint64(1), np.uint64(8)
    wide = board | ((board & ~_LAST_COLUMN) << one) | ((board & ~_FIRST_COLUMN) >> one)
    return wide | (wide << eight) | (wide >> eight)
