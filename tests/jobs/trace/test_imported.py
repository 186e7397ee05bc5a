"""A work is taken out of what imported it, directly or by an export, with all that came of it there; others stay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jobs.core.run import FORGETTING, RunFolder, open_run
from jobs.core.uses import RECORDS, exports_of, imports_of, note_import, note_use
from jobs.report.status import read_status
from jobs.trace import forget, lineage
from jobs.trace.imported import find_elsewhere, find_imports
from jobs.trace.plan import make_plan, save_plan
from jobs.trace.targets import Names
from pipeline import schema as s
from pipeline.shards.read import open_table
from tests.helpers.run_folders import encode_run, make_run, train_run


def clips(run: RunFolder) -> dict[str, list[str]]:
    """File name of a source -> ids of its clips."""
    found: dict[str, list[str]] = {}
    for row in open_table(run.manifest, [s.CLIP_ID, s.SOURCE_URI]).to_pylist():
        found.setdefault(Path(row[s.SOURCE_URI]).stem, []).append(row[s.CLIP_ID])
    return found


@pytest.fixture
def home(made: tuple[Path, Path]) -> Path:
    """``run``, its export ``sets``, ``other`` that imported it, and ``third`` that imported the shards of ``other``."""
    place, kept = made  # tables name the place, so each test has the same one
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kept, place)
    return place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where it was made, and where it is kept."""
    tmp_path = tmp_path_factory.mktemp("made") / "home"
    tmp_path.mkdir()
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay", "mill"), 2)
    names = [clip for found in clips(run).values() for clip in found]
    make_run(tmp_path / "other", tmp_path / "sets/videos", (*names, "of_its_own"), 1, seed=1)
    (tmp_path / "sets" / RECORDS).mkdir()
    note_use(run.path, "export", tmp_path / "sets")
    note_import(tmp_path / "sets", tmp_path / "other")
    second = [found[0] for found in clips(open_run(tmp_path / "other")).values()]
    make_run(tmp_path / "third", tmp_path / "members", tuple(second), 1, seed=2)
    note_import(tmp_path / "other" / "shards", tmp_path / "third")
    return tmp_path, tmp_path.rename(tmp_path.parent / "kept")


def test_an_import_notes_itself_where_its_data_is_from(home: Path) -> None:
    assert exports_of(home / "run") == [str(home / "sets")]
    assert imports_of(home / "run") == [str(home / "other")]
    assert imports_of(home / "other") == [str(home / "third")]
    for inside in ("sets/videos", "sets/metadata.csv"):
        note_import(home / inside, home / "more")
    assert imports_of(home / "run") == [str(home / "other"), str(home / "more")]
    before = sorted(home.rglob("*"))
    note_import(home / "raw", home / "more")
    assert sorted(home.rglob("*")) == before, "somebody's folder is left as it is"


def test_a_work_goes_from_every_run_that_imported_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, stays = clips(open_run(home / "run"))["quay"], clips(open_run(home / "run"))["mill"]
    assert forget.main(["quay.mp4", "--run", str(home / "run"), "--dry-run"]) == 0
    assert f"  import {home}/other: would take out 2 of its" in capsys.readouterr().out
    assert set(gone) < set(clips(open_run(home / "other")))
    lineage.main([gone[0], "--run", str(home / "run")])
    assert f"  import    {home}/other has it, too" in capsys.readouterr().out
    assert forget.main(["quay.mp4", "--run", str(home / "run")]) == 0
    assert f"  import {home}/other: took out 2 of its" in capsys.readouterr().out
    assert set(clips(open_run(home / "other"))) == {*stays, "of_its_own"}
    assert len(clips(open_run(home / "third"))) == 3
    assert not any((home / "sets/videos" / f"{name}.mp4").exists() for name in gone)
    assert all((home / "sets/videos" / f"{name}.mp4").exists() for name in stays)
    assert json.loads((home / "run/.forgotten/receipts.jsonl").read_text())["imports"] == {
        str(home / "other"): 2
    }
    assert forget.main(["quay.mp4", "--run", str(home / "run")]) == 0
    assert "forgotten before" in capsys.readouterr().out


def test_trainings_on_runs_that_imported_it_are_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights cannot be unlearned, so whoever forgets has to hear of them, however far the work went."""
    third = open_run(home / "third")
    encode_run(third)
    train_run(third, home / "dit")
    gone = next(  # the clip of ``run`` that came to ``third``
        clip for clip in clips(open_run(home / "run"))["quay"] if find_third(home, clip)
    )
    (there,) = find_third(home, gone)
    capsys.readouterr()
    words = [gone, "--run", str(home / "run")]
    assert forget.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"  import {home}/third, of an import: would take out 1 clips" in said
    assert f"  train-dit {home}/dit (" in said and f"    saw {there} at steps " in said
    assert "no training that is known" not in said
    assert lineage.main(words) == 0
    said = capsys.readouterr().out
    assert f"  import    {home}/third has it, too" in said and f"train-dit {home}/dit (" in said
    assert forget.main([*words, "--json"]) == 0
    (training,) = json.loads(capsys.readouterr().out)["trainings"]  # one object, and nothing else
    assert training["folder"] == str(home / "dit") and list(training["seen"]) == [there]
    kept = (home / "run/.forgotten/receipts.jsonl").read_text()
    assert there not in kept and str(home / "dit") in kept
    left = len([clip for found in clips(third).values() for clip in found])
    notes = {line.stage: line.note for line in read_status(third)}
    assert notes["encode"] == f"{left} clips with {2 * left} captions"


def find_third(home: Path, clip: str) -> tuple[str, ...]:
    """What ``third`` calls a clip of ``run``."""
    run = open_run(home / "run")
    found = find_elsewhere(run, find_imports(run, [clip], []))
    return next((each.clips for each in found if each.folder == str(home / "third")), ())


def test_what_was_cut_short_goes_on_in_imports(home: Path) -> None:
    run = open_run(home / "run")
    names = Names(run)
    save_plan(run, make_plan(run, names, names.resolve(["quay.mp4"]), []))  # killed before all else
    other = open_run(home / "other")
    words = find_imports(run, clips(run)["quay"], [])[0].words
    save_plan(other, make_plan(other, Names(other), Names(other).resolve(list(words)), []))
    assert forget.main(["--run", str(home / "run")]) == 0
    assert len(clips(other)) == 3 and len(clips(open_run(home / "third"))) == 3
    assert not (home / "run" / FORGETTING).exists() and not (home / "other" / FORGETTING).exists()


def test_runs_that_import_each_other_come_to_an_end(home: Path) -> None:
    note_import(home / "other" / "shards", home / "run")
    assert forget.main(["quay.mp4", "--run", str(home / "run")]) == 0
    assert len(clips(open_run(home / "other"))) == 3


def test_an_import_that_is_gone_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(home / "other")
    assert forget.main(["quay.mp4", "--run", str(home / "run")]) == 0
    said = f"  import {home}/other: no such folder any more; a copy elsewhere stays"
    assert said in capsys.readouterr().out


def test_what_an_import_still_says_of_the_work_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = clips(open_run(home / "run"))["quay"][0]
    with (home / "other" / "recipe.toml").open("a") as file:
        file.write(f"\n# my favourite is {clip}\n")
    assert forget.main(["quay.mp4", "--run", str(home / "run")]) == 3
    assert f"{home}/other/recipe.toml still holds '{clip}'" in capsys.readouterr().err


def test_a_clip_is_known_by_its_bytes_too(home: Path) -> None:
    other = open_run(home / "other")
    row = next(
        row
        for row in open_table(other.manifest, [s.CLIP_ID, s.SOURCE_URI, s.VIDEO_XXH3]).to_pylist()
        if "of_its_own" in row[s.SOURCE_URI]
    )
    (found,) = find_imports(open_run(home / "run"), [], [row[s.VIDEO_XXH3]])
    assert found.words == (row[s.CLIP_ID],)
