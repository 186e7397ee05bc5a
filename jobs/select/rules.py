"""Check the rules of ``[select]`` before there is a manifest: on an empty one with the columns that it will have."""

from __future__ import annotations

from pipeline import tables
from pipeline.config import IngestConfig, OpenClipConfig, SelectConfig


def check_rules(select: SelectConfig, openclip: OpenClipConfig, ingest: IngestConfig) -> None:
    """ValueError for an expression that is no SQL, or names a column that ingest with these settings will not write."""
    from pipeline.scores.scorer import named_columns
    from pipeline.select.predicates import evaluate, groups, numbers
    from pipeline.select.select import check_rules as check_names
    from pipeline.select.select import expressions

    check_names(select)
    extra = tuple(named_columns(ingest.scorers))
    empty = tables.manifest_schema(tuple(openclip.concepts), extra).empty_table()
    evaluate(empty, select.where)
    values, grouping = expressions(select)
    for setting, text in grouping.items():
        groups(empty, setting, text)
    numbers(empty, values)
