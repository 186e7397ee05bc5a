"""Work ahead: in order, bounded, and its errors where the results would have been."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from captioner.ask.prefetch import ahead


def test_results_come_in_order_from_several_threads_and_never_more_than_depth_ahead() -> None:
    lock = threading.Lock()
    made, taken, most, threads = 0, 0, 0, set()

    def make(item: int) -> int:
        nonlocal made, most
        time.sleep(0.002 * (item % 3))
        with lock:
            made += 1
            most = max(most, made - taken)
            threads.add(threading.get_ident())
        return item * item

    found = []
    for value in ahead(range(40), make, threads=3, depth=5):
        with lock:
            taken += 1
        found.append(value)
        time.sleep(0.001)
    assert found == [i * i for i in range(40)]
    assert most <= 6 and len(threads) > 1
    assert list(ahead([], make, threads=2, depth=4)) == []


def test_an_exception_comes_in_its_place_and_an_early_end_stops_the_work() -> None:
    done = []

    def make(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        time.sleep(0.01)
        done.append(item)
        return item

    stream = ahead(range(6), make, threads=1, depth=2)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)
    stream = ahead(range(1000), make, threads=1, depth=4)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(done) < 20


def test_what_has_not_begun_at_an_early_end_never_does_and_what_has_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clip that is read after the end of a stage is read from a folder that may be gone."""
    called_off, begun, done = threading.Event(), [], []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            called_off.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr("captioner.ask.prefetch.ThreadPoolExecutor", Pool)
    second = threading.Event()

    def make(item: int) -> int:
        begun.append(item)
        if item:
            second.set()
            assert called_off.wait(300)
        done.append(item)
        return item

    stream = ahead(range(100), make, threads=1, depth=4)
    assert next(iter(stream)) == 0
    assert second.wait(300)
    stream.close()  # type: ignore[attr-defined]
    assert begun == done == [0, 1]
