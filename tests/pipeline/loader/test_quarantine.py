"""Bad clips are listed, each once, and tolerated up to a budget, which all workers of a rank share."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pipeline import schema as s
from pipeline.loader.quarantine import DataError, Quarantine
from pipeline.shards.ranges import ClipError
from tests.helpers.json_lines import json_lines


@pytest.mark.parametrize(("clips", "budget"), [(100, 8), (8_999, 8), (9_000, 9), (1_000_000, 1000)])
def test_one_clip_in_a_thousand_may_be_bad_and_eight_in_any_case(clips: int, budget: int) -> None:
    assert Quarantine(None, clips).budget == budget


def test_the_budget_itself_is_tolerated_and_one_more_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "quarantine.jsonl"
    quarantine = Quarantine(path, 1000, floor=2)
    for clip in ("a", "b", "a", "b"):
        quarantine.add(clip, ClipError("hash", f"{clip} differs"), epoch=3)
    quarantine.add("a", ValueError("again"))
    assert len(quarantine) == 2
    with pytest.raises(
        DataError,
        match=r"^3 of 1000 clips .* budget of 2; see .*quarantine.jsonl; the last one: x$",
    ):
        quarantine.add("c", ValueError("x"), epoch=4)
    rows = json_lines(path)
    assert rows[0] == {s.CLIP_ID: "a", "kind": "hash", "epoch": 3, "error": "a differs"}
    assert [row[s.CLIP_ID] for row in rows] == ["a", "b", "c"] and rows[2]["kind"] == "decode"
    Quarantine(path, 1000).add("d", ValueError("another run"))
    assert len(path.read_text().splitlines()) == 4, "what an earlier run found is kept"
    assert path.stat().st_mode & 0o777 == 0o644 & ~os.umask(os.umask(0o022)), "others may read it"


def test_a_worker_relays_all_that_it_found_once() -> None:
    """What a worker keeps to itself is in no list and no budget: a broken disk would be trained over."""
    worker = pickle.loads(pickle.dumps(Quarantine.relay(50)))
    for clip in "abcdefghij":
        worker.add(clip, ClipError("truncated", clip), epoch=1)
    found = worker.take_found()
    assert [one.clip_id for one in found] == list("abcdefghij") and worker.take_found() == []
    assert found[0].kind == "truncated" and found[0].where == {"epoch": 1}
    mine = Quarantine(None, 50, floor=9)
    with pytest.raises(DataError, match="see the log"):
        for one in found:
            mine.add_found(one)
    assert len(mine) == 10
    assert mine.take_found() == [], "who relays nothing keeps nothing"
