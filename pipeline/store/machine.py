"""What this machine has to give: memory that is free."""

from __future__ import annotations

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes of memory that a process may still take: of the machine, and of the container it runs in; None: unknown."""
    found = [
        each
        for each in (of_machine(Path("/proc/meminfo")), of_container(GROUPS))
        if each is not None
    ]
    return min(found, default=None)


def of_machine(path: Path) -> int | None:
    """What ``/proc/meminfo`` says is available; None where there is no such file."""
    try:
        lines = path.read_text().splitlines()
    except OSError:  # no Linux
        return None
    sizes = {line.partition(":")[0]: line.split() for line in lines}
    return int(sizes["MemAvailable"][1]) * 1024 if "MemAvailable" in sizes else None


def of_container(folder: Path) -> int | None:
    """What a container may take beyond what it holds and cannot give back."""
    try:
        most = (folder / "memory.max").read_text().strip()
        held = int((folder / "memory.current").read_text())
        stats = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    cached = int(stats.get("inactive_file", 0)) + int(stats.get("active_file", 0))
    return None if most == "max" else max(0, int(most) - held + cached)
