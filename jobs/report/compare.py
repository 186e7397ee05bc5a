"""Two runs beside each other: which clips are in one alone, and why; funnels, scores, captions, settings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jobs.edits.apply import BY_HAND
from jobs.report.data import Run, funnel
from pipeline import schema as s

LEAST_OVERLAP = 0.5
"""Share of time that two clips of differently cut sources have in common to be the same stretch."""
EXAMPLES = 24
"""Pairs of captions kept of each kind."""
ABSENT = "not there"
"""Why a clip is not kept on a side that has no such clip."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A clip that the two sides decided on differently."""

    clip_id: str
    """Its id on the side that has it (B's where both do)."""
    source: str
    """File that it is from."""
    start_s: float
    end_s: float
    row_a: int | None
    """Its row on side A."""
    row_b: int | None
    """Its row on side B."""
    why_a: str
    """``kept``, the reasons against it, or that it is not there."""
    why_b: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the funnel: clips left on either side, None where that side has no such step."""

    step: str
    a: int | None
    b: int | None


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score of clips that both sides have."""

    name: str
    a: float
    b: float
    clips: int


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Captions of one kind on either side."""

    kind: str
    ok_a: int
    ok_b: int
    model_a: str
    model_b: str
    words_a: float
    words_b: float
    changed: int
    """Clips of both sides whose text differs."""
    examples: list[tuple[str, str, str]]
    """(clip_id, text of A, text of B)."""


@dataclass(frozen=True, kw_only=True)
class Diff:
    """All that differs."""

    a: str
    b: str
    clips_a: int
    clips_b: int
    kept_a: int
    kept_b: int
    hours_a: float
    """Hours of kept clips."""
    hours_b: float
    both: int
    """Clips that both keep."""
    recut: int
    """Stretches that both have under different ids."""
    entered: list[Changed] = field(default_factory=list)
    left: list[Changed] = field(default_factory=list)
    otherwise: list[Changed] = field(default_factory=list)
    """Kept on neither side, for other reasons."""
    funnel: list[Step] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    captions: list[Kind] = field(default_factory=list)
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    """(key, A, B) of recipe settings that differ."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        lists = (self.entered, self.left, self.otherwise, self.scores, self.settings)
        return not any(lists) and not any(k.changed or k.ok_a != k.ok_b for k in self.captions)


def compare(a: Run, b: Run, name_a: str, name_b: str, *, same_manifest: bool = False) -> Diff:
    """Compare two runs; ``same_manifest``: they are one run, decided on twice."""
    pairs = list(_pairs(a, b))
    entered: list[Changed] = []
    left: list[Changed] = []
    otherwise: list[Changed] = []
    both = 0
    for row_a, row_b in pairs:
        kept_a = row_a is not None and bool(a.kept[row_a])
        kept_b = row_b is not None and bool(b.kept[row_b])
        if kept_a and kept_b:
            both += 1
            continue
        why = (_why(a, row_a), _why(b, row_b))
        if why[0] == why[1] or (not (kept_a or kept_b) and ABSENT in why):
            continue
        found = entered if kept_b else left if kept_a else otherwise
        found.append(_changed(a, b, row_a, row_b, why))
    shared = [(row_a, row_b) for row_a, row_b in pairs if row_a is not None and row_b is not None]
    ids_a, ids_b = a.column(s.CLIP_ID), b.column(s.CLIP_ID)
    return Diff(
        a=name_a,
        b=name_b,
        clips_a=len(ids_a),
        clips_b=len(ids_b),
        kept_a=int(a.kept.sum()),
        kept_b=int(b.kept.sum()),
        hours_a=float(a.seconds[a.kept].sum()) / 3600,
        hours_b=float(b.seconds[b.kept].sum()) / 3600,
        both=both,
        recut=sum(ids_a[i] != ids_b[j] for i, j in shared),
        entered=entered,
        left=left,
        otherwise=otherwise,
        funnel=_funnels(a, b),
        scores=[] if same_manifest else list(_scores(a, b, shared)),
        captions=[] if same_manifest else list(_captions(a, b, shared)),
        settings=list(_settings(a.recipe, b.recipe)),
    )


def _pairs(a: Run, b: Run) -> Iterator[tuple[int | None, int | None]]:
    """Rows of the same clip on both sides, None where a side has none; in order of B, then what A alone has."""
    rows_a = {clip: row for row, clip in enumerate(a.column(s.CLIP_ID))}
    rows_b = {clip: row for row, clip in enumerate(b.column(s.CLIP_ID))}
    only_a = [row for clip, row in rows_a.items() if clip not in rows_b]
    only_b = [row for clip, row in rows_b.items() if clip not in rows_a]
    matched = _recut(a, b, only_a, only_b)
    for clip, row in rows_b.items():
        yield rows_a.get(clip, matched.get(row)), row
    used = set(matched.values())
    for row in only_a:
        if row not in used:
            yield row, None


def _recut(a: Run, b: Run, only_a: list[int], only_b: list[int]) -> dict[int, int]:
    """Row of B -> row of A of the same stretch of a source that was cut otherwise; each is used once."""

    def spans(run: Run, rows: list[int]) -> dict[str, list[tuple[float, float, int]]]:
        found: dict[str, list[tuple[float, float, int]]] = {}
        if not rows:
            return found
        columns = (
            run.clips.column(n).take(rows).to_pylist() for n in (s.SOURCE_ID, s.START_S, s.END_S)
        )
        for row, source, start, end in zip(rows, *columns, strict=True):
            found.setdefault(source, []).append((start, end, row))
        return found

    mine, theirs = spans(b, only_b), spans(a, only_a)
    matched: dict[int, int] = {}
    for source, clips in mine.items():
        free = sorted(theirs.get(source, []))
        for start, end, row in sorted(clips):
            shares = [
                (max(0.0, min(end, e) - max(start, st)) / (max(end, e) - min(start, st)), other)
                for st, e, other in free
                if st < end and start < e
            ]
            share, other = max(shares, default=(0.0, -1))
            if share >= LEAST_OVERLAP:
                matched[row] = other
                free = [each for each in free if each[2] != other]
    return matched


def _why(run: Run, row: int | None) -> str:
    if row is None:
        return ABSENT
    if run.kept[row]:
        return "kept"
    if not run.decisions[row]:
        return "not decided on"
    return ", ".join(run.reasons[row]) or str(run.decisions[row])


def _changed(a: Run, b: Run, row_a: int | None, row_b: int | None, why: tuple[str, str]) -> Changed:
    run, row = (b, row_b) if row_b is not None else (a, row_a)
    assert row is not None
    one = run.row(row)
    return Changed(
        clip_id=one[s.CLIP_ID],
        source=str(one[s.SOURCE_URI] or "").rpartition("/")[2],
        start_s=one[s.START_S],
        end_s=one[s.END_S],
        row_a=row_a,
        row_b=row_b,
        why_a=why[0],
        why_b=why[1],
    )


def _funnels(a: Run, b: Run) -> list[Step]:
    """Both funnels, step by step, in the order of A with B's own steps before ``kept``."""
    left = [{row.step: row.clips for row in funnel(run)} for run in (a, b)]
    names = [name for name in left[0] if name != "kept"]
    names += [name for name in left[1] if name not in left[0] and name != "kept"]
    if any("kept" in side for side in left):
        names.append("kept")
    return [Step(step=name, a=left[0].get(name), b=left[1].get(name)) for name in names]


def _scores(a: Run, b: Run, shared: list[tuple[int, int]]) -> Iterator[Score]:
    """Scores whose mean over the same clips differs: another scorer, or another version of one."""
    rows_a, rows_b = [i for i, _ in shared], [j for _, j in shared]
    for name in a.clips.column_names:
        numeric = name in s.SCORE_COLUMNS or name.startswith(s.CONCEPT_PREFIX)
        if not numeric or name in s.WORD_SCORES or name not in b.clips.column_names or not shared:
            continue
        values = np.stack([a.numbers(name)[rows_a], b.numbers(name)[rows_b]])
        values = values[:, np.isfinite(values).all(axis=0)]
        if values.size and not np.allclose(values[0], values[1], rtol=1e-5, atol=1e-7):
            means = values.mean(axis=1)
            yield Score(name=name, a=float(means[0]), b=float(means[1]), clips=values.shape[1])


def _captions(a: Run, b: Run, shared: list[tuple[int, int]]) -> Iterator[Kind]:
    """Captions of every kind that either side has."""
    told = [_texts(run) for run in (a, b)]
    ids = list(zip(a.column(s.CLIP_ID), range(len(a.clips)), strict=True))
    of_a = {row: clip for clip, row in ids}
    of_b = dict(enumerate(b.column(s.CLIP_ID)))
    of_one, of_other = a.described(), b.described()
    both = [(i, j) for i, j in shared if of_a[i] in of_one and of_b[j] in of_other]
    for kind in s.CAPTION_KINDS:
        mine, theirs = (side.get(kind, {}) for side in told)
        if not mine and not theirs:
            continue
        pairs = [(of_b[j], mine.get(of_a[i]), theirs.get(of_b[j])) for i, j in both]
        differing = [
            (clip, x[0] if x else "", y[0] if y else "")
            for clip, x, y in pairs
            if (x and x[0]) != (y and y[0])
        ]
        yield Kind(
            kind=kind,
            ok_a=len(mine),
            ok_b=len(theirs),
            model_a=_models(mine),
            model_b=_models(theirs),
            words_a=_words(mine),
            words_b=_words(theirs),
            changed=len(differing),
            examples=differing[:EXAMPLES],
        )


def _texts(run: Run) -> dict[str, dict[str, tuple[str, str]]]:
    """kind -> clip_id -> (text, model) of usable captions, those corrected by hand as they are packed."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    clips = run.described()
    for clip in clips & run.corrected.keys():
        for kind, text in run.corrected[clip].items():
            found.setdefault(kind, {})[clip] = (text, BY_HAND)
    if run.captions is None:
        return found
    for row in run.captions.select([s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME, s.MODEL]).to_pylist():
        if row[s.CLIP_ID] in clips and row[s.OUTCOME] == s.CaptionOutcome.OK and row[s.TEXT]:
            model = row[s.MODEL] or ""
            found.setdefault(row[s.KIND], {}).setdefault(row[s.CLIP_ID], (row[s.TEXT], model))
    return found


def _models(texts: Mapping[str, tuple[str, str]]) -> str:
    return ", ".join(sorted({model for _, model in texts.values()}))


def _words(texts: Mapping[str, tuple[str, str]]) -> float:
    counts = [len(text.split()) for text, _ in texts.values()]
    return sum(counts) / len(counts) if counts else 0.0


def _settings(a: str, b: str) -> Iterator[tuple[str, str, str]]:
    """(key, A, B) of settings that differ, as TOML would have them; a key that a side lacks is ``-``."""
    flat = [dict(_flat(tomllib.loads(text))) for text in (a, b)]
    for key in sorted(flat[0].keys() | flat[1].keys()):
        values = [str(side.get(key, "-")) for side in flat]
        if values[0] != values[1]:
            yield key, values[0], values[1]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
