"""Thresholds that move: the funnel, the hours and the clips at the edge for other rules, while a slider is dragged.

The rules themselves are evaluated anew, each only when its text changes. What comes after them (duplicates, shares,
caps) stays as the last ``select`` found it, so that a million clips answer in a fraction of a second; ``exact`` runs
``select`` itself, without writing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jobs.core.errors import UserError
from jobs.edits.apply import BY_HAND
from jobs.edits.replay import Replayed
from jobs.report.edges import bounds
from jobs.search.dataset import DECISIONS, Dataset
from jobs.select import command as select
from jobs.select.tables import read_parts
from jobs.view.database import ROW, check_expression
from jobs.view.query import Questions
from pipeline import schema as s
from pipeline.config import SelectConfig
from pipeline.select.funnel import FunnelRow, build_funnel
from pipeline.select.predicates import evaluate, mentioned
from pipeline.select.select import UNMEASURED, check_rules, step_names

KEPT = 48
"""Verdicts that are kept: two bytes a clip each."""
EDGE = 8
"""Clips shown on each side of a threshold."""


class WhatIf:
    """The rules of a run folder, and what others would come to."""

    def __init__(self, data: Dataset, questions: Questions) -> None:
        self.data, self.questions = data, questions
        self._verdicts: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._steps: dict[str, np.ndarray] = {}
        self._columns: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def config(self) -> SelectConfig:
        """The rules as the folder's recipe has them."""
        return self.data.run.recipe().select

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with the thresholds in it."""
        return [self.described(reason, text) for reason, text in self.config().where.items()]

    def described(self, reason: str, text: str) -> dict[str, Any]:
        """A rule and its thresholds, each with the ends of its slider."""
        found = []
        for bound in bounds(text):
            try:
                values = self.column(bound.column)
            except UserError:
                continue
            known = values[np.isfinite(values)]
            low, high = (
                (float(v) for v in np.quantile(known, [0.0, 0.995])) if len(known) else (0.0, 1.0)
            )
            low, high = min(low, bound.threshold), max(high, bound.threshold)
            found.append(
                {
                    "column": bound.column,
                    "op": bound.op,
                    "threshold": bound.threshold,
                    "low": low,
                    "high": high,
                }
            )
        return {"reason": reason, "text": text, "bounds": found}

    def column(self, name: str) -> np.ndarray:
        """A column of numbers; the last few are kept."""
        with self._lock:
            if name not in self._columns:
                self._columns[name] = self.questions.column(name)
                if len(self._columns) > 6:
                    self._columns.popitem(last=False)
            return self._columns[name]

    def funnel(self, where: Mapping[str, str], edits: Replayed) -> dict[str, Any]:
        """The funnel of the rules ``where``, what is kept, and how that differs from the last selection."""
        config = self.checked(where)
        rows, kept = self._funnel(config, edits)
        before = self.questions.decided(edits) == DECISIONS.index(str(s.Decision.KEEP))
        return {
            "funnel": [vars(row) for row in rows],
            "kept": int(kept.sum()),
            "hours": float(self.data.seconds[kept].sum(dtype=np.float64)) / 3600,
            "gone": int((before & ~kept).sum()),
            "back": int((kept & ~before).sum()),
            "exact": False,
        }

    def exact(self, where: Mapping[str, str], edits: Replayed) -> dict[str, Any]:
        """The same by ``select`` itself; nothing is written."""
        config = self.checked(where)
        self.try_out(where)
        (found,) = select.decide(self.data.run, [config], edits)
        kept = {
            clip
            for clip, word in zip(
                found.table[s.CLIP_ID].to_pylist(), found.table[s.DECISION].to_pylist(), strict=True
            )
            if word == s.Decision.KEEP
        }
        decided = self.questions.decided(edits) == DECISIONS.index(str(s.Decision.KEEP))
        ids = self.data.held[s.CLIP_ID]
        before = {ids[int(row)].as_py() for row in np.flatnonzero(decided)}
        return {
            "funnel": [vars(row) for row in found.funnel],
            "kept": found.kept,
            "hours": found.funnel[-1].hours,
            "gone": len(before - kept),
            "back": len(kept - before),
            "exact": True,
        }

    def checked(self, where: Mapping[str, str]) -> SelectConfig:
        """The folder's settings with the rules ``where``; UserError for one that makes no sense."""
        if len(where) > 100 or not all(isinstance(text, str) for text in where.values()):
            raise UserError("rules are texts by reason, at most 100")
        config = replace(self.config(), where=dict(where))
        check_rules(config)
        return config

    def try_out(self, where: Mapping[str, str]) -> None:
        """UserError for a new rule that goes beyond the limits; ``select`` itself has none."""
        known = set(self.config().where.values())
        for text in where.values():
            if text not in known:
                self.verdict(text)

    def edge(
        self, where: Mapping[str, str], reason: str, number: int, edits: Replayed
    ) -> dict[str, Any]:
        """Rows of the clips nearest to a threshold on both sides that no other rule rejects."""
        config = self.checked(where)
        found = bounds(config.where.get(reason, ""))
        if not 0 <= number < len(found):
            raise UserError(f"rule {reason} has no threshold number {number}")
        bound = found[number]
        values = self.column(bound.column)
        fits = np.isfinite(values) & ~self._failed() & ~self._forbidden(config)
        for other, text in config.where.items():
            if other != reason:
                failed, unmeasured = self.verdict(text)
                fits &= ~failed & ~unmeasured
        rows = np.flatnonzero(fits)
        away = values[rows] - bound.threshold

        def nearest(side: np.ndarray) -> list[int]:
            picked = rows[side]
            order = np.argsort(np.abs(values[picked] - bound.threshold), kind="stable")[:EDGE]
            return [int(row) for row in picked[order]]

        return {
            "below": nearest(away < 0),
            "above": nearest(away >= 0),
            "keeps_above": bound.op[0] == ">",
            "column": bound.column,
            "values": {int(r): float(values[r]) for r in [*nearest(away < 0), *nearest(away >= 0)]},
        }

    def verdict(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Where a rule is false, and where it is NULL; bool (N,) each."""
        with self._lock:
            if text in self._verdicts:
                self._verdicts.move_to_end(text)
                return self._verdicts[text]
        failed, null = self._evaluated(text)
        with self._lock:
            self._verdicts[text] = (failed, null)
            if len(self._verdicts) > KEPT:
                self._verdicts.popitem(last=False)
        return failed, null

    def _evaluated(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            typed = check_expression(text)
        except UserError:
            if text not in self.config().where.values():
                raise
            # the folder's own rules may hold queries, as they do for select
            columns = mentioned(text, list(self.data.columns))
            found = evaluate(read_parts(self.data.files[0].parent, columns), {"rule": text})
            return found["rule"].failed, found["rule"].unmeasured
        column = self.questions.db.by_row(f"((\n{typed}\n)::boolean)", typed=typed)
        null = ~column.is_valid().to_numpy(zero_copy_only=False)
        return ~column.fill_null(True).to_numpy(zero_copy_only=False), null

    def _funnel(
        self, config: SelectConfig, edits: Replayed
    ) -> tuple[tuple[FunnelRow, ...], np.ndarray]:
        errors = self._failed().copy()
        hits = {}
        if (forbidden := self._forbidden(config)).any():
            hits[s.TRAINING_FORBIDDEN] = forbidden
        for reason, text in config.where.items():
            failed, unmeasured = self.verdict(text)
            errors |= unmeasured
            hits[reason] = failed
        for step in step_names(config):
            if step not in hits:
                hits[step] = self._stored(step)
                errors |= self._stored(UNMEASURED + step)
        names = list(hits)
        table = (
            np.stack([hits[name] for name in names], axis=1)
            if names
            else np.zeros((len(errors), 0), bool)
        )
        rows = build_funnel(self.data.seconds, errors, names, table)
        kept = ~errors & ~table.any(axis=1)
        decisions = edits.decisions()
        if not decisions:
            return rows, kept
        before = kept.copy()
        for clip, word in decisions.items():
            kept[self.questions._named({clip})] = word == s.Decision.KEEP
        kept &= ~self._failed()
        last = replace(
            rows[-1],
            clips=int(kept.sum()),
            hours=float(self.data.seconds[kept].sum(dtype=np.float64)) / 3600,
        )
        gone = int((before & ~kept).sum())
        return (*rows[:-1], replace(last, step=BY_HAND, removes=gone, only=gone), last), kept

    def _failed(self) -> np.ndarray:
        """bool (N,): clips with an upstream error."""
        return self._once("", f"select {ROW} from base where {s.ERROR} is not null", [])

    def _forbidden(self, config: SelectConfig) -> np.ndarray:
        """bool (N,): clips whose source forbids training."""
        if not config.honour_no_training or s.TRAINING_FORBIDDEN not in self.data.columns:
            return np.zeros(len(self.data), bool)
        sql = f"select {ROW} from base where {s.TRAINING_FORBIDDEN}"
        return self._once(s.TRAINING_FORBIDDEN, sql, [])

    def _stored(self, step: str) -> np.ndarray:
        """bool (N,): clips to which the last selection gave a reason."""
        return self._once(
            step, f"select {ROW} from side where list_contains({s.REASONS}, ?)", [step]
        )

    def _once(self, name: str, sql: str, values: list[Any]) -> np.ndarray:
        if name not in self._steps:
            mask = np.zeros(len(self.data), bool)
            mask[self.questions.db.arrow(sql, values)[ROW].to_numpy()] = True
            self._steps[name] = mask
        return self._steps[name]


def recipe_lines(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The lines of a recipe that set the rules that differ."""
    import tomli_w

    changed = {reason: text for reason, text in after.items() if before.get(reason) != text}
    return tomli_w.dumps({"select": {"where": changed}}) if changed else ""


def apply_rules(data: Dataset, where: Mapping[str, str]) -> int:
    """Write the rules to the folder's recipe and run ``select``; returns the clips kept."""
    overrides = {f"select.where.{reason}": text for reason, text in where.items()}
    recipe = data.run.recipe(None, overrides)
    kept = select.run(recipe.select, data.run)
    data.run.save_recipe(recipe)
    return kept
