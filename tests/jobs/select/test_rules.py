"""Rules of [select] are checked before there is a manifest."""

from __future__ import annotations

import pytest

from jobs.select.rules import check_rules
from pipeline.config import BalanceConfig, BestConfig, IngestConfig, OpenClipConfig, SelectConfig

OTHERS = (OpenClipConfig(), IngestConfig())


def test_rules_over_columns_that_will_be_there_pass() -> None:
    good = SelectConfig(
        where={"static": "motion_mean > 0.01", "text": "concept_text < 0.5"},
        best={"dull": BestConfig(by="blur", keep=0.5)},
        balance={"one": BalanceConfig(cap=3, group="source_id", prefer="blur")},
    )
    check_rules(good, *OTHERS)
    check_rules(SelectConfig(), *OTHERS)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"where": {"x": "nope > 1"}}, "no column 'nope'"),
        ({"where": {"x": "blur >"}}, "write SQL over its columns"),
        ({"where": {"x": "1; drop table manifest"}}, "select.where.x"),
        ({"where": {"x": "blur"}}, "true-or-false"),
        ({"best": {"x": BestConfig(by="concept_none", keep=0.5)}}, "select.best.x.by"),
        ({"balance": {"x": BalanceConfig(cap=1, group="nope")}}, "select.balance.x.group"),
        ({"dedup_keep": ("nope",)}, r"select.dedup_keep\[0\]"),
        ({"where": {"X y": "blur > 1"}}, "lower-case"),
    ],
)
def test_a_rule_that_cannot_work_is_named(rules: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_rules(SelectConfig(**rules), *OTHERS)
