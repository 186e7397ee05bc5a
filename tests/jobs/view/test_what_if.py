"""The quick answer beside what select itself does, where rules look at other clips and clips fail in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.recipe import load_recipe
from jobs.core.run import open_run
from jobs.edits.replay import replay
from jobs.report.data import funnel, read_run
from jobs.report.diff import by_recipe
from jobs.select import command as select
from jobs.view.viewer import Viewer
from pipeline import schema as s
from pipeline.store.parquet import write_table
from tests.helpers.run_folder import write_run

HALF = "percent_rank() OVER (PARTITION BY source_id ORDER BY motion_mean) < 0.5"
ABOVE = "motion_mean > (SELECT median(motion_mean) FROM manifest)"
RULES = f"""
[select]
dedup_phash = false
dedup_exact = false
[select.where]
half = '''{HALF}'''
"""


def prepare(folder: Path, recipe: str, changes: dict[str, list[Any]] | None = None) -> None:
    """A run of 60 clips of 20 sources, their motion in no order; ``changes``: manifest columns."""
    write_run(folder, 60)
    path = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(path)
    motion = {s.MOTION_MEAN: np.random.default_rng(0).random(60).tolist()}
    for name, values in (motion | (changes or {})).items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    write_table(path, table)
    (folder / "recipe.toml").write_text(recipe)
    run = open_run(folder)
    select.run(run.recipe().select, run)


def both(folder: Path, where: dict[str, str]) -> list[tuple[Any, ...]]:
    """(clips kept and gone and back, funnel without hours) of the quick and of the exact answer."""
    viewer = Viewer(folder, "ann")
    rules = viewer.now.what_if
    assert rules is not None
    found = [rules.funnel(where, replay([])), rules.exact(where, replay([]))]
    return [
        (
            *(each[name] for name in ("kept", "gone", "back")),
            [(row["step"], row["removes"], row["only"], row["clips"]) for row in each["funnel"]],
        )
        for each in found
    ]


@pytest.mark.parametrize("rule", [HALF, ABOVE], ids=["window", "subquery"])
def test_the_folders_rules_may_look_at_other_clips(tmp_path: Path, rule: str) -> None:
    prepare(tmp_path, RULES.replace(HALF, rule))
    quick, exact = both(tmp_path, {"half": rule})
    assert quick == exact and quick[1:3] == (0, 0)


def test_a_window_typed_here_is_of_the_clips_that_it_names(tmp_path: Path) -> None:
    prepare(tmp_path, RULES)
    other = HALF.replace("< 0.5", "> 0.5")
    quick, exact = both(tmp_path, {"half": other})
    assert quick == exact
    assert quick[1] and quick[2]


def test_forbidden_and_unmeasured_clips_are_no_more_kept_than_by_select(tmp_path: Path) -> None:
    recipe = RULES + "[select.best.sharp]\nby = 'aesthetic'\nkeep = 1.0\n"
    forbidden = [i % 7 == 0 for i in range(60)]
    measured = [None if i % 5 == 0 else i / 60 for i in range(60)]
    prepare(tmp_path, recipe, {s.TRAINING_FORBIDDEN: forbidden, s.AESTHETIC: measured})
    quick, exact = both(tmp_path, {"half": HALF})
    assert quick == exact and quick[1:3] == (0, 0)
    assert s.TRAINING_FORBIDDEN in [row[0] for row in quick[3]]


def test_report_and_diff_have_the_funnel_that_select_printed(tmp_path: Path) -> None:
    prepare(tmp_path, RULES, {s.TRAINING_FORBIDDEN: [i % 7 == 0 for i in range(60)]})
    run = read_run(open_run(tmp_path))
    (decided,) = select.decide(
        run.folder, [load_recipe(str(tmp_path / "recipe.toml")).select], replay([])
    )
    said = [(row.step, row.removes, row.clips) for row in decided.funnel]
    for each in (run, by_recipe(run, str(tmp_path / "recipe.toml"))):
        assert [(row.step, row.removes, row.clips) for row in funnel(each)] == said
