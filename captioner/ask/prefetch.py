"""Decode clips ahead of the captioner, so that it never waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    items: Iterable[Item], make: Callable[[Item], Made], *, threads: int, depth: int
) -> Iterator[Made]:
    """``make(item)`` of each item, in order, made by ``threads`` threads up to ``depth`` items ahead.

    Memory holds at most ``depth`` results. An exception of ``make`` is raised where its result would have come.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        stream = iter(items)
        waiting: deque[Future[Made]] = deque(
            pool.submit(make, item) for item in islice(stream, depth)
        )
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in islice(stream, 1))
            yield made
    finally:
        pool.shutdown(cancel_futures=True)
