"""Edits replayed: what they come to for each clip, whatever order the files are read in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.core.keys import config_key
from jobs.edits.journal import Action, Edit
from pipeline.source.overlap import shared_part

OVERLAP = 0.9
"""Share of their union that two stretches of a source have in common when an edit of the one holds for the other."""


SAME = 0.99
"""Share of their union from which two stretches are one clip, whose ends are known to a frame."""


@dataclass
class ByHand:
    """What people said of one clip."""

    decision: str | None = None
    """``keep`` or ``reject``, None: left to the rules."""
    captions: dict[str, str] = field(default_factory=dict)
    """Kind -> corrected text."""
    tags: list[str] = field(default_factory=list)
    """In the order they were given."""
    cut: tuple[int, int] = (0, 0)
    """Frames by which the first and the end move; negative is earlier."""
    verdicts: dict[str, bool] = field(default_factory=dict)
    """Kind -> whether its caption was judged true."""
    edits: list[Edit] = field(default_factory=list)
    """What it comes from, in order."""

    def plain(self) -> dict[str, Any]:
        """As JSON, without its history."""
        return {
            "decision": self.decision,
            "captions": self.captions,
            "tags": self.tags,
            "cut": list(self.cut),
            "verdicts": self.verdicts,
        }


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """The outcome of a replay."""

    clips: Mapping[str, ByHand]
    """clip_id (as the edits name it, or as ``settle`` found it) -> what was said."""
    undone: frozenset[str]
    """Ids of the edits that were taken back."""
    disputed: tuple[str, ...] = ()
    """Clips of which two people said different things; the later word counts."""
    waiting: tuple[Edit, ...] = ()
    """Edits whose clip is not here."""

    def decisions(self) -> dict[str, str]:
        """clip_id -> what was decided by hand."""
        return {clip: hand.decision for clip, hand in self.clips.items() if hand.decision}

    def captions(self) -> dict[str, dict[str, str]]:
        """clip_id -> kind -> corrected text."""
        return {clip: hand.captions for clip, hand in self.clips.items() if hand.captions}

    def cuts(self) -> dict[str, tuple[int, int]]:
        """clip_id -> frames by which its ends move."""
        return {clip: hand.cut for clip, hand in self.clips.items() if hand.cut != (0, 0)}

    def key(self, *parts: str) -> str | None:
        """Hash of ``decisions``, ``captions`` or ``cuts``, or several; None where there is nothing of them."""
        found = [getattr(self, part)() for part in parts]
        return config_key(found) if any(found) else None


def replay(
    edits: Iterable[Edit],
    names: Mapping[str, str] | None = None,
    made: Collection[str] = (),
) -> Replayed:
    """What edits come to. ``names`` maps the id of an edit to the clip that it holds for, where that is another.

    ``made`` are ids of edits that are history only: what they say has been done.
    """
    names = names or {}
    ordered = sorted({edit.id: edit for edit in edits}.values(), key=lambda edit: edit.order)
    undone = cancelled(ordered)
    clips: dict[str, ByHand] = {}
    said: dict[tuple[str, str, str], dict[str, str]] = {}
    for edit in ordered:
        if edit.id in undone or edit.action is Action.UNDO:
            continue
        clip = names.get(edit.id, edit.clip_id)
        hand = clips.setdefault(clip, ByHand())
        hand.edits.append(edit)
        if edit.id in made:
            continue
        _apply(hand, edit)
        if edit.action not in (Action.TAG, Action.UNTAG):
            what = (clip, str(edit.action), str(edit.value.get("kind", "")))
            said.setdefault(what, {})[edit.who] = config_key(dict(edit.value))
    disputed = sorted({what[0] for what, words in said.items() if len(set(words.values())) > 1})
    return Replayed(clips=clips, undone=frozenset(undone), disputed=tuple(disputed))


def cancelled(ordered: list[Edit]) -> set[str]:
    """Ids of edits that an undo took back, where that undo was not taken back itself."""
    gone: set[str] = set()
    for edit in reversed(ordered):  # a later undo is settled before the one that it undoes
        if edit.action is Action.UNDO and edit.id not in gone:
            gone.add(str(edit.value["of"]))
    return gone


def settle(
    edits: Iterable[Edit],
    clips: Mapping[str, tuple[str, float, float]],
    rates: Mapping[str, float] | None = None,
) -> Replayed:
    """A replay on the clips that are here: ``clips`` maps clip_id to (source_id, start_s, end_s).

    An edit of a clip that is not here holds for the one of the same source that shares ``OVERLAP`` of its time, and so
    does one of a clip whose ends were moved, for the clip that it became. ``rates`` are frames a second by source.
    A cut of a clip that is not here has been made: it is history, and moves nothing further.
    """
    edits = list(edits)
    moved = stretches(edits, rates or {})
    lost = [edit for edit in edits if edit.clip_id and edit.clip_id not in clips]
    wanted = {edit.source_id for edit in lost} - {None}
    places: dict[str, list[tuple[float, float, str]]] = {}
    if wanted:
        for clip, (source, start, end) in clips.items():
            if source in wanted:
                places.setdefault(source, []).append((start, end, clip))
    names: dict[str, str] = {}
    waiting = []
    for edit in lost:
        near = _nearest(became(edit, moved), places.get(edit.source_id or "", []))
        if near is not None:
            names[edit.id] = near
        elif edit.action is not Action.UNDO:
            waiting.append(edit)
    away = {edit.id for edit in waiting}
    made = {edit.id for edit in lost if edit.action is Action.CUT}
    found = replay((edit for edit in edits if edit.id not in away), names, made)
    return replace(found, waiting=tuple(waiting))


def stretches(edits: list[Edit], rates: Mapping[str, float]) -> list[tuple[Edit, float, float]]:
    """Each moved cut that stands, and where its clip lies in its source after it, in seconds."""
    found = []
    for hand in replay(edits).clips.values():
        cuts = [each for each in hand.edits if each.action is Action.CUT]
        if not cuts or hand.cut == (0, 0) or cuts[-1].start_s is None or cuts[-1].end_s is None:
            continue
        rate = rates.get(cuts[-1].source_id or "")
        if rate:
            start, end = (moved / rate for moved in hand.cut)
            found.append((cuts[-1], cuts[-1].start_s + start, cuts[-1].end_s + end))
    return found


def became(edit: Edit, moved: list[tuple[Edit, float, float]]) -> Edit:
    """The edit, at the place where its clip lies after the cuts that were moved since."""
    clip = edit.clip_id
    for _ in range(len(moved)):
        step = next((each for each in moved if each[0].clip_id == clip), None)
        if step is None:
            break
        edit = replace(edit, start_s=step[1], end_s=step[2])
        after = next(
            (
                each[0].clip_id
                for each in moved
                if each[0].source_id == edit.source_id and _share(edit, each[0]) > SAME
            ),
            None,
        )
        if after is None or after == clip:
            break
        clip = after
    return edit


def _share(one: Edit, other: Edit) -> float:
    """Share of their union that the stretches of two edits have in common."""
    if one.start_s is None or one.end_s is None or other.start_s is None or other.end_s is None:
        return 0.0
    return shared_part(one.start_s, one.end_s, other.start_s, other.end_s)


def _nearest(edit: Edit, places: Iterable[tuple[float, float, str]]) -> str | None:
    if edit.start_s is None or edit.end_s is None:
        return None
    best, found = OVERLAP, None
    for start, end, clip in sorted(places):
        part = shared_part(start, end, edit.start_s, edit.end_s)
        if part >= best and (found is None or part > best):
            best, found = part, clip
    return found


def _apply(hand: ByHand, edit: Edit) -> None:
    value = edit.value
    if edit.action is Action.DECISION:
        hand.decision = value.get("decision")
    elif edit.action is Action.CAPTION:
        hand.captions.pop(value["kind"], None)
        if value.get("text"):
            hand.captions[value["kind"]] = value["text"].strip()
    elif edit.action is Action.VERDICT:
        hand.verdicts[value["kind"]] = value["right"]
    elif edit.action is Action.CUT:
        hand.cut = (value.get("start", 0), value.get("end", 0))
    elif edit.action is Action.TAG:
        if value["tag"] not in hand.tags:
            hand.tags.append(value["tag"])
    elif edit.action is Action.UNTAG and value["tag"] in hand.tags:
        hand.tags.remove(value["tag"])
