"""A child that hangs, crashes or eats memory ends in a typed error; its caller lives on."""

from __future__ import annotations

import ctypes
import operator
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.video.isolate import Sandbox, run_isolated
from pipeline.video.probe import MediaError, probe

PATIENT_S = 60.0


def spin(seconds: float) -> None:
    """Burn CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def ticks(n: int, pause_s: float) -> Iterator[int]:
    for i in range(n):
        time.sleep(pause_s)
        yield i


def complain() -> None:
    raise ValueError("odd  number\nof bits")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all: a child that a test has killed is replaced, as in any use."""
    with Sandbox() as made:
        yield made


def test_results_come_back(sandbox: Sandbox) -> None:
    assert sandbox.run(operator.add, 2, 3, deadline_s=PATIENT_S) == 5
    assert sandbox.run(len, bytes(3 << 20), deadline_s=PATIENT_S) == 3 << 20
    assert len(sandbox.run(bytes, 3 << 20, deadline_s=PATIENT_S)) == 3 << 20


def test_one_child_serves_many_calls(sandbox: Sandbox) -> None:
    pids = {sandbox.run(os.getpid, deadline_s=PATIENT_S) for _ in range(3)}
    assert len(pids) == 1 and os.getpid() not in pids


def test_sleeping_forever_is_a_timeout_and_the_next_call_works(sandbox: Sandbox) -> None:
    before = sandbox.run(os.getpid, deadline_s=PATIENT_S)
    start = time.monotonic()
    with pytest.raises(MediaError) as error:
        sandbox.run(time.sleep, 600, deadline_s=0.5, stage="probe")
    assert (error.value.stage, error.value.type) == ("probe", "timeout")
    assert time.monotonic() - start < 30
    assert sandbox.run(os.getpid, deadline_s=PATIENT_S) != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_busy_forever_is_a_timeout(sandbox: Sandbox) -> None:
    with pytest.raises(MediaError) as error:
        sandbox.run(spin, 600.0, deadline_s=0.1)
    assert error.value.type == "timeout"


@pytest.mark.parametrize(
    ("fn", "args", "type", "word"),
    [
        (ctypes.string_at, (0,), "crashed", "SIGSEGV"),
        (os.abort, (), "crashed", "SIGABRT"),
        (os._exit, (3,), "crashed", "status 3"),
        (complain, (), "value", "odd number of bits"),
    ],
)
def test_death_is_typed(
    sandbox: Sandbox, fn: object, args: tuple[object, ...], type: str, word: str
) -> None:
    with pytest.raises(MediaError, match=word) as error:
        sandbox.run(fn, *args, deadline_s=PATIENT_S)  # type: ignore[arg-type]
    assert error.value.type == type
    assert sandbox.run(operator.add, 1, 1, deadline_s=PATIENT_S) == 2


def test_memory_is_capped() -> None:
    with pytest.raises(MediaError) as error:
        run_isolated(bytearray, (2 << 30,), deadline_s=PATIENT_S, memory_bytes=1 << 30)
    assert error.value.type == "memory"


def test_stream_counts_silence_and_total(sandbox: Sandbox) -> None:
    got = list(sandbox.stream(ticks, 5, 0.01, silence_s=PATIENT_S, total_s=PATIENT_S))
    assert got == [0, 1, 2, 3, 4]
    seen = []
    with pytest.raises(MediaError) as error:
        for item in sandbox.stream(ticks, 1000, 0.2, silence_s=PATIENT_S, total_s=1.0):
            seen.append(item)
    assert error.value.type == "timeout"
    assert 0 < len(seen) < 20


def test_time_spent_adds_up_over_calls_that_end_and_calls_that_do_not(sandbox: Sandbox) -> None:
    before = sandbox.spent_s
    sandbox.run(spin, 0.2, deadline_s=PATIENT_S)
    first = sandbox.spent_s
    assert first > before + 0.1
    with pytest.raises(MediaError):
        sandbox.run(spin, 600.0, deadline_s=0.2)
    assert sandbox.spent_s >= first + 0.2


def test_time_of_the_consumer_does_not_count(sandbox: Sandbox) -> None:
    sandbox.run(operator.add, 1, 1, deadline_s=PATIENT_S)
    before = sandbox.spent_s
    for item in sandbox.stream(ticks, 3, 0.0, silence_s=PATIENT_S, total_s=PATIENT_S):
        time.sleep(2.0 if item == 0 else 0.0)
    assert sandbox.spent_s - before < 2.0


def test_a_stream_left_early_stops_its_child(sandbox: Sandbox) -> None:
    for _ in sandbox.stream(ticks, 10**9, 0.0, silence_s=PATIENT_S, total_s=PATIENT_S):
        break
    assert sandbox.run(operator.add, 1, 1, deadline_s=PATIENT_S) == 2


def test_media_errors_keep_their_type(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as error:
        run_isolated(probe, (str(tmp_path / "none.mp4"),), deadline_s=PATIENT_S)
    assert (error.value.stage, error.value.type) == ("open", "unreadable")


def test_it_works_from_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\n"
        "from pipeline.video.isolate import run_isolated\n"
        "print(run_isolated(operator.add, (20, 22), deadline_s=60))\n"
    )
    root = Path(__file__).resolve().parents[3]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "42", done.stderr


class Trap:
    """Unpickled, it would leave a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def answer_raw(frame: bytes) -> None:
    """Write to the parent as a decoder could that a file has taken over."""
    os.write(int(sys.argv[2]), frame)
    time.sleep(600)


def test_an_answer_in_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    body = pickle.dumps(("item", Trap(str(tmp_path / "owned"))))
    with Sandbox() as sandbox:
        with pytest.raises(MediaError) as error:
            sandbox.run(
                answer_raw,
                len(body).to_bytes(8, "little") + body,
                deadline_s=PATIENT_S,
                stage="cut",
            )
        assert (error.value.stage, error.value.type) == ("cut", "bad_answer")
        assert sandbox.run(operator.add, 1, 1, deadline_s=PATIENT_S) == 2, "a new child works"
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "owned"))))
    assert (tmp_path / "owned").exists(), "the trap would have worked"


def test_an_answer_without_end_is_not_read() -> None:
    with Sandbox() as sandbox, pytest.raises(MediaError, match="bytes long") as error:
        sandbox.run(answer_raw, (1 << 60).to_bytes(8, "little"), deadline_s=PATIENT_S)
    assert error.value.type == "bad_answer"


def test_what_the_annotation_does_not_name_is_refused() -> None:
    with Sandbox() as sandbox:
        with pytest.raises(MediaError) as error:
            list(sandbox.stream(claims_ticks, silence_s=PATIENT_S, total_s=PATIENT_S))
        assert error.value.type == "bad_answer"


def claims_ticks() -> Iterator[int]:
    yield "no number"  # type: ignore[misc]
