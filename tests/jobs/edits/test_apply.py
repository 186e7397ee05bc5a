"""What select, pack and fine-tuning make of edits: a run folder of six clips, edited by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.core.run import RunFolder, open_run
from jobs.edits.apply import correct, decide_by_hand, run_edits
from jobs.edits.journal import Journal
from jobs.edits.replay import ByHand, replay
from jobs.select import command as select
from jobs.shards import pack
from jobs.train.captioner import find_examples
from pipeline import schema as s
from pipeline.config import PackConfig, SelectConfig
from pipeline.select.funnel import FunnelRow
from pipeline.select.select import Selection
from pipeline.shards.read import open_manifest
from pipeline.tables import selection_schema
from tests.helpers.run_folder import write_run

RULES = SelectConfig(where={"moving": "motion_mean > 0.25"}, dedup_phash=False)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Clips whose motion is 0.0, 0.1 ... 0.5: the last three are kept."""
    write_run(tmp_path, 6)
    return open_run(tmp_path)


def ids(run: RunFolder) -> list[str]:
    return [str(each) for each in pq.read_table(run.manifest)[s.CLIP_ID].to_pylist()]


def decided(run: RunFolder) -> dict[str, tuple[str, list[str]]]:
    rows = pq.read_table(run.selection).to_pylist()
    return {row[s.CLIP_ID]: (row[s.DECISION], row[s.REASONS]) for row in rows}


def edit(run: RunFolder, clip: str, action: str, **value: object) -> str:
    rows = pq.read_table(run.manifest).to_pylist()
    row = next(row for row in rows if row[s.CLIP_ID] == clip)
    place = {name: row[name] for name in (s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S)}
    return Journal(run.path).append("ann", action, value, **place).id


def test_select_reads_decisions_and_says_so(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = ids(run)
    assert select.run(RULES, run) == 3
    edit(run, clips[0], "decision", decision="keep")
    edit(run, clips[1], "decision", decision="keep")
    last = edit(run, clips[5], "decision", decision="reject")
    assert select.run(RULES, run) == 4
    found = decided(run)
    assert found[clips[0]] == ("keep", []) and found[clips[5]] == ("reject", ["by_hand"])
    assert found[clips[2]] == ("reject", ["moving"])
    out = capsys.readouterr().out
    assert "by hand: 1 clips that the rules keep are rejected, 2 that they reject are kept" in out
    assert select.run(RULES, run) == 4 and "nothing to do" in capsys.readouterr().out
    Journal(run.path).append("ann", "undo", {"of": last})
    assert select.run(RULES, run) == 5
    edit(run, clips[3], "tag", tag="nice")  # tags are nothing to select
    assert select.run(RULES, run) == 5 and "nothing to do" in capsys.readouterr().out


def test_reasons_of_the_rules_stay_and_the_funnel_counts_clips_and_hours_by_hand() -> None:
    rows = [
        ("a", "keep", [], None), ("b", "reject", ["moving"], None),
        ("c", "reject", ["duplicate_phash"], "a"), ("d", "error", ["failed:cut"], None),
    ]  # fmt: skip
    names = (s.CLIP_ID, s.DECISION, s.REASONS, s.DUPLICATE_OF)
    lines = [
        dict.fromkeys(selection_schema().names) | dict(zip(names, row, strict=True)) for row in rows
    ]
    lines[2][s.DUPLICATE_IN] = "earlier"
    table = pa.Table.from_pylist(lines, schema=selection_schema())
    step = FunnelRow(step="kept", removes=0, only=0, clips=1, hours=2.0)
    selection = Selection(table=table, funnel=(step,), unmeasured={})
    decided_ = {"a": "reject", "b": "reject", "c": "keep", "d": "keep", "gone": "keep"}
    seconds = {"a": 1800.0, "b": 10.0, "c": 3600.0, "d": 5.0}
    found = decide_by_hand(selection, decided_, seconds)
    plain = {row[s.CLIP_ID]: row for row in found.table.to_pylist()}
    assert plain["a"][s.DECISION] == "reject" and plain["a"][s.REASONS] == ["by_hand"]
    assert plain["b"][s.REASONS] == ["moving", "by_hand"], "why the rules were against it is kept"
    assert plain["c"] == {**plain["c"], s.DECISION: "keep", s.REASONS: []}
    assert plain["c"][s.DUPLICATE_OF] is None and plain["c"][s.DUPLICATE_IN] is None
    assert plain["d"][s.DECISION] == "error"
    by_hand, kept = found.funnel[-2:]
    assert (by_hand.removes, by_hand.only, by_hand.clips) == (1, 1, 1)
    assert kept.step == "kept" and (kept.clips, kept.hours) == (1, pytest.approx(2.5))


def test_corrections_of_kinds_that_are_not_packed_stay_out() -> None:
    edits = replay([])
    hand = ByHand(captions={"dense": "Ann's.", "short": "hers"})
    corrected = replace(edits, clips={"a": hand, "b": hand})
    before = {"a": {"dense": "model's"}}
    assert correct(before, corrected, ("dense",)) == {
        "a": {"dense": "Ann's."},
        "b": {"dense": "Ann's."},
    }
    assert before == {"a": {"dense": "model's"}}


def test_pack_takes_corrections_and_refuses_a_selection_from_before(run: RunFolder) -> None:
    clips = ids(run)
    select.run(RULES, run)
    before = pack.run(PackConfig(), run)
    edit(run, clips[4], "caption", kind="dense", text="What Ann saw.")
    edit(run, clips[5], "caption", kind="short", text="Ann.")
    after = pack.run(PackConfig(), run)
    assert before.packed == after.packed == 3
    rows = {row[s.CLIP_ID]: row for row in open_manifest(run.shards).table.to_pylist()}
    assert rows[clips[4]][s.CAPTION_DENSE] == "What Ann saw."
    assert (
        rows[clips[5]][s.CAPTION_SHORT] == "Ann." and rows[clips[3]][s.CAPTION_DENSE] == "dense 3"
    )
    edit(run, clips[3], "decision", decision="reject")
    with pytest.raises(UserError, match="by hand has changed since filmstock select"):
        pack.run(PackConfig(), run)
    select.run(RULES, run)
    assert pack.run(PackConfig(), run).packed == 2


def test_fine_tuning_learns_what_people_wrote(run: RunFolder) -> None:
    clips = ids(run)
    select.run(RULES, run)
    with pytest.raises(ValueError, match="edits has no dense caption"):
        find_examples(run.path, "dense", Path("edits"))
    edit(run, clips[4], "caption", kind="dense", text="What Ann saw.")
    (example,) = find_examples(run.path, "dense", Path("edits"))
    assert (example.clip_id, example.text) == (clips[4], "What Ann saw.")
    texts = {each.clip_id: each.text for each in find_examples(run.path, "dense", None)}
    assert len(texts) > 1 and texts[clips[4]] == "What Ann saw.", "as in the shards of this run"


def test_edits_outlive_another_ingest_and_another_captioning(run: RunFolder) -> None:
    clips = ids(run)
    edit(run, clips[0], "decision", decision="keep")
    edit(run, clips[4], "caption", kind="dense", text="What Ann saw.")
    table = pq.read_table(run.manifest)
    new = ["n" + clip[1:] for clip in clips]
    table = table.set_column(0, s.CLIP_ID, pa.array(new))
    ends = pa.array([end - 0.02 for end in table[s.END_S].to_pylist()])
    table = table.set_column(table.column_names.index(s.END_S), s.END_S, ends)
    pq.write_table(table, run.manifest / "part-00000.parquet")
    found = run_edits(run)
    assert found.decisions() == {new[0]: "keep"}
    assert found.captions() == {new[4]: {"dense": "What Ann saw."}}
    assert select.run(RULES, run) == 4 and decided(run)[new[0]] == ("keep", [])


def test_an_upstream_failure_cannot_be_kept_by_hand(run: RunFolder) -> None:
    clips = ids(run)
    table = pq.read_table(run.manifest)
    errors = pa.array(["cut: broken"] + [None] * 5, pa.string())
    table = table.set_column(table.column_names.index(s.ERROR), s.ERROR, errors)
    pq.write_table(table, run.manifest / "part-00000.parquet")
    edit(run, clips[0], "decision", decision="keep")
    select.run(RULES, run)
    assert decided(run)[clips[0]] == ("error", ["failed:cut"])
