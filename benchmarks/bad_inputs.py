"""Wrong inputs over all commands: each must end in one line that says what was wrong, where, and how to mend it.

    python -m benchmarks.bad_inputs                    # all cases, each in a forked child; a sample as real processes
    python -m benchmarks.bad_inputs --only train-dit   # the cases of one command
    python -m benchmarks.bad_inputs --part 2/8         # the second eighth of the cases
    python -m benchmarks.bad_inputs --processes all    # every case as a real process

A case passes when stderr is exactly one line that starts with ``filmstock: ``, names the wrong value and its place, and
says what to do; when the exit code is 2 (4 for an unsafe prompt); and when no file or folder came, went or changed:
names, modes and contents are hashed before and after. Children are forked from a process that has imported the heavy
libraries, so they are quick; a child tells which of these its command asked for, and their import is added to its
processor time. Real processes are measured: user and system, for a busy machine lies by the clock.
Exit code 1 if a case fails or a command takes more than 2 s of processor time.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bad_input_cases import all_cases
from benchmarks.bad_input_cases.case import Case
from benchmarks.bad_input_cases.heavy import SECONDS, START_S, Asked
from benchmarks.bad_input_cases.places import ROOT, build

MOST_S = 2.0
"""Processor time that a real process may take until it has said its line, seconds."""
DEADLINE_S = 90
"""Seconds after which a child is killed."""
MOST_CPU_S = 8
"""Processor time after which a child is killed: it works, in place of refusing."""
FIX = re.compile(
    r"\b(give|giving|use|must|choose|run|write|name|known|did you mean|make|makes|check|pick|set|remove|raise|lower|"
    r"leave|add|paint|install|say where|try|wait|takes|needs|save|train one|there are|at least|at most|put|free|"
    r"rename)\b"
)
"""Words with which a line says what to do."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    wall_s: float
    cpu_s: float
    """Processor time; of a forked child with what a real process would have had to import."""
    imports: tuple[str, ...] = ()
    """Slow libraries that a forked child asked for."""

    @property
    def message(self) -> str:
        """The line without the program's name."""
        return self.err.strip().removeprefix("filmstock: ")


_HASHES: dict[tuple[int, ...], str] = {}
"""Inode, size and time of change, which no program sets -> hash of the content."""


def snapshot(place: Path) -> dict[str, str]:
    """Everything below a folder: relative path -> kind, mode and hash of the content."""
    import xxhash

    found = {}
    for folder, names, files in os.walk(os.fsencode(place)):
        for name in (*names, *files):
            path = os.path.join(folder, name)
            at = os.lstat(path)
            told = f"{at.st_mode:o}"
            if os.path.isfile(path):
                key = (at.st_ino, at.st_size, at.st_ctime_ns)
                if key not in _HASHES:
                    with open(path, "rb") as file:
                        _HASHES[key] = xxhash.xxh3_64_hexdigest(file.read())
                told += " " + _HASHES[key]
            found[os.fsdecode(os.path.relpath(path, os.fsencode(place)))] = told
    return found


def difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Paths that came, went or changed."""
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def run_forked(case: Case, place: Path) -> Outcome:
    """The command in a child of this process, which has imported most of what a command needs."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as asked,
    ):
        start = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _in_child(case, place, out.fileno(), err.fileno(), asked.fileno())
        end = start + DEADLINE_S
        while True:
            pid, status, used = os.wait4(child, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                _, status, used = os.wait4(child, 0)
                break
            time.sleep(0.005)
        wall = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        asked.seek(0)
        imports = tuple(asked.read().decode().split())
        return Outcome(
            code=os.waitstatus_to_exitcode(status),
            out=out.read().decode("utf-8", "replace"),
            err=err.read().decode("utf-8", "replace"),
            wall_s=wall,
            cpu_s=START_S + used.ru_utime + used.ru_stime + sum(SECONDS[name] for name in imports),
            imports=imports,
        )


def _in_child(case: Case, place: Path, out: int, err: int, asked: int) -> None:
    code = 70
    watch = Asked(list(SECONDS))
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - to the end of this process
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.chdir(place)
        for name, value in case.env:
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
        if case.user:
            give_up_rights()
        sys.argv = ["filmstock", *case.command]
        from jobs.cli import main

        try:
            code = main(list(case.command))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # what would be a traceback of the interpreter's
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        code = 1
    finally:
        os.write(asked, " ".join(watch.names).encode())
        os._exit(code)


def run_process(case: Case, place: Path) -> Outcome:
    """The command as a user runs it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **dict(case.env)}
    env = {name: value for name, value in env.items() if value is not None}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *case.command],
        cwd=place,
        env=env,
        capture_output=True,
        timeout=10 * DEADLINE_S,
        preexec_fn=give_up_rights if case.user else None,
    )
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return Outcome(code=done.returncode, out=out, err=err, wall_s=wall, cpu_s=cpu)


def give_up_rights() -> None:
    """Let root be refused like any user: drop the rights to read and write what a file's mode forbids."""
    import ctypes

    if os.getuid():
        return
    override, search, drop = 1, 2, 24  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice, for 64 rights
    for right in (override, search):
        libc.prctl(drop, right, 0, 0, 0)
    libc.capget(header, sets)
    for number in range(3):
        sets[number] &= ~(1 << override | 1 << search)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def mend(place: Path, before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Remove what a command made though it should not have; what it changed stays changed, and is told once."""
    for name in sorted(after.keys() - before.keys(), reverse=True):
        path = place / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return snapshot(place) if after.keys() - before.keys() else after


def faults(case: Case, outcome: Outcome, touched: list[str]) -> list[str]:
    """What is wrong with the answer to a wrong input; empty when it is as it should be."""
    found = []
    if outcome.code != case.code:
        found.append(f"exit code {outcome.code}, not {case.code}")
    lines = outcome.err.splitlines()
    if len(lines) != 1:
        found.append(f"{len(lines)} lines on stderr")
    if not outcome.err.startswith("filmstock: "):
        found.append("does not start with 'filmstock: '")
    found += [f"does not say {text!r}" for text in case.says if text not in outcome.err]
    if case.code == 2 and not FIX.search(outcome.err):
        found.append("says no fix")
    touched = [name for name in touched if name not in case.may]
    if touched:
        found.append(f"touched {', '.join(touched[:4])}")
    return found


def warm() -> None:
    """Import what commands import, so that forked children need not."""
    import duckdb  # noqa: F401
    import numpy  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import ray  # noqa: F401
    import rich.console  # noqa: F401
    import torch
    import transformers  # noqa: F401
    import tyro  # noqa: F401

    from jobs.commands import COMMANDS

    torch.set_num_threads(1)
    for command in COMMANDS.values():
        importlib.import_module(command.target.partition(":")[0])
    gc.freeze()  # pages of what is loaded stay shared with the children


def sample_of(cases: list[Case], wanted: str) -> list[Case]:
    """The cases that are also run as real processes: all, or a number of each command's."""
    if wanted == "all":
        return cases
    chosen: list[Case] = []
    for command in dict.fromkeys(case.command[:1] for case in cases):
        of = [case for case in cases if case.command[:1] == command]
        chosen += random.Random(7).sample(of, min(int(wanted), len(of)))
    return chosen


def main() -> int:
    """Run the cases, print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="cases of these commands")
    parser.add_argument(
        "--processes", default="1", help="cases of each command run as processes, or all"
    )
    parser.add_argument("--place", type=Path, help="keep the folders here and use them again")
    parser.add_argument(
        "--without-run",
        action="store_true",
        help="only cases that need no curated run and no trained models",
    )
    parser.add_argument("--part", help="N/M: the N-th of M parts of the cases")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    options = parser.parse_args()
    cases = [
        case
        for case in all_cases()
        if not options.only or case.command[:1] and case.command[0] in options.only
    ]
    if options.without_run:
        made = re.compile(r"(run|dit|vae|state)(-\w+)?|other\.safetensors|films/.*")
        cases = [case for case in cases if not any(made.fullmatch(word) for word in case.command)]
    if options.part:
        part, parts = map(int, options.part.split("/"))
        cases = cases[(part - 1) * len(cases) // parts : part * len(cases) // parts]
    with tempfile.TemporaryDirectory() as temporary:
        place = options.place or Path(temporary) / "place"
        Path(temporary).chmod(0o755)
        if not place.exists():
            build(place, ray=not options.without_run)
        warm()
        before, bad, late, rows = snapshot(place), 0, 0, []
        for number, case in enumerate(cases, 1):
            outcome = run_forked(case, place)
            after = snapshot(place)
            wrong = faults(case, outcome, difference(before, after))
            bad += bool(wrong)
            late += outcome.cpu_s > MOST_S
            rows.append((case, outcome))
            mark = "BAD " if wrong else "LATE" if outcome.cpu_s > MOST_S else "ok  "
            print(
                f"{number:>3} {mark} {outcome.cpu_s:5.2f} s {','.join(outcome.imports):<8} {shown(case)}",
                flush=True,
            )
            print(f"              {outcome.message[-600:] if wrong else outcome.message}")
            for text in wrong:
                print(f"          --> {text}")
            before = mend(place, before, after)
        times = {}
        for case in sample_of(cases, options.processes):
            outcome = run_process(case, place)
            after = snapshot(place)
            wrong = faults(case, outcome, difference(before, after))
            bad, before = bad + bool(wrong), mend(place, before, after)
            late += outcome.cpu_s > MOST_S
            times[case] = outcome
            mark = "BAD" if wrong else "LATE" if outcome.cpu_s > MOST_S else "ok"
            print(
                f"process {mark:<4} {outcome.cpu_s:5.2f} s cpu {outcome.wall_s:5.2f} s  {shown(case)}",
                flush=True,
            )
            for text in wrong:
                print(f"          --> {text}: {outcome.message[-600:]}")
    if options.markdown:
        options.markdown.write_text(table(rows, times))
    if times:
        slowest = max(outcome.cpu_s for outcome in times.values())
        print(f"{len(times)} real processes, slowest {slowest:.2f} s of processor time")
    print(f"{len(cases)} wrong inputs, {bad} without a good answer, {late} after {MOST_S:g} s")
    return 1 if bad or late else 0


def shown(case: Case) -> str:
    """The command line."""
    import shlex

    return "filmstock " + shlex.join(case.command).encode("utf-8", "backslashreplace").decode()


def table(rows: list[tuple[Case, Outcome]], times: dict[Case, Outcome]) -> str:
    """Command, message, code and seconds as a Markdown table; seconds of real processes are marked."""
    lines = ["| command | message | code | s |", "|---|---|---|---|"]
    for case, outcome in rows:
        seconds = f"{times[case].cpu_s:.1f}*" if case in times else f"{outcome.cpu_s:.1f}"
        cells = (
            shown(case).removeprefix("filmstock "),
            outcome.message,
            str(outcome.code),
            seconds,
        )
        lines.append(
            "| " + " | ".join(json.dumps(c)[1:-1].replace("|", "\\|") for c in cells) + " |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
