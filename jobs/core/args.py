"""Command-line options from a dataclass: its fields are the options, their docstrings the help."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from jobs.core.console import warn
from jobs.core.errors import EXIT_USAGE, UserError, unknown
from jobs.core.examples import examples_text
from jobs.core.grouped_help import plain_boxes, regroup
from pipeline.store.paths import Location, location
from pipeline.training.device import check_device_name

T = TypeVar("T")
NARROWEST, COLUMN, ONE_PIECE = 60, 100, 4000
"""Columns of a help at least, of one whose groups stand below each other, and of an error, which becomes one line."""
SHOWN = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
"""No ``--no-x`` beside ``--x``, no ``{None}``."""


def folder_named(text: str) -> Location:
    """A path or URI of the command line; ValueError for an empty one, which would be the working directory."""
    if not text:
        raise ValueError("'' names no folder; write . for this one")
    return location(text)


Folder = Annotated[
    Location,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH|URI",
        instance_from_str=lambda words: folder_named(words[0]),
        is_instance=lambda value: isinstance(value, Location),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""Option that takes a local path or the URI of an object store."""
NAMED = tyro.constructors.ConstructorRegistry()
"""How options become values, beside tyro's own ways."""


@NAMED.primitive_rule
def _path_rule(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """An empty path is refused: it would be the working directory."""
    if info.type is not Path:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: Path(_not_empty(words[0])),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


EMPTY = "'' names no file or folder; write . for this folder"


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError(EMPTY)
    return text


Data = Annotated[str, tyro.conf.arg(metavar="PATH|URI")]
"""The same, kept as it was written: for settings that are stored as plain values."""


def _device(words: list[str]) -> str:
    check_device_name(words[0])
    return words[0]


Device = Annotated[
    str,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="DEVICE",
        instance_from_str=_device,
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    ),
    tyro.conf.arg(help="Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."),
]
"""Option that names a device, with its help: auto, cpu, cuda or cuda:N."""


def one_of(names: Iterable[str]) -> str:
    """Names as a help says them: ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def parse_args(cls: type[T], argv: list[str], command: str) -> T:
    """Parse ``argv`` into ``cls`` with tyro; ``--help`` prints and exits, wrong usage is one line.

    ``command`` is the word after ``filmstock``, for the usage line. The class docstring is the description.
    """
    panel, shown = io.StringIO(), _Shown()
    try:
        with (
            contextlib.redirect_stderr(panel),
            contextlib.redirect_stdout(shown),
            _columns(_width(helping=bool({"-h", "--help"} & set(argv)))),
        ):
            parsed = tyro.cli(
                cls, args=argv, prog=f"filmstock {command}", config=SHOWN, registry=NAMED
            )
    except SystemExit as stop:
        if stop.code != EXIT_USAGE:
            text = regroup(shown.text(), cls)
            ours = (sys.stdout.encoding or "").lower() == "utf-8"
            print((text if ours else plain_boxes(text)) + examples_text(command), end="")
            raise
        refuse_unknown(cls, argv, command)
        told = flatten_panel(panel.getvalue())
        told = re.sub(r"Could not find valid parse for arguments: \[.*?''.*?\]", EMPTY, told)
        raise UserError(name_option(told)) from None
    refuse_empty(parsed)
    tell_twice(cls, argv, command)
    return parsed


def refuse_empty(parsed: Any) -> None:
    """UserError for an option that is given as an empty text where something else is usual: it names nothing."""
    for each in dataclasses.fields(parsed) if dataclasses.is_dataclass(parsed) else ():
        value = getattr(parsed, each.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            refuse_empty(value)
        elif value == "" and each.default not in ("", dataclasses.MISSING):
            name = f"--{each.name.strip('_').replace('_', '-')}"
            raise UserError(f"{name} '' is empty; give something, or leave {name} out")


class _Shown(io.TextIOWrapper):
    """Holds a help, which has colours where the terminal behind it shows them, and boxes that ``plain_boxes`` knows."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def text(self) -> str:
        """What was printed."""
        self.seek(0)
        return self.read()

    def isatty(self) -> bool:
        return bool(sys.__stdout__ and sys.__stdout__.isatty())


def _width(*, helping: bool) -> int:
    """How wide tyro writes: a help as wide as the terminal and never a letter a line, an error in one piece."""
    return max(NARROWEST, shutil.get_terminal_size().columns) if helping else ONE_PIECE


@contextlib.contextmanager
def _columns(wide: int) -> Iterator[None]:
    """Have tyro write lines of ``wide`` characters."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(wide)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


@functools.cache
def options_of(cls: type) -> dict[str, str]:
    """Option -> ``one``, ``many`` values or ``repeatable``, as the help of ``cls`` names them."""
    told = io.StringIO()
    # one group below the other, whatever the terminal: a wide one has groups side by side, a narrow one takes seconds
    with _columns(COLUMN), contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        tyro.cli(cls, args=["--help"], config=SHOWN)
    found = {"--help": "repeatable"}
    name = ""
    for line in told.getvalue().splitlines():
        if match := re.match(r"[│|]? *(?:-\w, )?(--[a-z][\w-]*)( \[)?", line):
            name = match[1]
            found.setdefault(name, "many" if match[2] else "one")
        if name and "(repeatable)" in line:
            found[name] = "repeatable"
    return found


def given_options(argv: list[str]) -> list[str]:
    """Options of a command line as they are written, without their values."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    return [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]


def tell_twice(cls: type, argv: list[str], command: str) -> None:
    """Say of an option that stands twice that the last counts; UserError for one that takes many, of which some go."""
    given = [word.replace("_", "-") for word in given_options(argv)]
    twice = [word for word in dict.fromkeys(given) if given.count(word) > 1]
    known = options_of(cls) if twice else {}
    for word in twice:
        if known.get(word) == "many":
            raise UserError(f"{word} is given twice; give it once, with all its values behind it")
        if known.get(word) == "one":
            warn(f"{command}: {word} is given twice; the last counts")


def refuse_unknown(cls: type, argv: list[str], command: str) -> None:
    """UserError for an option that ``cls`` does not have, with the nearest that it has."""
    known = options_of(cls)
    for word in given_options(argv):
        if word.replace("_", "-") not in known:
            raise UserError(
                f"{unknown('option', word, known)} (filmstock {command} --help lists them)"
            )


def name_option(message: str) -> str:
    """A config's word on a field that is out of bounds (``pipeline.bounds``) as one on its option."""
    found = re.search(
        r"Error parsing [\w.-]+: (\w+ is .+?; it must be .+?)(?: For full|$)", message
    )
    return name_refusal(name_type(message)) if found is None else name_bound(found[1])


def name_bound(message: str) -> str:
    """``max_frames is 0; it must be at least 1`` -> ``--max-frames 0: it must be at least 1``."""
    return re.sub(
        r"^(\w+) is (.+); it (must be .+)$",
        lambda found: f"--{found[1].replace('_', '-')} {found[2]}: it {found[3]}",
        message,
    )


def name_type(message: str) -> str:
    """Python's word on text that is no number as one on its option; any other message as it is."""
    found = re.search(
        r"Error parsing (\S+): (?:no type matching .+? Got errors: - .+?: )?"
        r"(?:invalid literal for (int).*?|could not convert string to (float)): "
        r"('.*?') Argument helptext: (.*?)(?: For full|$)",
        message,
    )
    if found is None:
        return name_pairs(message)
    kind = "a whole number" if found[2] else "a number"
    return f"{found[1]} {found[4].strip(chr(39)) or found[4]}: it must be {kind}; {found[5]}"


def name_pairs(message: str) -> str:
    """The parser's word on what should be pairs as one that says how; any other message as it is."""
    found = re.search(
        r"^Error parsing (\S+): Failed to parse key-value pairs! Argument helptext: (.*?)(?: For full|$)",
        message,
    )
    return f"{found[1]}: give a name and a number each time; {found[2]}" if found else message


def name_refusal(message: str) -> str:
    """What one of our types says of a value, without the parser's words around it; any other message as it is."""
    found = re.search(
        r"^Error parsing (\S+): (?:no type matching .+? Got errors: - .+\)\]: )?"
        r"(.*?;.*?) (?:Argument helptext: |For full ).*$",
        message,
    )
    if found is None:
        return message
    return f"{found[1]}: {found[2]}" if found[1].startswith("--") else found[2]


def flatten_panel(panel: str) -> str:
    """tyro's boxed error as one line: frame characters dropped, title and text joined."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in panel.splitlines()]
    lines = [re.sub(r"[│╭╮╰╯─]+|-{9,}", " ", line).strip() for line in lines]
    words = [" ".join(line.split()) for line in lines[1:] if line.strip()]
    return " ".join(words) or " ".join(lines).strip()
