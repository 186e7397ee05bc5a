"""Exactly-once: kill -9 at random moments, rerun to the end, compare with a run that nobody disturbed.

    python -m benchmarks.chaos --kills 50 --sources 40

``filmstock ingest`` runs over sources of several codecs, broken ones and copies among them. Again and again the
driver, a Ray worker or the raylet is killed at a random moment and the same command is run again, in a fresh folder
whenever one is finished. After every kill each visible file must be one that the undisturbed run wrote, byte for
byte; at the end all of them must be there, every source accounted for, every clip once, and nothing half-written left
behind. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.chaos_check import check_end, check_now, visible
from benchmarks.chaos_kill import VICTIMS, members, strike, sweep
from benchmarks.mutants import BASES, write_video

PATIENCE_S = 900.0
"""Longest wait for a run before it counts as hanging, seconds."""


def main() -> int:
    """Make the sources, run once in peace, then kill until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--sources", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", nargs="+", default=list(VICTIMS), choices=VICTIMS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        wrong = chaos(Path(name), args.kills, args.sources, args.seed, tuple(args.victims))
    for line in wrong:
        print(f"WRONG: {line}")
    print("nothing lost, nothing twice" if not wrong else f"{len(wrong)} findings")
    return 1 if wrong else 0


def chaos(
    folder: Path, kills: int, sources: int, seed: int, victims: tuple[str, ...] = VICTIMS
) -> list[str]:
    """Everything that was wrong, one line each; prints what it does."""
    raw, calm = folder / "raw", folder / "calm"
    raw.mkdir()
    write_sources(raw, sources)
    began = time.monotonic()
    code = finish(start(raw, calm, folder))
    calm_s = time.monotonic() - began
    if code != 3:
        return [f"the undisturbed run left with exit code {code}, not 3 (some sources are broken)"]
    want = visible(calm)
    wrong = check_end(calm, want, raw)
    print(f"undisturbed: {sources} sources, {len(want)} files, {calm_s:.0f} s", flush=True)
    rng, rounds, struck, lived = random.Random(seed), 0, Counter[str](), Counter[str]()
    while sum(struck.values()) < kills and not wrong:
        out = folder / f"round-{rounds:03d}"
        for attempt in range(1000):
            enough = sum(struck.values()) >= kills
            victim = None if enough else victims[rng.randrange(len(victims))]
            code, hit = run_and_strike(raw, out, folder, victim, rng, calm_s)
            if hit:
                struck[str(victim)] += 1
                lived[str(victim)] += code == 3
                last = (folder / "log.txt").read_text(errors="replace").strip().splitlines()[-1:]
                print(f"  {victim} killed: exit code {code}: {''.join(last)[:150]}", flush=True)
            wrong += [f"round {rounds}, run {attempt}: {line}" for line in check_now(out, want)]
            if code == 3:
                break
            if not hit:
                wrong.append(f"round {rounds}, run {attempt}: exit code {code} without a kill")
            if wrong:
                break
        wrong += [f"round {rounds}: {line}" for line in check_end(out, want, raw)]
        rounds += 1
        told = ", ".join(f"{n} {name} ({lived[name]} lived)" for name, n in struck.items())
        print(f"round {rounds}: {attempt + 1} runs; killed so far: {told}", flush=True)
    return wrong


def run_and_strike(
    raw: Path, out: Path, folder: Path, victim: str | None, rng: random.Random, calm_s: float
) -> tuple[int, bool]:
    """One run with at most one kill at a random moment: (exit code, whether something was killed)."""
    process = start(raw, out, folder)
    hit = False
    if victim is not None:
        hit = strike(process, victim, rng, calm_s)
    try:
        return finish(process), hit
    finally:
        sweep(process)


def start(raw: Path, out: Path, folder: Path) -> subprocess.Popen[bytes]:
    """``filmstock ingest`` in a session of its own; its output goes to a log in ``folder``."""
    command = [sys.executable, "-m", "jobs.cli", "ingest", str(raw), "--out", str(out)]
    command += ["--set", "ingest.min_clip_s=0.2", "--set", "openclip.frames=2"]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )


def finish(process: subprocess.Popen[bytes]) -> int:
    """Exit code of the run; -1000 when it hangs, and is then killed."""
    try:
        return process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        print(f"hangs: {len(members(process))} processes", flush=True)
        process.kill()
        process.wait()
        return -1000


def write_sources(raw: Path, count: int) -> None:
    """``count`` files: every codec in turn, each with its own length; every eighth broken, every ninth a copy."""
    os.environ.setdefault("SVT_LOG", "1")
    bases = list(BASES.items())
    for number in range(count):
        name, (codec, pixel_format) = bases[number % len(bases)]
        path = raw / f"{number:03d}-{name}"
        if number % 9 == 8:
            path.write_bytes(
                (raw / f"{number - 8:03d}-{bases[(number - 8) % len(bases)][0]}").read_bytes()
            )
            continue
        write_video(path, codec, pixel_format, frames=24 + 3 * number)
        if number % 8 == 7:
            path.write_bytes(path.read_bytes()[:64])


if __name__ == "__main__":
    sys.exit(main())
