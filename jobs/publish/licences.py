"""The licence of a published dataset as the hub takes it: one of its names, or ``other`` with a name and a link."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.core.errors import UserError, nearest

OTHER = "other"
KNOWN = frozenset(
    (
        "afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0", "bigcode-openrail-m",
        "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
        "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0",
        "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "creativeml-openrail-m",
        "deepfloyd-if-license", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2",
        "fair-noncommercial-research-license", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "grok2-community",
        "h-research", "intel-research", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "llama2", "llama3",
        "llama3.1", "llama3.2", "llama3.3", "llama4", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl",
        "odc-by", "ofl-1.1", "openmdw-1.0", "openrail", "openrail++", "osl-3.0", "pddl", "postgresql",
        "unknown", "unlicense", "wtfpl", "zlib",
    )
)  # fmt: skip
"""Licences that the hub knows by these names, ``other`` apart."""
USUAL = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "odc-by", "pddl", "unknown")
"""Those of them that datasets have most."""
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)
"""Name of a licence of one's own, as the hub has them: ``my-terms-1.0``."""
FILES = ("LICENSE", "LICENSE.md")
"""Files of a repository that a link may name in place of an address."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Under which terms a dataset is published."""

    kind: str
    """Name that the hub knows, or ``other``."""
    name: str = ""
    """With ``other``: what it is called."""
    link: str = ""
    """With ``other``: where it can be read."""

    @property
    def told(self) -> str:
        """For people."""
        return self.name or self.kind

    @property
    def where(self) -> str:
        """For programs: an address where there is one."""
        return self.link if "://" in self.link else self.told


def licence_of(kind: str, name: str = "", link: str = "") -> Licence:
    """The licence that the options name; UserError for what the hub would not know."""
    kind, name, link = kind.strip(), name.strip(), link.strip()
    own = "--licence other --licence-name NAME --licence-link URL"
    if not kind:
        raise UserError(f"--licence is empty; name one, such as {', '.join(USUAL)}, or {own}")
    found = kind.lower()
    if found != OTHER:
        if found not in KNOWN:
            near = nearest(found, KNOWN)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(USUAL)} and others."
            raise UserError(f"unknown licence {kind!r}; {hint} For terms of your own write {own}")
        if name or link:
            given = "--licence-name" if name else "--licence-link"
            raise UserError(f"{given} goes with --licence other; leave it out with {found}")
        return Licence(kind=found)
    if not name:
        raise UserError(f"--licence other needs a name; write {own}")
    if not NAME.fullmatch(name):
        proposal = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "my-terms-1.0"
        raise UserError(
            f"--licence-name {name!r}: the hub takes small letters, digits, - and .; write {proposal}"
        )
    if link and link not in FILES and not re.fullmatch(r"https?://\S+", link):
        raise UserError(
            f"--licence-link {link!r} is no address; write https://..., or {' or '.join(FILES)} for a file of the "
            "repository"
        )
    return Licence(kind=OTHER, name=name, link=link)
