"""Windows one after another: the next begins when the last sources of this one are being worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from jobs.ingest.stages import CLIP, END
from jobs.ingest.windows import TOGETHER, Row, Stream


def row(kind: str, order: int) -> Row:
    return Row(kind, order, {}, None)


def test_a_slow_source_holds_up_no_window_but_only_so_many_wait() -> None:
    slow, begun = threading.Event(), list[int]()

    def execute(window: list[int]) -> Iterator[Row]:
        begun.append(window[0])
        for order in window[1:]:
            yield row(CLIP, order)
            yield row(END, order)
        assert slow.wait(60)
        yield row(END, window[0])

    windows = iter([[10 * n, 10 * n + 1, 10 * n + 2] for n in range(5)])
    stream, ended = Stream(windows, execute, TOGETHER, threading.Event()), list[int]()
    for kind, order, _, _ in stream:
        ended += [order] if kind == END else []
        if len(ended) == 2 * TOGETHER and not slow.is_set():
            assert begun == [0, 10, 20], "the first of each window is still being worked on"
            assert not any(order % 10 == 0 for order in ended)
            slow.set()
    assert sorted(ended) == [10 * n + i for n in range(5) for i in range(3)]


def test_an_idle_stream_asks_the_planner_to_hurry() -> None:
    hurry = threading.Event()

    def windows() -> Iterator[list[int]]:
        for order in range(3):
            assert hurry.wait(60)
            yield [order]

    stream = Stream(windows(), lambda window: iter([row(END, window[0])]), 0, hurry)
    assert [order for _, order, _, _ in stream] == [0, 1, 2]


@pytest.mark.parametrize("where", ["planning", "working"])
def test_an_error_is_raised_where_the_rows_are_taken(where: str) -> None:
    def windows() -> Iterator[list[int]]:
        yield [0]
        if where == "planning":
            raise OSError("disk")

    def execute(window: list[int]) -> Iterator[Row]:
        yield row(CLIP, 0)
        if where == "working":
            raise OSError("disk")
        yield row(END, 0)

    stream = Stream(windows(), execute, 0, threading.Event())
    with pytest.raises(OSError, match="disk"):
        list(stream)
    stream.close()
