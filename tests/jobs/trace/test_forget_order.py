"""What a forgetting does besides taking rows out, the tables put aside: what it searches, keeps and says is left."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.run import FORGETTING, RunFolder, open_run
from jobs.ingest.tombstones import mark, read_tombstones
from jobs.trace import forget
from jobs.trace.plan import Plan, read_plan, save_plan
from tests.jobs.trace.test_plan import full_plan


class Aside:
    """Everything that changes tables or reads all bytes, replaced by notes of what was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.notes, self.left = folder, list[Any](), [("a.txt", "needle")]
        for name in ("run/shards", "dit", "export", "other/shards"):
            (folder / name).mkdir(parents=True)
        self.run = open_run(folder / "run")
        base = full_plan()
        seen = forget.replace(base.sightings[0], folder=str(folder / "dit"))
        imported = forget.replace(base.imports[0], folder=str(folder / "other"))
        exports = (str(folder / "export"), str(folder / "gone"))
        self.plan = forget.replace(base, sightings=(seen,), imports=(imported,), exports=exports)

        def remains(root: Any, needles: Any, skip: Any = ()) -> list[tuple[str, str]]:
            kind = {self.plan.needles(): "all", self.plan.names(): "names"}[needles]
            self.notes.append((str(root.relative_to(folder)), kind, skip))
            return list(self.left)

        def steps(run: RunFolder, plan: Plan) -> Any:
            self.notes.append(("steps", str(run.path.relative_to(folder)), plan.targets.words))
            yield "one"
            self.notes.append("steps are done")

        def plan_of(run: RunFolder, words: Any, trained: Any) -> Plan:
            self.notes.append(("plan", str(run.path.relative_to(folder)), tuple(words)))
            targets = forget.replace(base.targets, words=tuple(words))
            bare = {"sightings": (), "imports": (), "exports": ()}
            return forget.replace(base, targets=targets, **bare)  # type: ignore[arg-type]

        monkeypatch.setattr(forget, "remains", remains)
        monkeypatch.setattr(forget, "steps", steps)
        monkeypatch.setattr(forget, "plan_of", plan_of)
        monkeypatch.setattr(
            forget.rest, "mend_markers", lambda run, fresh: self.notes.append(("markers", fresh))
        )

    def args(self, *what: str, **more: Any) -> forget.Args:
        return forget.Args(what=what, run=self.folder / "run", **more)


def test_all_that_can_hold_it_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run, trainings, runs that imported it and exports; a place that is passed over keeps the work unseen."""
    aside = Aside(tmp_path, monkeypatch)
    monkeypatch.setattr(forget, "forget_in_imports", lambda plan, args, within: [("i", "x")])
    left = forget.carry_out(aside.run, aside.plan, aside.args(), ())
    assert aside.notes == [
        ("steps", "run", ("quay.mp4",)),
        "steps are done",
        ("markers", ("shards", "latents")),
        ("run", "all", (".forgotten",)),
        ("dit", "names", ()),
        ("other", "all", (".forgotten",)),
        ("export", "all", ()),
    ]
    places = (f"{tmp_path / name}/a.txt" for name in ("dit", "other", "export"))
    assert left == [("i", "x"), *((name, "needle") for name in ("a.txt", *places))]
    aside.notes.clear()
    left = forget.carry_out(aside.run, aside.plan, aside.args(verify=False), ())
    assert left == [("i", "x")] and len(aside.notes) == 3


def test_a_receipt_and_tombstones_stay_and_the_plan_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan names the work. A second end of the same forgetting adds no second receipt."""
    aside = Aside(tmp_path, monkeypatch)
    for _ in range(2):
        save_plan(aside.run, aside.plan)
        (tmp_path / "run" / ".forgotten" / ".plan.json.1.tmp").write_text("half of a plan")
        forget.carry_out(aside.run, aside.plan, aside.args(verify=False), ())
        assert not (aside.run / FORGETTING).exists()
        hidden = {path.name for path in (tmp_path / "run" / ".forgotten").iterdir()}
        assert hidden == {"receipts.jsonl", "tombstones.jsonl"}
    (line,) = (tmp_path / "run" / ".forgotten" / "receipts.jsonl").read_text().splitlines()
    body = json.loads(line)
    assert body["marks"] == sorted(map(mark, ("s1", "c1", "c2", "quay.mp4")))
    assert body["clips"] == 2 and abs(body["time_s"]) > 1e9
    assert read_tombstones(tmp_path / "run").has_source("s1")


def test_what_was_cut_short_is_finished_first_and_its_words_are_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = Aside(tmp_path, monkeypatch)
    save_plan(aside.run, aside.plan)
    args = aside.args("quay.mp4", "mill.mp4", verify=False)
    assert forget.forget(aside.run, args) == EXIT_OK
    done = [note for note in aside.notes if note[0] in ("steps", "plan")]
    assert done == [
        ("plan", "other", ("s7", "s8")),
        ("steps", "other", ("s7", "s8")),
        ("steps", "run", ("quay.mp4",)),
        ("plan", "run", ("mill.mp4",)),
        ("steps", "run", ("mill.mp4",)),
    ]
    out = capsys.readouterr().out
    assert f"forget: going on with what was cut short in {aside.run}\n" in out
    assert out.count("next: filmstock select") == 3 and read_plan(aside.run) is None
    aside.notes.clear()
    again = aside.args("mill.mp4", "new.mp4", "quay.mp4", verify=False)
    assert forget.forget(aside.run, again) == EXIT_OK
    assert aside.notes[0] == ("plan", "run", ("new.mp4",)), "what was forgotten is not looked up"
    out = capsys.readouterr().out
    for word in ("mill.mp4", "quay.mp4"):
        assert f"forget: {word} was forgotten before; nothing to do\n" in out
    assert "new.mp4 was forgotten" not in out


def test_what_an_earlier_forgetting_left_is_told_with_the_later_one_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = Aside(tmp_path, monkeypatch)
    save_plan(aside.run, aside.plan)
    left = forget.take_out(aside.run, aside.args("quay.mp4", "mill.mp4"))
    assert left.count(("a.txt", "needle")) == 2 and len(left) == 6


def test_a_run_folder_is_changed_by_one_command_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = Aside(tmp_path, monkeypatch)
    held: list[tuple[str, str]] = []

    def locked(path: Path, what: str) -> Any:
        held.append((str(path.relative_to(tmp_path)), what))
        return nullcontext()

    monkeypatch.setattr(forget, "locked", locked)
    save_plan(aside.run, aside.plan)
    assert forget.main(["--run", str(aside.run.path), "--no-verify"]) == EXIT_OK
    assert held == [("run", "forget"), ("other", "forget")]


@pytest.mark.parametrize("name", ["manifest", "clips", "shards", ".ingest"])
def test_a_folder_with_any_table_of_clips_is_a_run(tmp_path: Path, name: str) -> None:
    """Shards alone were copied somewhere: a work must leave them, too."""
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="^name what to forget: "):
        forget.main(["--run", str(tmp_path)])


def test_a_run_that_imports_and_is_imported_is_gone_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders that took clips from each other would else forget in each other for ever."""
    aside = Aside(tmp_path, monkeypatch)
    args = aside.args("quay.mp4", verify=True, json=True, trained=(tmp_path / "dit",))
    other = open_run(tmp_path / "other")
    assert forget.forget_in_imports(aside.plan, args, (other.path.absolute(),)) == []
    assert aside.notes == []
    left = forget.forget_in_imports(aside.plan, args, ())
    assert left == [(f"{tmp_path}/other/a.txt", "needle")]
    assert not (tmp_path / "other" / ".forgotten" / "plan.json").exists()
    gone = forget.replace(aside.plan.imports[0], folder=str(tmp_path / "nowhere"))
    assert forget.forget_in_imports(forget.replace(aside.plan, imports=(gone,)), args, ()) == []


@pytest.mark.parametrize(
    ("left", "kept", "code"),
    [
        ([], [], EXIT_OK),
        ([("a.txt", "x" * 99)], [], EXIT_PARTIAL),
        ([], ["the bucket keeps 3"], EXIT_PARTIAL),
    ],
)
def test_whatever_is_left_is_told_and_is_no_success(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    left: list[tuple[str, str]],
    kept: list[str],
    code: int,
) -> None:
    """A script goes by the exit code."""
    aside = Aside(tmp_path, monkeypatch)
    asked: list[Any] = []
    monkeypatch.setattr(forget, "take_out", lambda run, args: left)

    def bucket_lines(run: Any, exports: Any, *, remove: bool) -> list[str]:
        asked.append((exports, remove))
        return kept

    monkeypatch.setattr(forget, "bucket_lines", bucket_lines)
    assert forget.forget(aside.run, aside.args("quay.mp4")) == code
    error = capsys.readouterr().err
    assert all(line in error for line in kept)
    for name, needle in left:
        said = f"{name} still holds {needle[:80]!r}; remove it, or what it says, by hand"
        assert said in error
    assert forget.forget(aside.run, aside.args(old_versions=True)) == code, "asks for no name"
    assert [remove for _, remove in asked] == [False, True]


def test_what_is_farthest_from_the_source_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, what is left still says what the rest was made from; each place is told what goes."""
    run, base = open_run(tmp_path / "run"), full_plan()
    asked: list[Any] = []

    def note(name: str) -> Any:
        def step(*args: Any, **named: Any) -> Any:
            asked.append((name, *args, *named.items()))
            yield name

        return step

    for name in ("take_out_of_training", "take_out_records", "take_out_rest"):
        monkeypatch.setattr(forget.rest, name, note(name))
    for name in ("take_out_shards", "take_out_latents", "take_out_clips"):
        monkeypatch.setattr(forget.tables, name, note(name))
    monkeypatch.setattr(forget, "take_out_of_export", note("take_out_of_export"))
    for name in ("dit", "vae", "plain", "export"):
        (tmp_path / name).mkdir()
    seen = [
        forget.replace(base.sightings[0], folder=str(tmp_path / name), command=what, held_out=held)
        for name, what, held in (
            ("dit", "train-dit", ("c2",)),
            ("vae", "train-vae", ()),
            ("plain", "train-dit", ()),
            ("gone", "train-dit", ()),
        )
    ]
    exports = (str(tmp_path / "export"), str(tmp_path / "moved"))
    plan = forget.replace(base, sightings=tuple(seen), exports=exports)
    names = list(forget.steps(run, plan))
    gone = asked[3][2]
    assert (list(gone.clips), gone.sources) == (["c1", "c2"], ("s1",))
    training = "take_out_of_training"
    assert asked == [
        (training, tmp_path / "dit", True, plan.names()),
        (training, tmp_path / "vae", True, plan.names()),
        (training, tmp_path / "plain", False, plan.names()),
        ("take_out_of_export", tmp_path / "export", gone, plan.needles()),
        ("take_out_shards", run, gone),
        ("take_out_latents", run, gone, ("in_line", True)),
        ("take_out_clips", run, gone),
        ("take_out_records", run, gone, plan.targets.clips),
        ("take_out_rest", run, gone, plan.needles()),
    ]
    assert names == [name for name, *_ in asked], "each file that changes is told"
