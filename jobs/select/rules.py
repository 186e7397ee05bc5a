"""Check the rules of ``[select]`` before there is a manifest: on an empty one with the columns that it will have."""

from __future__ import annotations

from pipeline import tables
from pipeline.config import IngestConfig, OpenClipConfig, SelectConfig


def check_rules(select: SelectConfig, openclip: OpenClipConfig, ingest: IngestConfig) -> None:
    """ValueError for an expression that is no SQL, or names a column that ingest with these settings will not write."""
    from pipeline.scores.scorer import named_columns
    from pipeline.select.predicates import evaluate, groups, numbers
    from pipeline.select.select import check_rules as check_names

    check_names(select)
    extra = tuple(named_columns(ingest.scorers))
    empty = tables.manifest_schema(tuple(openclip.concepts), extra).empty_table()
    evaluate(empty, select.where)
    values = {f"select.best.{name}.by": best.by for name, best in select.best.items()}
    values |= {f"select.dedup_keep[{n}]": text for n, text in enumerate(select.dedup_keep)}
    for name, balance in select.balance.items():
        if balance.group is not None:
            groups(empty, f"select.balance.{name}.group", balance.group)
        if balance.prefer is not None:
            values[f"select.balance.{name}.prefer"] = balance.prefer
    numbers(empty, values)
