"""The journal of edits: ``DIR/edits/<who>.jsonl``, one JSON line an edit, on the disk before it is answered.

A person writes one file only, so two people's journals merge by lying side by side. An edit names its clip by id, and
by source and time, so that it still finds its clip when ingest has cut the source anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from jobs.core.errors import UserError
from pipeline import schema as s
from pipeline.store.atomic import append_line, sync
from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath, location, matching

FOLDER = "edits"
"""Folder of the journals in a run or shards folder."""
MOST_TEXT = 20_000
"""Characters of a caption, a reason or a name that are taken at most."""
_APPENDING = threading.Lock()


class Action(StrEnum):
    """What an edit does."""

    CAPTION = "caption"
    """Replace the text of one kind of caption; no text takes the correction back."""
    DECISION = "decision"
    """Keep or reject a clip by hand; neither leaves it to the rules again."""
    TAG = "tag"
    UNTAG = "untag"
    CUT = "cut"
    """Move the first and the end of a clip by frames."""
    VERDICT = "verdict"
    """Say of one kind of caption whether it is true: what audits are made of."""
    UNDO = "undo"
    """Take an edit back; an undo can be undone."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One line of a journal."""

    action: Action
    who: str
    """Name of the person."""
    when: str
    """Time in UTC, ISO 8601 with microseconds; it rises within a journal."""
    clip_id: str = ""
    """The clip as it was called then."""
    source_id: str | None = None
    start_s: float | None = None
    """Start of the clip in its source, seconds."""
    end_s: float | None = None
    value: Mapping[str, Any]
    """What is set: ``{"kind": "dense", "text": ...}``, ``{"decision": "keep"}``, ``{"tag": ...}``, ``{"start": -3}``,
    ``{"kind": "dense", "right": false}``, ``{"of": id}``."""
    why: str = ""
    """The reason, in the person's words."""

    @property
    def id(self) -> str:
        """16 hex digits of all that it says: the same edit in two journals is one."""
        return hashlib.blake2b(self.line(), digest_size=8).hexdigest()

    @property
    def order(self) -> tuple[str, str, str]:
        """By what edits are replayed: time, then name, then id; never by the order of files."""
        return self.when, self.who, self.id

    def line(self) -> bytes:
        """The line of the journal, without its newline."""
        body = {
            "when": self.when,
            "who": self.who,
            "action": str(self.action),
            s.CLIP_ID: self.clip_id,
            s.SOURCE_ID: self.source_id,
            s.START_S: self.start_s,
            s.END_S: self.end_s,
            "value": dict(self.value),
            "why": self.why,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def check(self) -> Edit:
        """Itself; UserError for a value that its action does not take."""
        if problem := _problem(self):
            raise UserError(f"edit {self.action} of clip {self.clip_id or '?'}: {problem}")
        return self


class Journal:
    """The journals of a folder; appended to under one name."""

    def __init__(self, folder: Location | str) -> None:
        self.folder = location(folder) / FOLDER
        self._last: dict[str, str] = {}

    def read(self) -> list[Edit]:
        """Every edit of every person, each once, in the order of replay; damaged lines are left out."""
        return self.read_with_damage()[0]

    def read_with_damage(self) -> tuple[list[Edit], list[str]]:
        """``read``, and a line on each that is damaged: a journal is never refused for one."""
        found: dict[str, Edit] = {}
        damage = []
        for path in self.files():
            for number, edit in _lines(path.read_bytes()):
                if edit is None:
                    damage.append(f"{path}, line {number}: not an edit; it is left out")
                else:
                    found[edit.id] = edit
        return sorted(found.values(), key=lambda edit: edit.order), damage

    def files(self) -> list[Location]:
        """The journals."""
        return matching(self.folder, "*.jsonl") if self.folder.exists() else []

    def append(self, who: str, action: Action | str, value: Mapping[str, Any], **more: Any) -> Edit:
        """Write an edit and bring it to the disk; it is there when this returns, whatever happens then."""
        path = self.folder / f"{file_stem(who)}.jsonl"
        with _APPENDING:
            edit = Edit(
                action=Action(action), who=who.strip(), when=self._now(path), value=value, **more
            ).check()
            append_durably(path, edit.line())
            self._last[str(path)] = edit.when
        return edit

    def merge(self, other: Journal) -> int:
        """Take over the edits of another folder that are not here; returns how many."""
        have = {edit.id for edit in self.read()}
        new = [edit for edit in other.read() if edit.id not in have]
        for edit in new:
            append_durably(self.folder / f"{file_stem(edit.who)}.jsonl", edit.line())
        return len(new)

    def _now(self, path: Location) -> str:
        """The time, later than the last edit of this journal even where the clock was set back."""
        if str(path) not in self._last:
            edits = [e for _, e in _lines(path.read_bytes()) if e] if path.exists() else []
            self._last[str(path)] = max((e.when for e in edits), default="")
        now = datetime.now(UTC).replace(tzinfo=None)
        if last := self._last[str(path)]:
            now = max(now, datetime.fromisoformat(last.rstrip("Z")) + timedelta(microseconds=1))
        return now.isoformat(timespec="microseconds") + "Z"


def append_durably(path: Location, line: bytes) -> None:
    """Append a line and wait until it is on the disk. Half a line that a kill left is ended first."""
    if isinstance(path, ObjectPath):
        append_line(path, line + b"\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with writing(path), path.open("ab+", buffering=0) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = handle.seek(0, os.SEEK_END)
        if size:
            handle.seek(size - 1)
            line = line if handle.read(1) == b"\n" else b"\n" + line
        try:
            if handle.write(line + b"\n") < len(line) + 1:
                raise OSError(28, os.strerror(28))
            os.fsync(handle.fileno())
        except OSError:
            handle.truncate(size)
            raise
    if new:
        sync(path.parent)


def file_stem(who: str) -> str:
    """File name of a person's journal; UserError for no name. Two names that look alike in a file get a hash."""
    name = who.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise UserError("an edit needs the name of a person, up to 100 characters")
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-").lower()[:40]
    mark = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return name if plain == name else f"{plain or 'someone'}-{mark}"


def parse_edit(line: bytes) -> Edit | None:
    """The edit of a line, None when it is none."""
    try:
        body = json.loads(line)
        edit = Edit(
            action=Action(body["action"]),
            who=body["who"],
            when=body["when"],
            clip_id=body[s.CLIP_ID],
            source_id=body[s.SOURCE_ID],
            start_s=body[s.START_S],
            end_s=body[s.END_S],
            value=body["value"],
            why=body["why"],
        )
        datetime.fromisoformat(edit.when.rstrip("Z"))
        return None if _problem(edit) else edit
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _lines(data: bytes) -> Iterator[tuple[int, Edit | None]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield number, parse_edit(line)


def _problem(edit: Edit) -> str | None:
    """What is wrong with an edit."""
    value = edit.value
    text = [edit.who, edit.why, edit.clip_id, *(v for v in value.values() if isinstance(v, str))]
    if any(len(each) > MOST_TEXT for each in text):
        return f"a text is longer than {MOST_TEXT} characters"
    if edit.action is Action.UNDO:
        return None if isinstance(value.get("of"), str) else "of must be the id of an edit"
    if not edit.clip_id:
        return "it names no clip"
    if edit.action in (Action.CAPTION, Action.VERDICT):
        if value.get("kind") not in s.CAPTION_KINDS:
            return f"kind must be one of {', '.join(s.CAPTION_KINDS)}"
        if edit.action is Action.VERDICT:
            return None if isinstance(value.get("right"), bool) else "right must be true or false"
        said = value.get("text")
        words = said is None or (isinstance(said, str) and bool(said.strip()))
        return None if words else "text must be some words, or null to take a correction back"
    if edit.action is Action.DECISION:
        known = (str(s.Decision.KEEP), str(s.Decision.REJECT), None)
        return None if value.get("decision") in known else "decision must be keep, reject or null"
    if edit.action is Action.CUT:
        moved: Iterable[Any] = (value.get("start", 0), value.get("end", 0))
        whole = all(type(each) is int and abs(each) <= 100_000 for each in moved)
        return None if whole else "start and end must be whole numbers of frames"
    tag = value.get("tag")
    fits = isinstance(tag, str) and tag == tag.strip() and re.fullmatch(r"[\w .:/+-]{1,60}", tag)
    return None if fits else "a tag has 1 to 60 letters, digits, spaces and _ . : / + -"
