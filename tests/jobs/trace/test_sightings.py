"""Steps that saw a clip are those in which the loader hands it out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.core.run import open_run
from jobs.core.uses import note_use, read_uses
from jobs.trace import lineage
from jobs.trace.sightings import find_sightings, runs_of_steps
from jobs.train.run_json import open_steps, read_run
from pipeline import schema as s
from tests.helpers.run_folders import encode_run, make_run, train_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    run = make_run(folder / "run", folder / "raw", ("quay",))
    encode_run(run)
    train_run(run, folder / "dit", steps=5)
    return folder


def handed_out(folder: Path, steps: int) -> Iterator[tuple[int, str]]:
    """(step, clip) as the loader really reads them."""
    loader = open_steps(read_run(folder))
    for number, step in zip(range(1, steps + 1), loader, strict=False):
        for pack in step.units:
            for clip in pack:
                yield number, clip[s.CLIP_ID]


def test_steps_are_those_that_the_loader_hands_out(home: Path) -> None:
    clips = open_run(home / "run").kept_clips()[s.CLIP_ID].to_pylist()
    (found,) = find_sightings(open_run(home / "run"), clips)
    want: dict[str, list[int]] = {}
    for step, clip in handed_out(home / "dit", 5):
        want.setdefault(clip, []).append(step)
    assert found.seen == want and want
    assert found.steps_done == 5 and found.checkpoints == ("state.pt", "dit.safetensors")
    assert set(found.held_out) == set(clips) - set(want)
    assert find_sightings(open_run(home / "run"), ["no-such-clip"]) == []


def test_lineage_tells_a_clip_from_its_source_to_the_steps(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next(clip for _, clip in handed_out(home / "dit", 5))
    assert lineage.main([clip[:12], "--run", str(home / "run"), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["manifest"][s.SOURCE_URI] == str(home / "raw" / "quay.mp4")
    assert body["decision"][s.DECISION] == "keep"
    assert {row[s.KIND] for row in body["captions"]} == {"short", "dense"}
    assert body["shards"][0][s.SHARD] == "part-00000.parquet" and len(body["latents"]) >= 1
    assert body["trainings"][0]["seen"][clip]
    assert lineage.main([clip, "--run", str(home / "run")]) == 0
    said = capsys.readouterr().out
    assert f"saw {clip} at steps" in said and "dense by tester-1, ok: a dense caption" in said


def test_a_run_folder_that_was_moved_knows_its_trainings_still(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next(clip for _, clip in handed_out(home / "dit", 5))
    (before,) = find_sightings(open_run(home / "run"), [clip])
    note_use(home / "run", "train-dit", home / "dit")
    moved, other = home / "a folder of its own" / "moved", home / "other"
    moved.parent.mkdir()
    shutil.copytree(home / "run", other)
    (home / "run").rename(moved)
    assert find_sightings(open_run(moved), [clip]) == [before]
    shutil.copytree(other, home / "run")  # a run folder is there again: the training is on that one
    assert find_sightings(open_run(moved), [clip]) == []
    assert find_sightings(open_run(home / "run"), [clip]) == [before]


def test_lineage_says_what_became_of_a_clip_in_each_export(home: Path) -> None:
    """A clip that an export refused, or that was packed after it, was told to be there."""
    run = open_run(home / "run")
    clip, refused, other = run.kept_clips()[s.CLIP_ID].to_pylist()[:3]
    for name, media, refusal in (("has", f"videos/{clip}.mp4", ""), ("old", "", "too_short")):
        (home / name).mkdir()
        row = f"{clip if name == 'has' else refused},{media},{refusal}"
        (home / name / "export.csv").write_text(f"name,media,refusal\n{row}\n")
        note_use(run.path, "export", home / name)
    note_use(run.path, "export", home / "gone")
    has, old, gone = (str(home / name) for name in ("has", "old", "gone"))
    told = {each: lineage.read_lineage(run, each, []).exported for each in (clip, refused, other)}
    absent = "it is not in it"
    assert told[clip] == {has: f"videos/{clip}.mp4", old: absent, gone: ""}
    assert told[refused] == {has: absent, old: "left out, too_short", gone: ""}
    assert told[other] == {has: absent, old: absent, gone: ""}
    said = list(lineage.lines(lineage.read_lineage(run, clip, [])))
    assert f"  export    {has}: videos/{clip}.mp4" in said and f"  export    {gone}" in said


def test_stretches_of_steps_are_told_shortly() -> None:
    assert runs_of_steps([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert runs_of_steps([4, 4]) == "4"
    assert runs_of_steps(list(range(1, 40, 2))) == "1, 3, 5, 7, 9, 11, 13, 15 ... 39 (20 steps)"


def test_uses_are_noted_once_and_a_cut_line_is_passed_over(tmp_path: Path) -> None:
    note_use(tmp_path, "export", tmp_path / "out")
    note_use(tmp_path, "export", tmp_path / "out")
    with (tmp_path / ".uses.jsonl").open("a") as file:
        file.write('{"command": "tr')
    assert read_uses(tmp_path) == [{"command": "export", "out": str(tmp_path / "out")}]
    note_use(tmp_path / "none" / "such", "export", tmp_path)  # made on the way
    note_use("/proc/none", "export", tmp_path)  # cannot be written: no error
