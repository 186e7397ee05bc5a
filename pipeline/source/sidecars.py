"""Find the caption that came with a source: a text file beside it, as web datasets have it, or a tag inside it.

DALL-E 3 mixes such captions in so that a model does not learn the habits of a captioner alone (Betker et al. 2023,
section 2). Whoever wrote them wrote anything: names of files, addresses, other people's markup. What says nothing is
left out here; whether the rest can be trained on is for ``captioner.check.originals`` to judge.
"""

from __future__ import annotations

import html
import json
import logging
import os
import re
import stat
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.source.listing import SIDECARS, shown_uri
from pipeline.store.client import WEB
from pipeline.store.paths import Location, location, read_range
from pipeline.video.tags import TAGS, TEXT_CHARS

KEYS = ("caption", "captions", "text")
"""Keys of a JSON sidecar, of which the first that says something is the caption; without any, ``TAGS`` are."""
LONGEST = 500
"""Characters of an original caption at most: about 100 words."""
SIDECAR_BYTES = 1 << 20
"""Sidecars are read so far."""

_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|<!--.*?-->", re.S)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+|\S{1,64}@\S{1,255}\.\w+", re.I)
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002](?=\s|$)")
_TOOL = re.compile(
    r"^(?:(?:encoded|created|made|generated|produced|converted|compressed|downloaded|uploaded|edited|rendered|recorded"
    r"|exported|powered)\s+(?:by|with|using)|shot\s+on|lav[cf]\d|handbrake|ffmpeg|x26[45])\b",
    re.I,
)
_STOCK_WORD = re.compile(
    r"im(?:g|ages?)|dsc[nf]?|pic|photo|mov|mvi|mvc|gopr|vids?|videos?|clips?|untitled|unnamed|unknown|none|null|movie"
    r"|film|footage|file|test|sequence|recording|screen(?:shot)?|capture|pxl|whatsapp|dji|final|draft|copy|export"
    r"|output|render|track|new|default|title|comment|description|mp4|avi|mkv|webm",
    re.I,
)

log = logging.getLogger(__name__)


def original_caption(uri: str, tags: Mapping[str, str], *, sidecars: bool = True) -> str | None:
    """The caption of a source, by its sidecar or else its tags; None when neither says anything.

    ``tags`` as ``container_tags`` found them. A sidecar that is broken is logged and counts as none.
    """
    path = location(uri)
    beside = read_sidecars(path) if sidecars else None
    return beside or joined([tags.get(name, "") for name in TAGS], path.stem)


def read_sidecars(path: Location) -> str | None:
    """Caption of the first sidecar that has one."""
    if str(path).startswith(WEB) and "?" in str(path):
        return None  # signed for this very address: its neighbours have other signatures
    for ending in SIDECARS:
        beside = path.parent / (path.stem + ending)
        try:
            raw = read_beside(path, beside)
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            continue  # who may not list a bucket is denied what is not there
        except Outside as error:
            log.warning("%s is passed over: %s", shown_uri(str(beside)), error)
            continue
        except OSError as error:
            log.warning("%s cannot be read: %s", shown_uri(str(beside)), error.strerror or error)
            continue
        try:
            found = sidecar_caption(raw, ending, path.stem)
        except ValueError as error:
            log.warning("%s is passed over: %s", shown_uri(str(beside)), error)
            continue
        if found:
            return found
    return None


class Outside(ValueError):
    """A sidecar that is not a file of its source's folder."""


def read_beside(source: Location, beside: Location) -> bytes:
    """The first ``SIDECAR_BYTES`` of a sidecar; ``Outside`` for one that leads out of its source's folder.

    A link is followed within the folder only, or ``clip.txt -> /etc/passwd`` would be a caption. What is no regular
    file (a pipe, which would be waited for; a device) is passed over, too.
    """
    if not (isinstance(source, Path) and isinstance(beside, Path)):
        return read_range(beside, 0, SIDECAR_BYTES)
    folder, real = (Path(os.path.realpath(at, strict=True)) for at in (source.parent, beside))
    if not real.is_relative_to(folder):
        raise Outside(f"it is a link out of its folder, to {real}")
    # the path has no link left: one that takes a place on the way meanwhile is not followed by its last part
    handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(str(beside))
        if not stat.S_ISREG(mode):
            raise Outside("it is no regular file")
        return file.read(SIDECAR_BYTES)


def sidecar_caption(raw: bytes, ending: str, name: str = "") -> str | None:
    """Caption of a sidecar's content; ValueError for what is no JSON, or JSON of another shape."""
    text = raw.decode("utf-8-sig", errors="replace")
    if not ending.endswith(".json"):
        page = (
            text.lstrip()[:20].lower().startswith(("<!doctype", "<html"))
        )  # a server's "not found"
        return None if page else joined([text], name)
    if len(raw) >= SIDECAR_BYTES:
        raise ValueError(f"it has {SIDECAR_BYTES} bytes or more")
    try:
        fields = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError(f"it holds a {type(fields).__name__}, not an object with a key 'caption'")
    for key in KEYS:
        if found := joined([_first_text(fields.get(key))], name):
            return found
    return joined([_first_text(fields.get(tag)) for tag in TAGS], name)


def _first_text(value: Any) -> str:
    if isinstance(value, list):
        value = next((each for each in value if isinstance(each, str) and each.strip()), "")
    return value if isinstance(value, str) else ""


def joined(texts: list[str], name: str = "") -> str | None:
    """The texts that say something as one, none of them twice, cut to ``LONGEST``; None when none does.

    ``name`` is the file's own, which says nothing of what it shows.
    """
    parts: list[str] = []
    for text in map(tidy, texts):
        if says_something(text, name) and not any(text.casefold() in p.casefold() for p in parts):
            parts = [p for p in parts if p.casefold() not in text.casefold()] + [text]
    whole = " ".join(p if p[-1] in ".!?\u2026" or p is parts[-1] else f"{p}." for p in parts)
    return shorten(whole) or None


def tidy(text: str) -> str:
    """One line of plain text: no markup, addresses, control or format characters, or bytes that were no text."""
    text = _ADDRESS.sub(" ", _MARKUP.sub(" ", html.unescape(text[:TEXT_CHARS])))
    text = unicodedata.normalize("NFC", text)
    kept = (c if unicodedata.category(c)[0] != "C" and c != "\ufffd" else " " for c in text)
    return " ".join("".join(kept).split())


def says_something(text: str, name: str = "") -> bool:
    """Whether there is a word in it that is no stock word of cameras and tools, and it is not the file's name."""
    if _TOOL.match(text) or _plain(text) == _plain(name):
        return False
    words = re.findall(r"[^\W_]+", text)
    said = [w for w in words if len(w) >= 3 and w.isalpha() or _unspaced(w)]
    return any(not _STOCK_WORD.fullmatch(word) for word in said)


def _unspaced(word: str) -> bool:
    """Two characters of a script that puts no spaces between words."""
    return len(word) >= 2 and all(c >= "\u2e80" for c in word)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def shorten(text: str, most: int = LONGEST) -> str:
    """The text up to its last whole sentence within ``most`` characters, or, failing that, its last whole word."""
    if len(text) <= most:
        return text
    cut = text[:most]
    ends = [match.end() for match in _SENTENCE_END.finditer(cut)]
    if ends and ends[-1] >= most // 3:
        return cut[: ends[-1]]
    return cut.rpartition(" ")[0].rstrip(" ,;:") + "\u2026" if " " in cut else cut
