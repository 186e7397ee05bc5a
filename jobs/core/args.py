"""Command-line options from a dataclass: its fields are the options, their docstrings the help."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Annotated, TypeVar

import tyro

from jobs.core.errors import EXIT_USAGE, UserError
from jobs.core.examples import examples_text
from pipeline.store.paths import Location, location
from pipeline.training.device import check_device_name

T = TypeVar("T")


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
]
"""Option that names a device: auto, cpu, cuda or cuda:N."""


def parse_args(cls: type[T], argv: list[str], command: str) -> T:
    """Parse ``argv`` into ``cls`` with tyro; ``--help`` prints and exits, wrong usage is one line.

    ``command`` is the word after ``filmstock``, for the usage line. The class docstring is the description.
    """
    panel = io.StringIO()
    shown = (
        tyro.conf.FlagCreatePairsOff,
        tyro.conf.DisallowNone,
    )  # no --no-x beside --x, no {None}
    try:
        with contextlib.redirect_stderr(panel):
            return tyro.cli(cls, args=argv, prog=f"filmstock {command}", config=shown)
    except SystemExit as stop:
        if stop.code != EXIT_USAGE:
            print(examples_text(command), end="")
            raise
        raise UserError(name_option(flatten_panel(panel.getvalue()))) from None


def name_option(message: str) -> str:
    """A config's word on a field that is out of bounds (``pipeline.bounds``) as one on its option."""
    found = re.search(
        r"Error parsing [\w.-]+: (\w+ is .+?; it must be .+?)(?: For full|$)", message
    )
    return name_type(message) if found is None else name_bound(found[1])


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
        r"Error parsing (\S+): (?:invalid literal for (int).*?|could not convert string to (float)): "
        r"('.*?') Argument helptext: (.*?)(?: For full|$)",
        message,
    )
    if found is None:
        return message
    kind = "a whole number" if found[2] else "a number"
    return f"{found[1]} {found[4].strip(chr(39))}: it must be {kind}; {found[5]}"


def flatten_panel(panel: str) -> str:
    """tyro's boxed error as one line: frame characters dropped, title and text joined."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in panel.splitlines()]
    lines = [re.sub(r"[│╭╮╰╯─]+|-{9,}", " ", line).strip() for line in lines]
    words = [" ".join(line.split()) for line in lines[1:] if line.strip()]
    return " ".join(words) or " ".join(lines).strip()
