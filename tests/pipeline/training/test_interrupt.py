"""Ctrl-C and SIGTERM are noted, not obeyed at once; a second one is."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from pipeline.training.interrupt import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as stop:
        os.kill(os.getpid(), number)
        assert stop.asked
        assert signal.getsignal(number) == before  # a second one does what it always did
    assert signal.getsignal(number) == before
    with pytest.raises(KeyboardInterrupt):
        stop.end()


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_take_no_signals() -> None:
    seen = []

    def work() -> None:
        with Interrupts() as stop:
            seen.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
    with Interrupts(wanted=False):
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
