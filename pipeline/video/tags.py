"""The tags of a container that may describe its pictures."""

from __future__ import annotations

from collections.abc import Mapping

TAGS = ("title", "description", "synopsis", "comment")
"""Tags of a container that are read, in the order in which they are joined."""
TEXT_CHARS = 8192
"""Characters of a text that are looked at."""


def container_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Those tags of a container's metadata that may describe it, whatever their case, cut at ``TEXT_CHARS``."""
    found = {key.casefold(): str(value)[:TEXT_CHARS] for key, value in metadata.items()}
    return {name: found[name] for name in TAGS if found.get(name)}
