"""Keep or reject clips by query over their scores. Nothing is decoded, so a threshold can change in a second.

In order: predicates (SQL that a kept clip satisfies), duplicates among the clips that passed, so that the one that is
kept is never one that was rejected, keep-rate targets over what is left, and caps per group. Each has a name, which
is the reason written when it fails. Three outcomes, never mixed: ``reject`` lists every reason, ``error`` marks a clip
that failed upstream or lacks a score that is asked for, ``keep`` is the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import schema
from pipeline.config import BalanceConfig, SelectConfig
from pipeline.schema import Decision
from pipeline.select.candidates import Earlier, Embeddings, keeper_columns, make_candidates
from pipeline.select.duplicates import KINDS, find_duplicates
from pipeline.select.funnel import FunnelRow, build_funnel
from pipeline.select.id_columns import take
from pipeline.select.predicates import evaluate, groups, mentioned, numbers
from pipeline.select.quotas import best_concept, best_share, descending, over_cap
from pipeline.select.reasons import Reasons, id_order
from pipeline.tables import selection_schema

if TYPE_CHECKING:
    import pyarrow as pa

UNMEASURED = "unmeasured:"
"""Prefix of the reason of a rule that could not be judged because a score is NULL."""
FAILED = "failed:"
"""Prefix of the reason of a clip that carries an upstream error."""
TAKEN = (schema.TRAINING_FORBIDDEN, *KINDS)
"""Reasons that no rule may have as its name."""
FIXED_COLUMNS = (
    schema.CLIP_ID,
    schema.START_S,
    schema.END_S,
    schema.VIDEO_XXH3,
    schema.ERROR,
    schema.TRAINING_FORBIDDEN,
)
"""Manifest columns that select reads whatever the recipe says."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What select decided."""

    table: pa.Table
    """One row per clip, in ``selection_schema``, sorted by clip_id."""
    funnel: tuple[FunnelRow, ...]
    """From all clips to the kept ones."""
    unmeasured: Mapping[str, int]
    """Reason -> clips whose score for it is NULL."""
    notes: tuple[str, ...] = ()
    """A line on what each keep-rate target and each cap came to."""

    @property
    def kept(self) -> int:
        """Number of clips kept."""
        return self.funnel[-1].clips


def select_clips(
    manifest: pa.Table,
    config: SelectConfig,
    embeddings: Embeddings | None = None,
    earlier: Earlier | None = None,
) -> Selection:
    """Decide on every clip of ``manifest``.

    ``embeddings`` serve ``dedup_cosine``. Raises ValueError for a setting that is wrong, naming it.
    """
    check_rules(config)
    ids = manifest.column(schema.CLIP_ID).combine_chunks()
    id_rows, id_rank = id_order(ids)
    reasons = Reasons(len(ids))
    failures = _failures(manifest)
    errors = np.zeros(len(ids), bool)
    for reason, rows in failures.items():
        errors[rows] = True
        reasons.add(reason, rows)
    failed = errors.copy()
    unmeasured: dict[str, int] = {}

    def rule(reason: str, missing: np.ndarray) -> None:
        """A clip that lacks what a rule asks for is an error of its own, unless it failed before."""
        missing = missing & ~failed
        if missing.any():
            unmeasured[reason] = int(missing.sum())
            reasons.add(UNMEASURED + reason, missing)
            errors[missing] = True

    if config.honour_no_training and schema.TRAINING_FORBIDDEN in manifest.column_names:
        said = manifest.column(schema.TRAINING_FORBIDDEN).fill_null(False)
        forbidden = said.to_numpy().astype(bool)
        if forbidden.any():
            reasons.add(schema.TRAINING_FORBIDDEN, forbidden & ~failed, step=True)
    for reason, verdict in evaluate(manifest, config.where).items():
        rule(reason, verdict.unmeasured)
        reasons.add(reason, verdict.failed & ~failed, step=True)
    values = numbers(
        manifest, {f"select.best.{name}.by": best.by for name, best in config.best.items()}
    )
    for name in config.best:
        rule(name, np.isnan(values[f"select.best.{name}.by"]))
    grouped = {
        name: _groups(manifest, name, config.balance[name]) for name, rule in config.balance.items()
    }
    for name, (_, missing, _) in grouped.items():
        rule(name, missing)

    keepers = None
    on = kinds_on(config)
    if on:
        passed = np.flatnonzero(~errors & ~reasons.rejected())
        found = find_duplicates(
            make_candidates(manifest, passed, id_rank, config, embeddings, earlier),
            exact=config.dedup_exact,
            phash_bits=config.dedup_phash_bits if config.dedup_phash else None,
            cosine=config.dedup_cosine,
        )
        for kind, reason in enumerate(KINDS):
            if reason in on:
                hit = found.kinds[: len(passed), kind]
                reasons.add(reason, passed[hit], step=True)
        keepers = keeper_columns(ids, passed, found.keeper, earlier, id_rows)

    notes = []
    for name, best in config.best.items():
        value = values[f"select.best.{name}.by"]
        eligible = ~errors & ~reasons.rejected()
        missed, cut = best_share(value, eligible, id_rank, best.keep)
        reasons.add(name, missed & ~errors, step=True)
        if cut is not None:
            count = int((eligible & ~missed).sum())
            notes.append(
                f"best {name}: {count:,} of {int(eligible.sum()):,} clips, those with {best.by} >= {cut:.6g}"
            )
    for name, balance in config.balance.items():
        group, _, member = grouped[name]
        eligible = ~errors & ~reasons.rejected() & member
        order = id_rank
        if balance.prefer is not None:
            key = f"select.balance.{name}.prefer"
            order = descending(numbers(manifest, {key: balance.prefer})[key], id_rank)
        over = over_cap(group, eligible, order, balance.cap)
        reasons.add(name, over, step=True)
        sizes = np.bincount(group[eligible], minlength=1)
        notes.append(
            f"balance {name}: {int((sizes > balance.cap).sum()):,} of {int((sizes > 0).sum()):,} "
            f"groups had more than {balance.cap:,} clips"
        )

    table = _table(ids, id_rows, errors, reasons, keepers)
    steps, hits = reasons.steps()
    funnel = build_funnel(_seconds(manifest), errors, steps, hits)
    return Selection(table=table, funnel=funnel, unmeasured=unmeasured, notes=tuple(notes))


def kinds_on(config: SelectConfig) -> tuple[str, ...]:
    """Kinds of duplicates that are looked for, in their order."""
    on = (config.dedup_exact, config.dedup_phash, config.dedup_cosine is not None)
    return tuple(kind for kind, used in zip(KINDS, on, strict=True) if used)


def step_names(config: SelectConfig) -> tuple[str, ...]:
    """Reasons that may reject a clip, in the order of the funnel; ``TRAINING_FORBIDDEN`` is before them."""
    return (*config.where, *kinds_on(config), *config.best, *config.balance)


def expressions(config: SelectConfig) -> tuple[dict[str, str], dict[str, str]]:
    """SQL of the rules besides ``where``: setting -> what gives a number, setting -> what names a clip's group."""
    values = {f"select.best.{name}.by": best.by for name, best in config.best.items()}
    values |= {f"select.dedup_keep[{n}]": text for n, text in enumerate(config.dedup_keep)}
    grouping: dict[str, str] = {}
    for name, balance in config.balance.items():
        if balance.group is not None:
            grouping[f"select.balance.{name}.group"] = balance.group
        if balance.prefer is not None:
            values[f"select.balance.{name}.prefer"] = balance.prefer
    return values, grouping


def columns_read(columns: list[str], config: SelectConfig) -> list[str]:
    """Which of a manifest's ``columns`` a selection by ``config`` may read."""
    values, grouping = expressions(config)
    texts = [*config.where.values(), *values.values(), *grouping.values()]
    names = set(FIXED_COLUMNS)
    if kinds_on(config):
        names |= set(schema.HASH_COLUMNS) if config.dedup_phash else {schema.PHASH}
    if kinds_on(config) and not config.dedup_pieces:
        names |= {schema.SOURCE_ID, schema.SHOT}
    for balance in config.balance.values():
        names |= {schema.CONCEPT_PREFIX + concept for concept in balance.concepts}
    names |= set(mentioned(" ".join(texts), columns))
    return [name for name in columns if name in names]


def check_rules(config: SelectConfig) -> None:
    """Raise ValueError when a rule's name cannot be a reason, or two rules share one."""
    seen: dict[str, str] = {}
    for section in ("where", "best", "balance"):
        for reason in getattr(config, section):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", reason) or reason in TAKEN:
                raise ValueError(
                    f"select.{section} reason {reason!r} must be lower-case letters, digits and _ "
                    f"and not one of {', '.join(TAKEN)}"
                )
            if reason in seen:
                raise ValueError(
                    f"select.{section} reason {reason!r} is taken by select.{seen[reason]}; rename one"
                )
            seen[reason] = section


def _failures(manifest: pa.Table) -> dict[str, np.ndarray]:
    """Reason -> rows that carry an upstream error of that stage."""
    column = manifest.column(schema.ERROR).combine_chunks()
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    found: dict[str, list[int]] = {}
    for row, text in zip(rows.tolist(), column.drop_null().to_pylist(), strict=True):
        found.setdefault(FAILED + text.split(":")[0].strip(), []).append(row)
    return {reason: np.array(at) for reason, at in sorted(found.items())}


def _groups(
    manifest: pa.Table, name: str, balance: BalanceConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group of every row, where it could not be told, and whether the row is in any; (N,) each."""
    if balance.group is not None:
        group, null = groups(manifest, f"select.balance.{name}.group", balance.group)
        return group, null, ~null
    setting = f"select.balance.{name}.concepts"
    columns = [schema.CONCEPT_PREFIX + concept for concept in balance.concepts]
    scores = numbers(manifest, {f"{setting} {column}": column for column in columns})
    stacked = np.stack(list(scores.values()), axis=1)
    null = np.isnan(stacked).any(1)
    group, member = best_concept(np.where(null[:, None], -np.inf, stacked), balance.least)
    return group, null, member & ~null


def _table(
    ids: pa.Array,
    id_rows: np.ndarray,
    errors: np.ndarray,
    reasons: Reasons,
    keepers: tuple[pa.Array, pa.Array] | None,
) -> pa.Table:
    """The selection, rows in the order of clip_id."""
    import pyarrow as pa

    decided = np.where(errors, 2, np.where(reasons.rejected(), 1, 0))[id_rows]
    names = pa.array([str(Decision.KEEP), str(Decision.REJECT), str(Decision.ERROR)])
    none = pa.nulls(len(ids), pa.string())
    of, folder = (none, none) if keepers is None else keepers
    return pa.table(
        {
            schema.CLIP_ID: take(ids, id_rows),
            schema.DECISION: names.take(pa.array(decided)),
            schema.REASONS: reasons.column(id_rows),
            schema.DUPLICATE_OF: of,
            schema.DUPLICATE_IN: folder,
        },
        schema=selection_schema(),
    )


def _seconds(manifest: pa.Table) -> np.ndarray:
    """float64 (N,): length of each clip in seconds, 0 where it is not known."""
    columns = (manifest.column(name) for name in (schema.END_S, schema.START_S))
    end, start = (column.to_numpy(zero_copy_only=False) for column in columns)
    return np.nan_to_num(end.astype(float) - start.astype(float))
