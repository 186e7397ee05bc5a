"""A question about the clips (filters, an order, a search) to the rows that answer it, in order; answers are kept."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError, unknown
from jobs.search.dataset import DECISIONS, Dataset
from jobs.view.database import HIDDEN, ROW, Database, check_expression
from pipeline import schema as s

if TYPE_CHECKING:
    from jobs.edits.replay import Replayed

KEPT_BYTES = 32 << 20
"""Bytes of answers that are kept."""
AT_ONCE = 2
"""Answers found at a time: each takes tens of megabytes for a moment when there are a million clips."""
OPERATORS = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "!=": "<>"}
DECIDED = frozenset({s.DECISION, s.REASONS, s.DUPLICATE_OF})
"""Columns of the view ``clips`` that the files with the scores do not have."""
FIELDS = frozenset(
    {"where", "sql", "decision", "reason", "source", "tag", "edited", "words", "by", "down", "text", "like", "image"}
)  # fmt: skip
"""Fields of a question."""
NUMBERS = (
    "float",
    "double",
    "halffloat",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
)
"""Arrow types that are ordered and counted by value."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Rows of clips in order."""

    rows: np.ndarray
    """uint32 (M,)."""
    hours: float
    """Their length together."""
    values: np.ndarray | None = None
    """float32 (M,): what they are ordered by, None for the order of the files."""


Similar = Callable[[Mapping[str, Any]], np.ndarray]
"""A question with ``text``, ``like`` or ``image`` to the similarity of every row, float32 (N,), NaN where none."""


class Questions:
    """Answers to questions about a dataset."""

    def __init__(self, data: Dataset, db: Database, similar: Similar) -> None:
        self.data, self.db, self.similar = data, db, similar
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()
        self._working: dict[str, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    def answer(self, question: Mapping[str, Any], edits: Replayed, version: int) -> Answer:
        """Rows for ``question``; ``version`` counts the edits, for they are part of the answer."""
        about_edits = any(question.get(name) for name in ("tag", "edited", "decision"))
        key = json.dumps([question, version if about_edits else 0], sort_keys=True)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            mine = self._working.setdefault(key, threading.Lock())
        with mine:  # many who ask the same wait for one
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            with self._slots:
                found = self._answer(question, edits)
            with self._lock:
                self._kept[key] = found
                self._working.pop(key, None)
                while len(self._kept) > 1 and self._bytes() > KEPT_BYTES:
                    self._kept.popitem(last=False)
            return found

    def _bytes(self) -> int:
        return sum(
            each.rows.nbytes + (0 if each.values is None else each.values.nbytes)
            for each in self._kept.values()
        )

    def _answer(self, question: Mapping[str, Any], edits: Replayed) -> Answer:
        if strange := set(question) - FIELDS:
            raise UserError(unknown("field", min(strange), FIELDS))
        rows = np.flatnonzero(self._mask(question, edits)).astype(np.uint32)
        values = None
        if any(question.get(name) for name in ("text", "like", "image")):
            values = self.similar(question)[rows]
            rows, values = rows[~np.isnan(values)], values[~np.isnan(values)]
            order = np.argsort(-values, kind="stable")
        elif by := question.get("by"):
            values = self.column(str(by))[rows]
            order = np.argsort(-values if question.get("down") else values, kind="stable")
        if values is not None:
            rows, values = rows[order], values[order]
        hours = float(self.data.seconds[rows].sum(dtype=np.float64)) / 3600
        return Answer(rows=rows, hours=hours, values=values)

    def _mask(self, question: Mapping[str, Any], edits: Replayed) -> np.ndarray:
        """bool (N,): clips that pass every filter."""
        count = len(self.data)
        mask = np.ones(count, bool)

        def only(rows: np.ndarray) -> None:
            inside = np.zeros(count, bool)
            inside[rows] = True
            np.logical_and(mask, inside, out=mask)

        if words := question.get("decision"):
            codes = [DECISIONS.index(word) for word in listed(words) if word in DECISIONS]
            decided = self.decided(edits)
            mask &= np.isin(decided, codes)
        conditions, values = self._conditions(question.get("where") or [])
        typed = ""
        if sql := str(question.get("sql") or "").strip():
            typed = check_expression(sql)
            conditions.append(f"(\n{typed}\n)")
        if conditions:
            text = " and ".join(conditions)
            view = "clips" if any(name in text for name in DECIDED) else "base"
            asked = f"select {ROW} from {view} where {text}"
            only(
                self.db.typed(asked, typed, values)[ROW].to_numpy()
                if typed
                else self._rows(asked, values)
            )
        if reason := question.get("reason"):
            only(
                self._rows(
                    f"select {ROW} from side where list_contains({s.REASONS}, ?)", [str(reason)]
                )
            )
        if source := question.get("source"):
            only(self._rows(f"select {ROW} from base where {s.SOURCE_ID} = ?", [str(source)]))
        if said := str(question.get("words") or "").strip():
            only(self._said(said, edits))
        if tag := question.get("tag"):
            only(self._named({clip for clip, hand in edits.clips.items() if tag in hand.tags}))
        if question.get("edited"):
            only(self._named({clip for clip, hand in edits.clips.items() if hand.edits}))
        return mask

    def decided(self, edits: Replayed) -> np.ndarray:
        """uint8 (N,): codes of the decisions, people's before the rules'."""
        decided: np.ndarray = self.data.selection["decided"]
        if by_hand := edits.decisions():
            decided = decided.copy()
            for clip, word in by_hand.items():
                rows = self._named({clip})
                decided[rows] = DECISIONS.index(word)
        return decided

    def _named(self, clips: set[str]) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not clips:
            return np.empty(0, np.int64)
        wanted = pa.array(sorted(clips), pa.string())
        hit = pc.is_in(self.data.held[s.CLIP_ID], value_set=wanted)
        return np.flatnonzero(hit.combine_chunks().to_numpy(zero_copy_only=False))

    def _said(self, words: str, edits: Replayed) -> np.ndarray:
        """Rows of clips that have a caption with these words in it."""
        pattern = f"%{words}%"
        if "captions" in self.data.tables:
            sql = f"select distinct {s.CLIP_ID} from captions where {s.TEXT} ilike ?"
            clips = set(self.db.arrow(sql, [pattern])[s.CLIP_ID].to_pylist())
        else:
            columns = [c for c in map(s.caption_column, s.CAPTION_KINDS) if c in self.data.columns]
            if not columns:
                raise UserError("there are no captions here")
            text = " or ".join(f'"{name}" ilike ?' for name in columns)
            sql = f"select {s.CLIP_ID} from base where {text}"
            clips = set(self.db.arrow(sql, [pattern] * len(columns))[s.CLIP_ID].to_pylist())
        low = words.lower()
        clips |= {
            c
            for c, texts in edits.captions().items()
            if any(low in t.lower() for t in texts.values())
        }
        return self._named(clips)

    def _conditions(self, filters: Any) -> tuple[list[str], list[Any]]:
        """SQL with ``?`` for the plain filters."""
        conditions, values = [], []
        for each in filters if isinstance(filters, list) else []:
            name, op, value = each.get("column"), each.get("op"), each.get("value")
            self.check_column(str(name))
            if op == "null":
                conditions.append(f'"{name}" is null')
            elif op == "in":
                conditions.append(f'"{name}" in ({", ".join("?" * len(listed(value))) or "null"})')
                values += listed(value)
            elif op in OPERATORS and isinstance(value, int | float | str):
                conditions.append(f'"{name}" {OPERATORS[op]} ?')
                values.append(value)
            else:
                raise UserError(f"the filter on {name} makes no sense")
        return conditions, values

    def check_column(self, name: str) -> None:
        """UserError for a column that is not here."""
        if (name not in self.data.columns or name in HIDDEN) and name not in DECIDED:
            raise UserError(unknown("column", name, self.data.columns))

    def column(self, name: str) -> np.ndarray:
        """float32 (N,): a column of numbers, NaN where NULL."""
        if name == s.DURATION_S:
            return self.data.seconds.astype(np.float32)
        self.check_column(name)
        if self.data.columns.get(name) not in NUMBERS:
            raise UserError(f"{name} holds no numbers: clips are ordered by numbers")
        column = self.db.by_row(f'"{name}"::float')
        values: np.ndarray = column.to_numpy(zero_copy_only=False).astype(np.float32)
        return values

    def _rows(self, sql: str, values: list[Any]) -> np.ndarray:
        found: np.ndarray = self.db.arrow(sql, values)[ROW].to_numpy()
        return found


def listed(value: Any) -> list[Any]:
    """A value as a list."""
    return value if isinstance(value, list) else [value]
