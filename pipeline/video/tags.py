"""The tags of a container that may describe its pictures, and the one that says which closed domain they are of.

``filmstock film`` writes the second kind: our embedded models know the synthetic world alone, and its videos are told
from real footage by this tag. It is one that FFmpeg and the editors keep when they copy or re-encode a file.
"""

from __future__ import annotations

from collections.abc import Mapping

TAGS = ("title", "description", "synopsis", "comment")
"""Tags of a container that are read, in the order in which they are joined."""
WORLD = "the synthetic world"
"""Domain of the videos of ``filmstock film``, as models that know nothing else name it."""
DOMAIN_TAG = "genre"
"""Tag of a container that names the domain of its pictures."""
DOMAINS = {"filmstock synthetic world": WORLD}
"""Values of that tag -> domains."""
TEXT_CHARS = 8192
"""Characters of a text that are looked at."""


def container_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Those tags of a container's metadata that may describe it, whatever their case, cut at ``TEXT_CHARS``."""
    found = {key.casefold(): str(value)[:TEXT_CHARS] for key, value in metadata.items()}
    return {name: found[name] for name in TAGS if found.get(name)}


def domain_tags(domain: str) -> dict[str, str]:
    """Metadata that marks a file as of ``domain``."""
    return {DOMAIN_TAG: next(value for value, name in DOMAINS.items() if name == domain)}


def domain_of(metadata: Mapping[str, str]) -> str | None:
    """Domain that a container's metadata names, None for any other footage."""
    found = {key.casefold(): str(value).strip() for key, value in metadata.items()}
    return DOMAINS.get(found.get(DOMAIN_TAG, "").casefold())
