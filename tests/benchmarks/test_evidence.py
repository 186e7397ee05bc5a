"""Evidence scripts: intervals, differences, the power law, plots, and that no arm sees what the other could not."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.evidence.captions import web_text
from benchmarks.evidence.compute import power_law
from benchmarks.evidence.curation import SHARES, kinds, rows_of
from benchmarks.evidence.native_sizes import cut_off
from benchmarks.evidence.runs import outcome, plan
from benchmarks.evidence.tables import difference, dots, falling, interval, table
from pipeline import schema as s

ARMS = {
    "a": [
        {"colour": 0.9, "held_out": 0.5},
        {"colour": 0.8, "held_out": 0.6},
        {"colour": 0.85, "held_out": 0.55},
    ],
    "b": [
        {"colour": 0.6, "held_out": 0.7},
        {"colour": 0.5, "held_out": 0.8},
        {"colour": 0.55, "held_out": 0.75},
    ],
}


def test_an_interval_is_students_over_the_seeds() -> None:
    mean, half = interval([0.9, 0.8, 0.85])
    assert mean == pytest.approx(0.85)
    assert half == pytest.approx(4.303 * 0.05 / 3**0.5)
    assert np.isnan(interval([0.4])[1])


def test_shares_are_per_cent_and_losses_are_not() -> None:
    lines = table(ARMS, ("colour", "held_out")).splitlines()
    assert lines[1].split() == ["a", "85.0", "±", "12.4", "0.550", "±", "0.124"]


def test_differences_are_paired_by_seed() -> None:
    assert (
        difference(ARMS, "a", "b", "colour")
        == "a over b, colour: +30.0 ± 0.0 points (clear of chance)"
    )
    swapped = {"a": ARMS["a"], "b": [ARMS["b"][i] for i in (1, 0, 2)]}
    assert difference(swapped, "a", "b", "colour").endswith("(clear of chance)")
    same = {"a": ARMS["a"], "b": [ARMS["a"][i] for i in (1, 2, 0)]}
    assert difference(same, "a", "b", "colour").endswith("(within chance)")


def test_the_power_law_is_found_again() -> None:
    steps = np.array([100.0, 200.0, 400.0, 800.0])
    a, b, floor = power_law(steps, 0.2 + 8.0 * steps**-0.5)
    assert floor + a * 1600**-b == pytest.approx(0.2 + 8.0 * 1600**-0.5, rel=0.01)


def test_plots_are_well_formed_and_show_every_seed() -> None:
    circle = "{http://www.w3.org/2000/svg}circle"
    drawn = ElementTree.fromstring(dots("a < b", ARMS, ("colour",)))
    assert len(drawn.findall(circle)) == 6
    fallen = ElementTree.fromstring(
        falling("loss", {10: [1.0, 1.1], 20: [0.8, 0.9]}, (1.0, 0.5, 0.1))
    )
    assert len(fallen.findall(circle)) == 4


def test_the_curated_set_is_part_of_the_raw_one() -> None:
    drawn = kinds(40)
    assert drawn == kinds(40) and set(drawn) <= set(SHARES)
    raw = list(rows_of(drawn, list(range(40))))
    kept = [3, 7, 11]
    assert [row[s.CLIP_ID] for row in rows_of(drawn, kept)] == [raw[i][s.CLIP_ID] for i in kept]
    black = next(index for index, kind in enumerate(drawn) if kind == "black")
    good = next(index for index, kind in enumerate(drawn) if not kind)
    from pipeline.video.decode import decode_clip

    assert (
        decode_clip(raw[black][s.VIDEO])[0].mean() < 5 < decode_clip(raw[good][s.VIDEO])[0].mean()
    )


def test_the_web_says_little_and_the_same_each_time() -> None:
    text = "A medium pink cross is in the centre. The background is charcoal with dots. The light comes from the left."
    said = [web_text(text, index) for index in range(300)]
    assert said == [web_text(text, index) for index in range(300)]
    assert 0.25 < np.mean(["pink" in each for each in said]) < 0.42
    assert 0.25 < np.mean(["cross" in each for each in said]) < 0.42


def test_what_touches_the_edge_is_cut_off() -> None:
    from benchmarks.evidence.runs import world
    from pipeline.video.decode import decode_clip
    from pipeline.world.clips import world_row

    frame = decode_clip(world_row(world(1, seed=37), 0)[s.VIDEO])[0][0]
    assert cut_off([frame[None]]) == 0.0


def test_an_outcome_is_kept(tmp_path: Path) -> None:
    (tmp_path / "outcome-dense.json").write_text('{"colour": 0.5}')
    assert outcome(tmp_path, plan("Title.", []), seed=0) == {"colour": 0.5}
