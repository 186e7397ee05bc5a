"""Clips that are given beforehand, as ingest takes them: per source their intervals, captions and scores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline import schema as s
from pipeline.source.clips import Match, Plan
from pipeline.source.given import Given, GivenSpan

GIVEN = "given"
"""Key of a record and column between the stages: [number, clip_id or None, reason or None] of each given clip."""


PLACE = "place"
"""Key of a clip's row between the stages: its place among those of its source, in the order of their bytes."""


class GivenSources(Protocol):
    """What is known beforehand of the sources of an ingest."""

    columns: tuple[str, ...]
    """Columns of scores that came with the clips."""
    settings: str
    """What the rows depend on besides sources, recipe and ``payload``."""

    def payload(self, uri: str) -> bytes:
        """The clips of a source, as ``write_payload`` has them."""
        ...

    def key(self, uri: str) -> str:
        """Hash of ``payload``."""
        ...


def write_payload(
    given: Given, captions: list[str | None], scores: list[dict[str, float]]
) -> bytes:
    """The clips of one source with their captions and scores, by number."""
    spans = [[span.start, span.end, span.unit] for span in given.spans]
    body = {"spans": spans, "split": given.split, "store": given.store}
    return json.dumps(body | {"captions": captions, "scores": scores}).encode()


@dataclass(frozen=True)
class Told:
    """A payload that was read."""

    given: Given
    captions: list[str | None]
    scores: list[dict[str, float]]

    def numbers(self, plan: Plan) -> dict[tuple[int, int], int]:
        """Interval -> number of the clip that it is, the first where several are the same."""
        found: dict[tuple[int, int], int] = {}
        for match in plan.matches:
            if match.reason is None:
                found.setdefault((match.start_pts, match.end_pts), match.number)
        return found

    def columns(self, number: int) -> dict[str, Any]:
        """Columns of the manifest that came with a clip."""
        return {s.CAPTION_ORIGINAL: self.captions[number], **self.scores[number]}


def read_payload(payload: bytes) -> Told:
    """The inverse of ``write_payload``."""
    body = json.loads(payload)
    spans = tuple(GivenSpan(start=a, end=b, unit=unit) for a, b, unit in body["spans"])
    given = Given(spans=spans, split=body["split"], store=body["store"])
    return Told(given, body["captions"], body["scores"])


def ends_of(plan: Plan, source: str) -> list[list[Any]]:
    """What the record of a source says of each of its given clips."""

    def end(match: Match) -> list[Any]:
        clip = None
        if match.reason is None:
            clip = s.clip_id(source, match.start_pts, match.end_pts)
        return [match.number, clip, match.reason]

    return [end(match) for match in plan.matches]
