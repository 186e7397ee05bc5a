"""The ``filmstock`` command: a table of commands in the order of the data flow, each imported when it is run.

Exit codes: 0 done, 2 wrong usage or input (one line says what and how to fix it), 3 done in part (some inputs
quarantined or failed; the tables say which), 4 a prompt was refused as unsafe, 1 a bug of ours (with its traceback).
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import traceback
from pathlib import Path

from jobs.commands import COMMANDS, GROUPS, Command
from jobs.core.console import logged_lines
from jobs.core.errors import (
    EXIT_CRASH,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
    Refused,
    UserError,
    unknown,
)
from pipeline.store.disk import disk_trouble

WITHOUT_PANDAS = frozenset({"select"})
"""Commands that nothing but pyarrow would import pandas for."""


class NoPandas:
    """A finder of modules that finds no pandas: pyarrow imports it for the first array it makes, half a second long."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, leave every other module to the finders that follow."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not used by this command", name=name)


SAID = frozenset({"ValueError", "UserError"})
"""Kinds of errors whose text says it all."""
LACKING = r'^.?Field "(\w+)" does not exist in schema'
"""pyarrow's word on a table without a column that is asked for."""
NAMES_AT_FAULT = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "give what the link was to lead to",
}
"""Errors of the system about a name, whatever asks -> what to do."""
LOST = frozenset(
    {
        "ActorDiedError",
        "ActorUnschedulableError",
        "NodeDiedError",
        "OwnerDiedError",
        "RaySystemError",
        "TaskUnschedulableError",  # it was bound to a node that is gone
        "WorkerCrashedError",
    }
)
"""Ray's words for a process of its own that is gone; by name, for Ray is not imported here."""


def help_text() -> str:
    """The top-level help, built from the table alone: nothing is imported for it."""
    left = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    lines = [
        "filmstock: raw footage to a trained video generator",
        "",
        "usage: filmstock COMMAND ...",
        "",
    ]
    for title, group in GROUPS.items():
        lines.append(f"{title}")
        for name, command in group.items():
            lines.append(f"  {f'{name} {command.usage}':<{left}}  {command.about}")
        lines.append("")
    lines += [
        "filmstock COMMAND --help   the options of a command",
        "filmstock --version        version",
        "exit codes: 0 done, 2 wrong usage or input, 3 done in part, 4 prompt refused as unsafe, 1 bug",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run ``filmstock`` with ``argv`` (default: the process's arguments) and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["help"] and len(args) > 1:
        args = [args[1], "--help"]
    if not args or args[0] in ("-h", "--help", "help"):
        print(help_text())
        return EXIT_OK if args else _fail("no command; give one of those above")
    if args[0] in ("-V", "--version", "version"):
        print(f"filmstock {version()}")
        return EXIT_OK
    name = args[0]
    if argv is None and name in WITHOUT_PANDAS:
        # only in a process of the command's own, since pyarrow asks but once
        sys.meta_path.insert(0, NoPandas())
    command = COMMANDS.get(name)
    if command is None:
        return _fail(f"{unknown('command', name, COMMANDS)} (filmstock --help lists them)")
    return _run(command, args[1:])


def version() -> str:
    """Version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("filmstock")
    except PackageNotFoundError:
        return "(not installed; run from a checkout)"


def _run(command: Command, args: list[str]) -> int:
    module, _, function = command.target.partition(":")
    try:
        with logged_lines():
            code = getattr(importlib.import_module(module), function)(args)
        return EXIT_OK if code is None else int(code)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):  # rich ends so where nobody reads on
            raise
        return EXIT_OK
    except BrokenPipeError:  # `filmstock inspect DIR | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:  # noqa: BLE001 - the last boundary: one line for the user's errors, a traceback for ours
        line = user_message(error)
        if line is None or os.environ.get("FILMSTOCK_TRACEBACK"):
            traceback.print_exc()
            return EXIT_CRASH if line is None else EXIT_USAGE
        return EXIT_REFUSED if isinstance(error, Refused) and _fail(line) else _fail(line)


def user_message(error: BaseException) -> str | None:
    """One line for an error that the user can fix, None for a bug.

    Fixable: UserError; a ValueError that our own code raised (its text says what, where and how); a file that is
    missing or unreadable; a disk that is full or read-only. A ValueError out of a dependency is a bug of ours, and
    keeps its traceback.
    """
    cause = getattr(error, "cause", None)  # Ray wraps what a worker raised
    if isinstance(cause, Exception) and (line := user_message(cause)) is not None:
        return line
    if isinstance(error, UserError):
        return _one_line(error)
    if (line := start_failure(error)) is not None:
        return line
    if type(error).__module__ == "ray.exceptions" and type(error).__name__ in LOST:
        return (
            f"Ray lost one of its processes ({type(error).__name__}: killed, or out of memory); "
            "run the same command again, it goes on from what is finished"
        )
    if isinstance(error, OSError) and (line := disk_trouble(error)) is not None:
        return line
    if isinstance(error, OSError) and error.errno in NAMES_AT_FAULT:
        return f"{error.filename}: {error.strerror}; {NAMES_AT_FAULT[error.errno]}"
    if isinstance(error, KeyError) and (lacks := re.search(LACKING, str(error))):
        return (
            f"a table lacks the column {lacks[1]!r}; write it again with the command that made it"
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return f"{error.object[:200]!r} is not UTF-8 text; use a name that is"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):
        return f"{error}; give what the link was to lead to"
    if isinstance(
        error,
        FileNotFoundError
        | FileExistsError
        | PermissionError
        | IsADirectoryError
        | NotADirectoryError
        | ConnectionError,
    ):
        name = error.filename if isinstance(error.filename, str) else None
        if isinstance(error, PermissionError) and name:
            return f"{name}: {error.strerror}; run as a user who may, or change its permissions"
        return f"{name}: {error.strerror}" if name else _one_line(error)
    if isinstance(error, ValueError) and _raised_by_us(error):
        return _one_line(error)
    return None


def start_failure(error: BaseException) -> str | None:
    """What a Ray worker raised when it started, such as a model that its node does not have; None for anything else."""
    text = str(error)
    if type(error).__module__ != "ray.exceptions" or "creation task" not in text:
        return None
    raised = re.findall(r"^(?:\w+\.)*(\w*(?:Error|Exception)): (.+)$", text, re.MULTILINE)
    if not raised:
        return None
    node = re.search(r"\bip=([\d.]+)", text)
    where = f" on node {node[1]}" if node else ""
    kind, said = raised[-1]
    return f"a worker{where} cannot start: {said if kind in SAID else f'{kind}: {said}'}"


def _raised_by_us(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    root = Path(__file__).resolve().parent.parent
    ours = [root / name for name in ("pipeline", "captioner", "vae", "dit", "jobs")]
    return bool(frames) and any(folder in Path(frames[-1].filename).parents for folder in ours)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _fail(message: str) -> int:
    print(f"filmstock: {message}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
