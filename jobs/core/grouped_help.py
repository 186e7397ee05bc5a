"""The boxes of a help by what options are about, in place of the class that they come from."""

from __future__ import annotations

import re

from pipeline.groups import ORDER, groups_of

REST = "options"
"""Title of the options that belong to no group."""


def regroup(text: str, cls: type) -> str:
    """tyro's help of ``cls`` with its options under the titles of their fields (``pipeline.groups``).

    The lines stay as they are; only the boxes change. Text without boxes, and a class without groups, come back as
    they went.
    """
    groups = groups_of(cls)
    lines = text.splitlines(keepends=True)
    bare = [_plain(line).rstrip() for line in lines]
    tops = [number for number, line in enumerate(bare) if line.startswith("╭─")]
    if not groups or not tops:
        return text
    title_of = {name: group.title for name, group in groups.items()}
    found: dict[str, list[str]] = {REST: []}
    kept: list[str] = []
    number, top, bottom = 0, "", ""
    while number < len(lines):
        if not bare[number].startswith("╭─"):
            kept.append(lines[number])
            number += 1
            continue
        end = next(n for n in range(number, len(lines)) if bare[n].startswith("╰"))
        title = bare[number].strip("╭─╮ ")
        if not title.endswith("options"):
            kept += lines[number : end + 1]
        else:
            top, bottom = lines[number], lines[end]
            at = ""
            for n in range(number + 1, end):
                if option := re.match(r"│ +(?:-\w, )?--([a-z][\w-]*)", bare[n]):
                    name = option[1].replace("-", "_")
                    at = title_of.get(name) or title_of.get(name.removeprefix("no_")) or REST
                if at:  # what stands before the first option is the text of a class
                    found.setdefault(at, []).append(lines[n])
        number = end + 1
    titles = [REST, *(group.title for group in ORDER)]
    for title in titles:
        if found.get(title):
            kept += [_titled(top, title), *found[title], bottom]
    return "".join(kept)


def plain_boxes(text: str) -> str:
    """The same for a terminal that cannot draw boxes."""
    return text.translate(str.maketrans("╭╮╰╯│─", "++++|-"))


def _titled(top: str, title: str) -> str:
    """The upper edge of a box with another title, as wide as before."""
    width = len(_plain(top).rstrip("\n"))
    edge = f"╭─ {title} " + "─" * max(0, width - len(title) - 5) + "╮"
    return top.replace(_plain(top).rstrip("\n"), edge) if _plain(top) == top else edge + "\n"


def _plain(line: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)
