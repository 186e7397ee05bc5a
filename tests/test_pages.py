"""README and docs: short paragraphs, links that lead somewhere, commands and options that exist, small pictures."""

from __future__ import annotations

import contextlib
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LONGEST = 400
"""Characters of a paragraph or list item at most."""
README_LINES = 150
PICTURES_BYTES = 3 << 20
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def fenced(page: Path) -> tuple[list[str], list[str]]:
    """Lines outside and inside code fences; a fence leaves an empty line outside."""
    outside: list[str] = []
    inside: list[str] = []
    fence = False
    for line in page.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fence = not fence
            outside.append("")
        else:
            (inside if fence else outside).append(line)
    assert not fence, f"{page}: a code fence is never closed"
    return outside, inside


def paragraphs(page: Path) -> Iterator[str]:
    """Running text: paragraphs and list items, without tables, headings, pictures and comments."""
    current: list[str] = []
    for line in [*fenced(page)[0], ""]:
        text = line.strip()
        item = re.match(r"([*-]|\d+\.) ", text)
        if not text or item or text.startswith(("|", "#", "<", "![", ":::")):
            if current:
                yield " ".join(current)
            current = [text[item.end() :]] if item else []
        else:
            current.append(text)


def slug(heading: str) -> str:
    """The anchor that code hosts and mkdocs give a heading."""
    plain = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return re.sub(r"\s+", "-", plain)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_paragraphs_are_short(page: Path):
    assert [text for text in paragraphs(page) if len(text) > LONGEST] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_to_files_and_headings(page: Path):
    text = re.sub(r"<!--.*?-->", "", "\n".join(fenced(page)[0]), flags=re.DOTALL)
    broken = []
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        if not other.exists():
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", "\n".join(fenced(other)[0]), re.MULTILINE)
            if anchor not in map(slug, headings):
                broken.append(target)
    assert broken == []


def typed(page: Path) -> Iterator[list[str]]:
    """Words after ``filmstock`` of every command in the page's code blocks."""
    for line in fenced(page)[1]:
        found = re.match(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*filmstock (.+)$", line.strip())
        if found:
            yield shlex.split(found[1], comments=True)


HELP: dict[str, str] = {}


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``filmstock COMMAND --help`` prints."""
    if command not in HELP:
        module, _, name = COMMANDS[command].target.partition(":")
        with contextlib.suppress(SystemExit):
            getattr(importlib.import_module(module), name)(["--help"])
        HELP[command] = capsys.readouterr().out
    return HELP[command]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_and_options_exist(page: Path, capsys: pytest.CaptureFixture[str]):
    unknown = []
    for words in typed(page):
        command = words[0]
        if command in ("COMMAND", "--help", "--version"):
            continue
        if command not in COMMANDS:
            unknown.append(command)
            continue
        text = help_of(command, capsys)
        for word in words[1:]:
            option = word.partition("=")[0]
            if re.match(r"^--[a-z]", option) and not re.search(rf"{option}(?![\w-])", text):
                unknown.append(f"{command} {option}")
    assert unknown == []


def test_every_command_has_a_line():
    table = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in COMMANDS if not re.search(rf"`{name}\b", table)] == []


def test_the_readme_is_read_in_three_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_pictures_are_small_and_used():
    here = (path for path in (ROOT / "docs" / "pictures").iterdir() if path.is_file())
    pictures = [path for path in here if path.suffix not in (".py", ".md")]
    assert pictures
    assert sum(path.stat().st_size for path in pictures) <= PICTURES_BYTES
    text = "".join(page.read_text() for page in PAGES)
    assert [path.name for path in pictures if f"pictures/{path.name}" not in text] == []
