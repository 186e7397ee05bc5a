"""Lines and branches of each package that the package's own tests run: measured by hand, printed by CI.

    make coverage                       all packages: five minutes of two idle cores, and jobs as long again
    make coverage PACKAGE="vae dit"     these two
    python tests/coverage/measure.py --show

What is measured goes into ``table.toml`` with its date. ``--show`` prints that table and how much each package has
grown or shrunk since; ``test_table.py`` fails when that is too much. What tests run in other processes (commands that
they start, Ray's workers) is not seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("table.toml")
PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs")
HEAD = (
    "# Written by `make coverage`: what each package's own tests run of it, in their own process.\n"
)


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What the tests of one package ran of it."""

    package: str
    date: str
    """Day of the measurement."""
    written: int
    """Lines of its files that were not blank on that day; to see how much was changed since."""
    lines: int
    """Statements."""
    lines_run: int
    branches: int
    """Ways that a statement can go on."""
    branches_run: int


def written_lines(package: str) -> int:
    """Lines of a package's files that are not blank."""
    texts = (path.read_text() for path in sorted((ROOT / package).rglob("*.py")))
    return sum(bool(line.strip()) for text in texts for line in text.splitlines())


def read_table() -> list[Covered]:
    """What was measured last, in the order of the packages."""
    if not TABLE.is_file():
        return []
    return [Covered(**entry) for entry in tomllib.loads(TABLE.read_text())["package"]]


def write_table(found: list[Covered]) -> None:
    """Replace the table."""
    entries = [
        "[[package]]\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in asdict(one).items())
        for one in sorted(found, key=lambda one: PACKAGES.index(one.package))
    ]
    TABLE.write_text(HEAD + "\n" + "\n".join(entries))


def grown(one: Covered) -> float:
    """How much longer the package is than when it was measured, as a share."""
    return written_lines(one.package) / one.written - 1


def table_lines(found: list[Covered]) -> list[str]:
    """The table as lines of text, columns aligned."""
    lines = [f"{'package':<10} {'lines':>17} {'branches':>17}  measured    code since then"]
    for one in found:
        shares = [
            f"{done / total:.1%} of {total:,}"
            for done, total in ((one.lines_run, one.lines), (one.branches_run, one.branches))
        ]
        lines.append(
            f"{one.package:<10} {shares[0]:>17} {shares[1]:>17}  {one.date}  {grown(one):+.1%}"
        )
    for package in PACKAGES:
        if package not in {one.package for one in found}:
            lines.append(f"{package:<10} not measured: make coverage PACKAGE={package}")
    return lines


def measure(package: str) -> Covered:
    """Run the tests of one package under coverage; ends the program with pytest's code when one fails."""
    written = written_lines(package)
    workers = os.environ.get("TEST_WORKERS", "logical")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "found.json"
        words = [
            "-n", workers, "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder",
            f"--cov={package}", "--cov-branch", f"--cov-report=json:{out}",
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, f"tests/{package}"],
            cwd=ROOT, env={**os.environ, "COVERAGE_FILE": str(Path(scratch) / "data")}, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.returncode)
        total = json.loads(out.read_text())["totals"]
    return Covered(
        package=package,
        date=datetime.now(UTC).date().isoformat(),
        written=written,
        lines=total["num_statements"],
        lines_run=total["covered_lines"],
        branches=total["num_branches"],
        branches_run=total["covered_branches"],
    )


def main(words: list[str]) -> None:
    """Measure the packages that are named, or all, and print the table."""
    if words != ["--show"]:
        if unknown := set(words) - set(PACKAGES):
            sys.exit(f"{', '.join(sorted(unknown))}: no package; there are {', '.join(PACKAGES)}")
        for package in words or PACKAGES:
            one = measure(package)
            write_table([*(other for other in read_table() if other.package != package), one])
    print("\n".join(table_lines(read_table())))


if __name__ == "__main__":
    main(sys.argv[1:])
