"""A mutation run: small faults planted one by one in a module, and the tests that let them pass.

    make mutate MODULE="pipeline/loader/order.py captioner/check/checks.py"

Runs mutmut in a scratch folder, ``.mutants/``, with the module's own tests (``modules.toml`` names further ones). A
second run asks again only for mutants of functions that changed and for those that survived; remove the folder to
start anew, as after weakening tests. ``SAMPLE=150`` before it asks for as many mutants of each module, drawn by their
names and always the same. Survivors that change nothing a user could see are in ``accepted.toml``, each with its
reason; the rest is printed as a diff. The exit code is 1 when fewer than 85 % of the others are killed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SCRATCH = ROOT / ".mutants"
PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs")
LEAST = 0.85
"""Share of the mutants that are not accepted that must be killed."""
SEED = 0
"""Seed of the draw of a sample of mutants."""
GENERATE = (
    "import mutmut.__main__ as m\n"
    "m.set_mutant_under_test('mutant_generation')\nm.copy_src_dir()\nm.copy_also_copy_files()\n"
    "m.setup_source_paths()\nm.create_mutants(1)\n"
)
"""What mutmut does before it runs mutants; afterwards their names are known."""
SURVIVED, UNTESTED = 0, 33
"""mutmut's exit codes of a mutant that all tests passed, and of one that no test reached."""
HUNG = (-24, 24, 36, 152, 255)
"""Its exit codes of a mutant that was stopped: an endless loop, or tests that hang in a fork whatever is planted."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted fault that no test noticed."""

    function: str
    """``function`` or ``Class.method``."""
    old: str
    """The lines that it replaces, without indentation."""
    new: str
    """What it puts there; empty when it takes them out."""


def accepted(module: str) -> set[Mutant]:
    """Survivors of a module that are known to change nothing, from ``accepted.toml``."""
    entries = tomllib.loads((HERE / "accepted.toml").read_text())["survivor"]
    return {
        Mutant(function=entry["function"], old=entry["old"], new=entry["new"])
        for entry in entries
        if entry["module"] == module
    }


def tests_of(module: str) -> list[str]:
    """Test files that a module's mutants are held to: its own, and those that ``modules.toml`` names."""
    own = Path("tests", module).with_name(f"test_{Path(module).name}")
    further = tomllib.loads((HERE / "modules.toml").read_text())["tests"].get(module, [])
    return [str(own)] * (ROOT / own).exists() + further


def left_out(module: str) -> list[str]:
    """Tests among them that take too long for each mutant, from ``modules.toml``."""
    named: list[str] = tomllib.loads((HERE / "modules.toml").read_text())["left_out"].get(
        module, []
    )
    return named


def drawn(names: Iterable[str], size: int) -> set[str]:
    """So many of the mutants, or all where there are no more: the same ones whenever they are asked for."""
    ordered = sorted(names)
    return set(random.Random(SEED).sample(ordered, min(size, len(ordered))))


def prepare(module: str) -> Path:
    """A folder with links to the checkout and a configuration of its own; survivors of an earlier run are forgotten."""
    folder = SCRATCH / module.removesuffix(".py").replace("/", ".")
    folder.mkdir(parents=True, exist_ok=True)
    others = [
        name for name in (*PACKAGES, "recipes", "benchmarks", "docs") if (ROOT / name).exists()
    ]
    for name in (*others, "tests"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    package = module.partition("/")[0]
    options = {
        "source_paths": [package],
        "only_mutate": [module],
        "also_copy": [name for name in others if name != package],
        "pytest_add_cli_args": [
            *("-p", "no:cacheprovider", "-p", "tests.mutation.forgetful", "-m", "not slow"),
            *(f"--deselect={test}" for test in left_out(module)),
        ],
        "pytest_add_cli_args_test_selection": tests_of(module),
        "use_setproctitle": False,
        "use_git_change_detection": False,
        "track_dependencies": False,
        "timeout_constant": 5.0,
        "timeout_multiplier": 6.0,  # fifteen times a slow test, for each mutant that hangs, is most of a run
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    settings = (ROOT / "pyproject.toml").read_text() + "\n[tool.mutmut]\n" + "\n".join(lines) + "\n"
    (folder / "pyproject.toml").write_text(settings)
    meta = meta_of(folder, module)
    if meta.exists():
        found = json.loads(meta.read_text())
        codes = found["exit_code_by_key"]
        found["exit_code_by_key"] = {
            key: None if code in (SURVIVED, UNTESTED) else code for key, code in codes.items()
        }
        meta.write_text(json.dumps(found, indent=4))
    return folder


def meta_of(folder: Path, module: str) -> Path:
    """The file in which mutmut keeps what became of each mutant."""
    return folder / "mutants" / f"{module}.meta"


def codes_of(meta: Path) -> dict[str, int | None]:
    """What became of each mutant, by its name: mutmut's exit code, None where it was not asked."""
    found: dict[str, int | None] = {}
    return json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else found


def survivors(folder: Path, module: str, asked: set[str]) -> list[Mutant]:
    """Mutants, of those asked for, that no test noticed."""
    codes = codes_of(meta_of(folder, module))
    names = [n for n, code in codes.items() if n in asked and code in (SURVIVED, UNTESTED)]
    code = (
        "import sys\nfrom mutmut.mutation.diff_apply import get_diff_for_mutant\n"
        "for name in sys.stdin.read().split():\n"
        f"    print(name, get_diff_for_mutant(name, path={module!r}), sep='\\n', end='\\0')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input="\n".join(names), text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    found = []
    for text in done.stdout.split("\0")[:-1]:
        name, *diff = text.splitlines()
        function = name.rpartition("__mutmut_")[0].rpartition(".")[2].removeprefix("x")
        sides = {
            sign: "\n".join(
                line[1:].strip()
                for line in diff
                if line.startswith(sign) and not line.startswith(sign * 3)
            )
            for sign in "-+"
        }
        where = function.strip("ǁ").replace("ǁ", ".").removeprefix("_")
        found.append(Mutant(function=where, old=sides["-"], new=sides["+"]))
    return found


def mutate(module: str) -> tuple[int, int, int, list[Mutant]]:
    """Run mutmut over one module: mutants asked for, those that hung, accepted survivors, and the other survivors."""
    folder = prepare(module)
    python = partial(
        subprocess.run, cwd=folder, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "FILMSTOCK_TESTS_PYTHON": sys.executable},  # no warm one a mutant
    )  # fmt: skip
    meta = meta_of(folder, module)
    with (folder / "log.txt").open("w") as log:
        (folder / "mutants").mkdir(exist_ok=True)
        done = python([sys.executable, "-c", GENERATE], stdout=log)
        for _ in range(2):  # where the tests named have changed, mutmut forgets what it knew
            codes = codes_of(meta)
            asked = drawn(codes, int(os.environ.get("SAMPLE") or len(codes)))
            if open_ones := sorted(name for name in asked if codes[name] is None):
                run = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *open_ones]
                done = python(run, stdout=log)
    codes = {name: code for name, code in codes_of(meta).items() if name in asked}
    if not codes or None in codes.values():
        sys.exit(
            f"{module}: mutmut ended with {done.returncode} before its end; see {folder}/log.txt"
        )
    found = survivors(folder, module, asked)
    known = accepted(module)
    return (
        len(codes),
        sum(code in HUNG for code in codes.values()),
        sum(one in known for one in found),
        [one for one in found if one not in known],
    )


def main(modules: list[str]) -> int:
    """Mutate each module and print the survivors and the table."""
    if not modules:
        sys.exit('make mutate MODULE="pipeline/loader/order.py ...": name at least one module')
    low = []
    for module in modules:
        if not (ROOT / module).is_file():
            sys.exit(
                f"{module} is no file of this checkout; give its path, as in dit/rectified_flow.py"
            )
        if not tests_of(module):
            sys.exit(f"{module} has no tests; name some in tests/mutation/modules.toml")
        total, hung, equivalent, open_ones = mutate(module)
        for one in open_ones:
            print(f"{module} {one.function}\n  - {one.old}\n  + {one.new}")
        rate = 1 - len(open_ones) / max(1, total - equivalent)
        low += [module] * (rate < LEAST)
        by_function = Counter(one.function for one in open_ones)
        print(
            f"{module}: {total} mutants, {hung} hung, {equivalent} accepted, {len(open_ones)} survived"
            f" ({', '.join(f'{name} {n}' for name, n in by_function.most_common())}):"
            f" {rate:.0%} killed",
            flush=True,
        )
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
