"""SQL over the manifest: one value per clip, NULL kept apart, mistakes named, nothing else in reach."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.select.predicates import evaluate, groups, mentioned, numbers

TABLE = pa.table(
    {
        "clip_id": ["a", "b", "c"],
        "motion_mean": pa.array([0.5, None, 0.1]),
        "source_id": ["x", None, "x"],
        "luma_mean": [0.1, 0.2, 0.3],
    }
)


def test_false_and_unknown_are_told_apart():
    verdicts = evaluate(TABLE, {"static": "motion_mean > 0.2", "any": "true"})
    assert verdicts["static"].failed.tolist() == [False, False, True]
    assert verdicts["static"].unmeasured.tolist() == [False, True, False]
    assert not (verdicts["any"].failed | verdicts["any"].unmeasured).any()


def test_numbers_and_groups_keep_null_apart():
    values = numbers(TABLE, {"by": "motion_mean * 2", "one": "1"})
    np.testing.assert_allclose(values["by"], [1.0, np.nan, 0.2])
    assert values["one"].tolist() == [1.0, 1.0, 1.0]
    group, null = groups(TABLE, "group", "source_id")
    assert group[0] == group[2] and null.tolist() == [False, True, False]
    group, null = groups(TABLE, "group", "luma_mean > 0.15")
    assert group[0] != group[1] == group[2] and not null.any()


def test_a_predicate_may_compare_with_the_other_clips():
    where = {"low": "luma_mean >= (SELECT median(luma_mean) FROM manifest)"}
    assert evaluate(TABLE, where)["low"].failed.tolist() == [True, False, False]


def test_values_stay_with_their_clips_whatever_order_the_rows_come_in():
    """DuckDB gives rows of a window by partition, and those of a subquery as its hash join finds them."""
    n = 300_000
    rng = np.random.default_rng(0)
    source, value = rng.integers(0, 9_999, n), rng.random(n)
    table = pa.table({"source_id": source.astype("U"), "blur": value})
    mean = (np.bincount(source, value) / np.maximum(np.bincount(source), 1))[source]
    best = np.zeros(source.max() + 1)
    np.maximum.at(best, source, value)
    window = "OVER (PARTITION BY source_id)"
    subquery = "(SELECT avg(m.blur) FROM manifest m WHERE m.source_id = manifest.source_id)"
    asked = {"window": f"blur - avg(blur) {window}", "subquery": f"blur - {subquery}"}
    for name, found in numbers(table, asked).items():
        np.testing.assert_allclose(found, value - mean, atol=1e-9, err_msg=name)
    (top,) = evaluate(table, {"top": f"blur >= max(blur) {window}"}).values()
    assert (~top.failed == (value == best[source])).all()
    group, _ = groups(table, "group", f"min(source_id) {window}")
    assert len(np.unique(np.stack([group, source]), axis=1).T) == len(np.unique(source))


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("motion_men > 0", "no column 'motion_men'; did you mean 'motion_mean'"),
        ("motion_mean >", "syntax error"),
        ("motion_mean + 1", "true-or-false"),
        ("motion_mean > 0), (luma_mean > 0", "true-or-false"),
        ("max(motion_mean) > 0", "true-or-false"),
        ("true) FROM manifest WHERE (luma_mean > 2", "syntax error"),
        ("motion_mean > 0; DROP TABLE manifest", "syntax error"),
        ("clip_id IN (SELECT content FROM read_text('/etc/hostname'))", "disabled"),
    ],
)
def test_a_bad_predicate_is_named_with_what_is_wrong(predicate: str, message: str):
    with pytest.raises(ValueError, match="select.where.mine") as caught:
        evaluate(TABLE, {"mine": predicate})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_number_is_named_with_its_setting():
    with pytest.raises(ValueError, match=r"select.best.dull.by = 'blurr'.*no column 'blurr'"):
        numbers(TABLE, {"select.best.dull.by": "blurr"})
    with pytest.raises(ValueError, match=r"select.best.dull.by = 'source_id'.*Could not convert"):
        numbers(TABLE, {"select.best.dull.by": "source_id"})


def test_columns_are_found_in_an_expression():
    columns = ["motion_mean", "motion", "blur"]
    assert mentioned("MOTION_MEAN > 0 OR blur IS NULL", columns) == ["motion_mean", "blur"]
    assert mentioned("1 = 1", columns) == []
