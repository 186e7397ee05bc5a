"""Who is killed, and when: the processes of one run, found by the session they were started in."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

VICTIMS = ("driver", "worker", "raylet")
EARLY = 0.2
"""Share of kills at any moment of a run, Ray's start included; the others wait until its workers are there."""
NO_WORKER = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Workers that hold nothing, and agents whose death takes the raylet with them."""
START_S = 300.0
"""Longest wait for Ray's workers, seconds."""


def strike(
    process: subprocess.Popen[bytes], victim: str, rng: random.Random, calm_s: float
) -> bool:
    """Wait for a random moment and kill -9 the victim; False when the run ended before."""
    if rng.random() >= EARLY or victim != "driver":
        if not wait_for(process, "worker"):
            return False
        calm_s /= 2
    end = time.monotonic() + rng.uniform(0, calm_s)
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    return kill_one(process, victim, rng)


def kill_one(process: subprocess.Popen[bytes], victim: str, rng: random.Random) -> bool:
    """Kill -9 one of the victims that are there now; False when the run ended before."""
    pids = find(process, victim)
    if process.poll() is not None or not pids:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(rng.choice(pids), signal.SIGKILL)
        return True
    return False


def wait_for(process: subprocess.Popen[bytes], victim: str) -> bool:
    """Wait until there is such a process; False when the run ended before."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if find(process, victim):
            return True
        time.sleep(0.02)
    return False


def find(process: subprocess.Popen[bytes], victim: str) -> list[int]:
    """Ids of the processes of a run that are its ``driver``, its ``raylet`` or ``worker``s that hold an actor."""
    if victim == "driver":
        return [process.pid]
    found = []
    for pid in members(process):
        name = command(pid)
        if victim == "raylet" and name.split(" ")[0].endswith("/raylet"):
            found.append(pid)
        if victim == "worker" and name.startswith("ray::") and not name.startswith(NO_WORKER):
            found.append(pid)
    return found


def members(process: subprocess.Popen[bytes]) -> list[int]:
    """Ids of the processes of the session that ``process`` leads."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry)) == process.pid:
                    found.append(int(entry))
    return found


def command(pid: int) -> str:
    """Command line of a process, empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def sweep(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a run's session: a killed driver's Ray may take seconds to notice."""
    for pid in members(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
