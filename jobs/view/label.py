"""Queues of captions to judge: the worst grounded first, or drawn at random for an estimate of the share of errors."""

from __future__ import annotations

import math
from typing import Any

from jobs.core.errors import UserError
from jobs.edits.journal import Action
from jobs.edits.replay import Replayed
from jobs.search.dataset import Dataset
from jobs.view.clip import text_hash
from jobs.view.database import Database
from pipeline import schema as s
from pipeline.store.paths import typed

QUEUES = ("worst", "audit")
MOST = 50
"""Captions handed out at a time."""
Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def wilson(wrong: int, judged: int, z: float = Z95) -> tuple[float, float]:
    """Interval for a share, (0, 1) of nothing judged (Wilson, J. Am. Stat. Assoc. 22, 1927).

    It stays inside 0 to 1 and holds for few judgements and for shares near 0, where the usual one does not.
    """
    if judged == 0:
        return 0.0, 1.0
    share = wrong / judged
    scale = 1 + z * z / judged
    centre = (share + z * z / (2 * judged)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    return max(0.0, centre - half), min(1.0, centre + half)


def corrections(edits: Replayed, kind: str) -> dict[str, str]:
    """clip_id -> what a person put in place of its caption of a kind."""
    return {clip: texts[kind] for clip, texts in edits.captions().items() if kind in texts}


class Labels:
    """Queues over the captions of a dataset."""

    def __init__(self, data: Dataset, db: Database) -> None:
        self.data, self.db = data, db

    def kinds(self) -> list[str]:
        """Kinds of captions that there are."""
        if "captions" in self.data.tables:
            have = {row[s.KIND] for row in self.db.fetch(f"select distinct {s.KIND} from captions")}
            return [kind for kind in s.CAPTION_KINDS if kind in have]
        return [kind for kind in s.CAPTION_KINDS if s.caption_column(kind) in self.data.columns]

    def queue(
        self, which: str, kind: str, edits: Replayed, *, seed: int = 0, count: int = 20
    ) -> list[dict[str, Any]]:
        """The next captions to judge; those that were judged as they are now are left out."""
        if which not in QUEUES:
            raise UserError(f"queue {which!r} is unknown; use {' or '.join(QUEUES)}")
        if kind not in s.CAPTION_KINDS:
            raise UserError(
                f"caption kind {kind!r} is unknown; use one of {', '.join(s.CAPTION_KINDS)}"
            )
        judged = self._judged(kind, which, edits)
        count = min(count, MOST)
        hand = corrections(edits, kind)
        more = len(judged) + count
        if which == "audit":
            rows = [
                {**row, "by_hand": hand.get(row["id"])} for row in self._drawn(kind, seed, more)
            ]
        else:
            rows = self._worst(kind, more + len(hand), hand)
        return [row for row in rows if row["id"] not in judged][:count]

    def said(self, clip: str, kind: str, which: str, edits: Replayed) -> str:
        """Hash of a clip's caption as a queue shows it: what a verdict is about."""
        found = self._said([clip], kind, which, edits)
        if clip not in found:
            raise UserError(f"clip {clip} has no usable {kind} caption")
        return found[clip]

    def _said(self, clips: list[str], kind: str, which: str, edits: Replayed) -> dict[str, str]:
        """clip_id -> hash of its caption as a queue shows it.

        An audit tells how many captions of the captioner are wrong, so it shows these: were it to show corrections,
        which nobody draws at random, their share would be that of no captions at all. Whoever looks for what is
        still wrong sees what is packed.
        """
        sql, values = self._captions(kind)
        marks = ", ".join("?" * len(clips))
        rows = self.db.fetch(f"select * from ({sql}) where id in ({marks})", [*values, *clips])
        texts = {row["id"]: row["text"] for row in rows}
        if which != "audit":
            texts |= {
                clip: text for clip, text in corrections(edits, kind).items() if clip in texts
            }
        return {clip: text_hash(text) for clip, text in texts.items()}

    def _captions(self, kind: str) -> tuple[str, list[Any]]:
        """A query for ``id`` and ``text`` of every usable caption of a kind."""
        if "captions" in self.data.tables:
            return (
                f"select {s.CLIP_ID} as id, {s.TEXT} as text from captions where {s.KIND} = ? and {s.OUTCOME} = ?",
                [kind, str(s.CaptionOutcome.OK)],
            )
        column = s.caption_column(kind)
        if column not in self.data.columns:
            raise UserError(f"there are no {kind} captions here")
        return (
            f'select {s.CLIP_ID} as id, "{column}" as text from base where "{column}" is not null',
            [],
        )

    def _worst(self, kind: str, count: int, hand: dict[str, str]) -> list[dict[str, Any]]:
        """Captions with the least truth, as they are packed; those whose words were not checked yet are left out."""
        if "truth" not in self.data.tables:
            raise UserError(
                "no caption has been held against its frames yet; "
                f"filmstock caption {typed(self.data.run)} --set caption.check=true does that"
            )
        sql, values = self._captions(kind)
        rows = self.db.fetch(
            f"select c.*, t.{s.TRUTH_MIN} as score, t.{s.WORST_ASSERTION} as worst, t.{s.CHECKS} as checks, "
            f"t.{s.TEXT_HASH} as of from ({sql}) c join truth t on t.{s.CLIP_ID} = c.id and t.{s.KIND} = ? "
            f"where t.{s.TRUTH_MIN} is not null order by len(t.{s.CHECKS}) > 0 desc, score, id limit ?",
            [*values, kind, count],
        )
        shown = [{**row, "text": hand.get(row["id"], row["text"])} for row in rows]
        return [row for row in shown if row.pop("of") == text_hash(row["text"])]

    def _drawn(self, kind: str, seed: int, count: int) -> list[dict[str, Any]]:
        """A random order that is the same for everybody with this seed, so two people share one audit."""
        sql, values = self._captions(kind)
        return self.db.fetch(
            f"select *, null as score, null as worst, null as checks from ({sql}) "
            "order by md5(id || ?), id limit ?",
            [*values, f":{seed}", count],
        )

    def _judged(self, kind: str, which: str, edits: Replayed) -> dict[str, bool]:
        """clip_id -> the last verdict of a queue on its caption, where that still says what was judged."""
        found: dict[str, tuple[bool, str]] = {}
        for clip, hand in edits.clips.items():
            for edit in hand.edits:
                value = edit.value
                fits = value.get("kind") == kind and value.get("queue") == which
                if edit.action is Action.VERDICT and fits:
                    found[clip] = (bool(value["right"]), str(value.get("said", "")))
        if not found:
            return {}
        said = self._said(list(found), kind, which, edits)
        return {clip: right for clip, (right, of) in found.items() if said.get(clip) == of}

    def estimate(self, kind: str, edits: Replayed) -> dict[str, Any]:
        """Share of wrong captions by the random audit alone: the worst-first queue would overstate it."""
        judged = list(self._judged(kind, "audit", edits).values())
        wrong = judged.count(False)
        low, high = wilson(wrong, len(judged))
        sql, values = self._captions(kind)
        total = self.db.fetch(f"select count(*) as n from ({sql})", values)[0]["n"]
        return {
            "kind": kind,
            "judged": len(judged),
            "wrong": wrong,
            "low": low,
            "high": high,
            "total": total,
        }
