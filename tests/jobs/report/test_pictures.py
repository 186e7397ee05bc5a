"""Pictures: what is taken, of which frame, and that a section never spends more than it has."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report_size import make_run
from jobs.core.run import open_run
from jobs.report.data import Run, read_run
from jobs.report.edges import NEAREST, find_edges
from jobs.report.pictures import (
    BOX,
    CUTS_SHOWN,
    SAMPLES_SHOWN,
    PictureBudget,
    StillCache,
    cut_sheets,
    duplicate_sheets,
    edge_sheets,
    kept_cards,
    spread,
)
from pipeline import schema as s

PLENTY = 10**9


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("pictures") / "run"
    return read_run(open_run(make_run(folder, 200, files=2, size=(320, 160))))


@pytest.fixture(scope="module")
def stills(run: Run) -> StillCache:
    return StillCache(run)


def pixels(src: str) -> np.ndarray:
    from PIL import Image

    head, _, data = src.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_picture_is_the_frame_asked_for_and_fits_the_box(run: Run, stills: StillCache) -> None:
    from pipeline.shards.ranges import read_clip
    from pipeline.video.decode import decode_clip

    shown = pixels(stills.take(0, [5]))
    assert shown.shape == (88, 176, 3) and shown.shape[1] <= BOX[0]
    frames, _ = decode_clip(read_clip(run.folder / "clips", run.row(0)), size=(176, 88))
    errors = np.abs(frames.astype(int) - shown).mean((1, 2, 3))
    assert errors.argmin() == 5


def test_strips_on_both_sides_of_a_threshold(run: Run, stills: StillCache) -> None:
    edge = next(edge for edge in find_edges(run) if edge.reason == "static")
    below, above = edge_sheets(stills, edge, PictureBudget(left=PLENTY))
    assert below.title == "just below: rejected" and above.title == "just above: kept by this rule"
    assert len(above.items) == NEAREST
    values = [float(item[0].label) for item in above.items]
    assert values == sorted(values) and values[0] > edge.threshold


def test_cuts_show_neighbours_of_one_source(run: Run, stills: StillCache) -> None:
    sheets = cut_sheets(stills, PictureBudget(left=PLENTY))
    assert [sheet.title for sheet in sheets][0] == "cut", "the most frequent kind first"
    assert {"fade", "dissolve", "wipe", "split"} < {sheet.title for sheet in sheets}
    assert sum(sheet.total for sheet in sheets) == 200 - 20, "sources have ten clips each"
    shown = [item for sheet in sheets for item in sheet.items]
    assert len(shown) == CUTS_SHOWN
    n = run.row(0)[s.N_FRAMES]
    wanted = {stills.take(0, [n - 1]), stills.take(1, [n - 1])}
    assert {before.src for before, _ in shown} <= wanted
    assert {after.src for _, after in shown} <= {stills.take(0, [0]), stills.take(1, [0])}


def test_duplicates_stand_beside_what_was_kept(run: Run, stills: StillCache) -> None:
    (sheet,) = duplicate_sheets(stills, PictureBudget(left=PLENTY))
    assert sheet.title == "duplicate_phash" and sheet.total > len(sheet.items)
    assert all([p.label for p in item] == ["rejected", "kept"] for item in sheet.items)


def test_kept_clips_are_spread_over_the_set_and_carry_captions(
    run: Run, stills: StillCache
) -> None:
    cards = kept_cards(stills, PictureBudget(left=PLENTY))
    assert len(cards) == SAMPLES_SHOWN
    kept = {run.row(i)[s.CLIP_ID] for i in np.flatnonzero(run.kept).tolist()}
    assert {card["id"] for card in cards} <= kept
    assert [kind for kind, _, _ in cards[0]["captions"]] == ["short", "dense"]


def test_no_section_spends_more_than_it_has(run: Run, stills: StillCache) -> None:
    edge = find_edges(run)[0]
    one = len(stills.middle(0))
    for spend in (
        lambda budget: edge_sheets(stills, edge, budget),
        lambda budget: cut_sheets(stills, budget),
        lambda budget: duplicate_sheets(stills, budget),
        lambda budget: kept_cards(stills, budget),
    ):
        for left in (0, one, 5 * one):
            budget = PictureBudget(left=left)
            spend(budget)
            assert 0 <= budget.left <= left


def test_spread_keeps_the_ends() -> None:
    assert spread([4, 5, 6], 5) == [4, 5, 6]
    assert spread(list(range(101)), 5) == [0, 25, 50, 75, 100]
    assert spread([], 5) == []
