"""What a forgetting looks for and counts before anything changes, what of it is kept, and the words that tell it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.caption.rows import write_part
from jobs.core.errors import UserError
from jobs.core.run import FORGETTING, RunFolder, open_run
from jobs.core.uses import note_use
from jobs.ingest.tombstones import mark
from jobs.trace import forget, plan
from jobs.trace.imported import Imported
from jobs.trace.plan import Plan, make_plan, read_plan, receipt, save_plan
from jobs.trace.search import MOST
from jobs.trace.sightings import Sighting
from jobs.trace.targets import Names, Target, Targets
from pipeline import schema as s
from pipeline.tables import captions_schema, selection_schema
from tests.helpers.run_folders import ingest_id, make_run

ODD = "/raw/caf\udce9.mp4"
"""A file name whose bytes are no UTF-8."""


def full_plan() -> Plan:
    return Plan(
        targets=Targets(
            words=("quay.mp4",),
            sources=("s1",),
            uris=(ODD,),
            clips={"c1": Target(clip_id="c1", source_id="s1", end_pts=9), "c2": Target(clip_id="c2")},
        ),
        ids=("c1", "c2", "s1", "aa11"),
        texts=(ODD, "a caption of the quay"),
        media=(b"\x00\xff picture",),
        sightings=(
            Sighting(
                folder="/dit",
                command="train-dit",
                steps_done=9,
                checkpoints=("state.pt",),
                seen={"c1": [1, 2, 5]},
                held_out=("c2",),
                note="why",
                from_weights_of="/old",
            ),
        ),
        fresh=("shards", "latents"),
        latents_in_line=True,
        orphans=2,
        counts={"clips": 2},
        exports=("/export",),
        imports=(Imported(folder="/other", words=("s7", "s8")),),
    )  # fmt: skip


def test_a_plan_that_a_kill_left_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Whatever it loses is not taken out when the same command goes on."""
    run = open_run(tmp_path)
    assert read_plan(run) is None
    save_plan(run, full_plan())
    assert (tmp_path / FORGETTING).is_file() and read_plan(run) == full_plan()


def test_the_search_looks_for_ids_names_and_media_in_every_spelling() -> None:
    needles = full_plan().needles()
    assert needles.ids == {b"c1", b"c2", b"s1", b"aa11"}
    assert needles.texts == (b"/raw/caf\xe9.mp4", b"a caption of the quay", b"\x00\xff picture")
    names = full_plan().names()
    assert names.ids == needles.ids and b"/raw/caf\xe9.mp4" in names.texts
    assert b"/raw/caf\\udce9.mp4" in names.texts, "as JSON spells it"
    assert not any(b"caption" in text for text in names.texts)


def test_a_receipt_keeps_numbers_and_marks_and_no_name() -> None:
    """It stays in the folder for good: it must say what was done, and not to what."""
    marks = {"c1": "m3", "c2": "m1", "s1": "m2", "quay.mp4": "m0"}
    body = receipt(full_plan(), marks)
    assert body == {
        "sources": 1,
        "clips": 2,
        "marks": ["m0", "m1", "m2", "m3"],
        "rows": {"clips": 2},
        "trainings": [
            {
                "folder": "/dit",
                "command": "train-dit",
                "checkpoints": ["state.pt"],
                "steps_done": 9,
                "seen": {"m3": [1, 2, 5]},
                "held_out": ["m1"],
                "note": "why",
                "from_weights_of": "/old",
            }
        ],
        "imports": {"/other": 2},
    }


SAID = "a caption that both of them show, word for word"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two sources with two clips each."""
    home = tmp_path_factory.mktemp("plan")
    make_run(home / "run", home / "raw", ("quay", "harbour-at-dawn"), clips=2)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


def clips_of(run: RunFolder, name: str) -> list[str]:
    rows = pq.read_table(run.manifest, columns=[s.CLIP_ID, s.SOURCE_URI]).to_pylist()
    return sorted(row[s.CLIP_ID] for row in rows if f"/{name}.mp4" in row[s.SOURCE_URI])


def plan_for(run: RunFolder, *words: str) -> Plan:
    names = Names(run)
    return make_plan(run, names, names.resolve(list(words)), [])


def caption(clip: str, kind: str, text: str | None, raw: str | None = None) -> dict[str, Any]:
    row = dict.fromkeys(captions_schema().names) | {s.CLIP_ID: clip, s.KIND: kind, s.TEXT: text}
    row |= {s.RAW_TEXT: raw, s.OUTCOME: s.CaptionOutcome.OK.value, s.MODEL: "tester-1"}
    return row | {name: [] for name in (s.CHECKS, s.REPAIRS, s.HINTS, s.FACTS)}


def test_everything_that_is_of_a_source_is_looked_for_and_nothing_that_stays(home: Path) -> None:
    """A caption that another clip shows too would be called a rest for ever; one that is overlooked is a rest."""
    run = open_run(home / "run")
    one, two = clips_of(run, "quay")
    other = clips_of(run, "harbour-at-dawn")[0]
    write_part(
        run.captions,
        [
            caption(one, "style", "sixteen letters.", "what the model said of the quay"),
            caption(one, "mood", SAID),
            caption(two, "style", "too short, 15.."),
            caption(two, "mood", None, "sixteen letters."),
            caption(other, "style", "another one", SAID),
        ],
    )
    made = plan_for(run, "quay.mp4")
    rows = {r[s.CLIP_ID]: r for r in pq.read_table(run.manifest).to_pylist()}
    source = ingest_id(home / "raw" / "quay.mp4")
    hashes = {rows[clip][s.VIDEO_XXH3] for clip in (one, two)}
    assert set(made.ids) == {one, two, source, *hashes} and len(made.ids) == 5
    assert made.targets.sources == (source,) and set(made.targets.clips) == {one, two}
    texts = [text for text in made.texts if "/" not in text]
    assert len(texts) == len(set(texts)) == 1 + 4 + 2
    assert {"quay.mp4", "sixteen letters.", "what the model said of the quay"} < set(texts)
    assert sum(one[:8] in text or two[:8] in text for text in texts) == 4
    assert rows[one][s.SOURCE_URI] in made.texts
    video = run.read_clip(rows[one])
    assert any(cell in video for cell in made.media)
    assert not any(cell in run.read_clip(rows[other]) for cell in made.media)
    assert made.counts["clips"] == 2 and made.counts["captions"] == 8 and made.counts["shards"] == 2
    assert made.sightings == () and made.exports == () and made.imports == ()


def test_a_clip_leaves_its_source_and_its_file_name(home: Path) -> None:
    """Its neighbours are of the same film, and their rows name it."""
    run = open_run(home / "run")
    one, two = clips_of(run, "quay")
    made = plan_for(run, one)
    assert made.targets.sources == () and made.counts["clips"] == 1 and "sources" not in made.counts
    assert not any("quay" in text for text in made.texts) and two not in made.ids


def test_clips_without_captions_or_without_bytes_are_planned_for_all_the_same(home: Path) -> None:
    run = open_run(home / "run")
    shutil.rmtree(run.captions)
    for part in (home / "run" / "clips").iterdir():
        part.unlink()
    made = plan_for(run, "quay.mp4")
    assert made.media == () and len(made.ids) == 5 and "captions" not in made.counts


def test_at_most_so_many_captions_and_stretches_are_looked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is a pass over all bytes for each of them."""
    run = open_run(home / "run")
    assert MOST == 200
    monkeypatch.setattr(plan, "MOST", 2)
    made = plan_for(run, "quay.mp4")
    assert len([text for text in made.texts if "word" in text]) == 2
    rows = pq.read_table(run.manifest).to_pylist()
    shown = {r[s.CLIP_ID] for r in rows for cell in made.media if cell in run.read_clip(r)}
    assert len(shown) == 1, "of the first clip alone"


def test_what_was_up_to_date_is_noted_and_what_was_not_is_not(home: Path) -> None:
    """Else the next command refuses what only the forgetting has changed, or takes in what was stale before."""
    run = open_run(home / "run")
    assert set(plan_for(run, "quay.mp4").fresh) == {"caption", "pack", "select"} & {
        json.loads(path.read_text())["stage"]
        for path in (home / "run" / ".done").glob("*.json")
        if json.loads(path.read_text()).get("inputs")
    }
    assert "pack" in plan_for(run, "quay.mp4").fresh
    table = pq.read_table(run.selection)
    pq.write_table(table.slice(1), run.selection)
    assert "pack" not in plan_for(run, "quay.mp4").fresh
    assert plan_for(run, "quay.mp4").latents_in_line is False, "there are none"


def test_latents_that_are_those_of_the_shards_are_brought_along(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they were called stale after it, and encoded again for nothing; stale ones must stay so."""
    asked: list[str] = []

    def refuse_stale(folder: str) -> None:
        asked.append(folder)
        if len(asked) > 1:
            raise ValueError("stale")

    monkeypatch.setattr("pipeline.latents.stale.refuse_stale", refuse_stale)
    run = open_run(home / "run")
    (home / "run" / "latents").mkdir()
    assert plan_for(run, "quay.mp4").latents_in_line is True
    assert plan_for(run, "quay.mp4").latents_in_line is False
    assert asked == [str(home / "run" / "latents")] * 2


def test_duplicates_of_what_goes_are_counted_once_and_those_that_go_too_are_not(home: Path) -> None:
    run = open_run(home / "run")
    one, two = clips_of(run, "quay")
    other, last = clips_of(run, "harbour-at-dawn")
    of = {two: one, other: one, last: other}
    rows = [{**r, s.DUPLICATE_OF: of.get(r[s.CLIP_ID])} for r in pq.read_table(run.selection).to_pylist()]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=selection_schema()), run.selection)
    assert plan_for(run, "quay.mp4").orphans == 1
    run.selection.unlink()
    assert plan_for(run, "quay.mp4").orphans == 0


def test_exports_of_the_run_are_in_the_plan(home: Path) -> None:
    note_use(home / "run", "export", home / "out")
    assert plan_for(open_run(home / "run"), "quay.mp4").exports == (str(home / "out"),)


def test_what_a_training_saw_is_told_step_by_step() -> None:
    """All that can be said of weights, which cannot be unlearned: every line of it counts."""
    (each,) = full_plan().sightings
    assert list(forget.sighting_lines(each)) == [
        "train-dit /dit (state.pt, 9 steps)",
        "  saw c1 at steps 1-2, 5",
        "  measured on c2 (held out, never trained on)",
        "  began with the weights of /old, which saw some of them",
        "  why",
    ]
    held = Sighting(folder="/vae", command="train-vae", steps_done=0, held_out=("c1", "c2"))
    assert list(forget.sighting_lines(held)) == [
        "train-vae /vae (no checkpoint, 0 steps)",
        "  measured on c1, c2 (held out, never trained on)",
    ]
    bare = Sighting(
        folder="/vae", command="train-vae", steps_done=None, seen={"c2": [3], "c1": [0]}
    )
    assert list(forget.sighting_lines(bare)) == [
        "train-vae /vae (no checkpoint)",
        "  saw c1 at steps 0",
        "  saw c2 at steps 3",
    ]


def test_what_was_taken_out_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(tmp_path)
    there = tmp_path / "there"
    there.mkdir()
    for folder in (there, tmp_path / "moved"):
        note_use(tmp_path, "import", folder)
    body = forget.replace(full_plan(), exports=(str(there), "/gone"))
    forget.tell(run, body, would=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    lost = ": no such folder any more; a copy elsewhere stays"
    assert lines == [
        "forget: took out 1 sources and 2 clips; rows: clips 2",
        "  /raw/caf\\xe9.mp4",
        "  import /other: took out 2 of its sources and clips",
        f"  import {tmp_path}/moved{lost}",
        f"  export {there}",
        f"  export /gone{lost}",
        "  train-dit /dit (state.pt, 9 steps)",
        "    saw c1 at steps 1-2, 5",
        "    measured on c2 (held out, never trained on)",
        "    began with the weights of /old, which saw some of them",
        "    why",
        "  2 clips were rejected as duplicates of these; select may take them in",
        f"next: filmstock select {run}, then caption, pack and encode; filmstock report {run}",
    ]
    bare = Plan(targets=Targets(clips={"c1": Target(clip_id="c1")}), ids=(), texts=(), media=())
    forget.tell(run, bare, would=True, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "forget: would take out 1 clips; rows: none",
        f"  import {tmp_path}/moved{lost}",
        "  no training that is known of saw them (name others with --trained DIR)",
        "forget: nothing was changed (--dry-run)",
    ]
    forget.tell(run, full_plan(), would=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    names = {name: name for name in ("s1", "c1", "c2")}
    extra = {"run": str(run), "dry_run": True, "uris": [ODD]}
    assert told == {**extra, **receipt(full_plan(), names)}


def test_a_name_whose_bytes_are_no_text_can_be_forgotten() -> None:
    """Such a file goes through ingest; what was refused was to forget it by its name."""
    assert mark(ODD) != mark("/raw/caf.mp4") and len(mark(ODD)) == 32
    assert mark("café") == "0587af4fdea81910b4f7c3e265016c3a"


def test_marks_of_all_receipts_are_known(tmp_path: Path) -> None:
    """A work that was forgotten once is not looked for again, and not told to be unknown."""
    run = open_run(tmp_path)
    assert forget.known_marks(run) == set()
    (tmp_path / ".forgotten").mkdir()
    lines = [json.dumps({"marks": marks}) for marks in (["a", "b"], ["c"])]
    (tmp_path / ".forgotten" / "receipts.jsonl").write_text("\n".join(lines) + "\n")
    assert forget.known_marks(run) == {"a", "b", "c"}


def test_buckets_are_asked_about_the_run_and_each_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def kept_by_bucket(folder: Any, *, remove: bool) -> Any:
        asked.append((str(folder), remove))
        return SimpleNamespace(told=lambda name: f"{name} keeps") if "e1" in str(folder) else None

    monkeypatch.setattr(forget, "kept_by_bucket", kept_by_bucket)
    run, exports = open_run(tmp_path), [str(tmp_path / "e1"), str(tmp_path / "e2")]
    for remove in (False, True):
        assert forget.bucket_lines(run, exports, remove=remove) == [f"{exports[0]} keeps"]
    assert asked == [(name, r) for r in (False, True) for name in (str(tmp_path), *exports)]


def test_its_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        forget.main(["--help"])
    assert "usage: filmstock forget [" in capsys.readouterr().out


def test_what_is_no_run_is_refused_word_for_word(tmp_path: Path) -> None:
    for folder, says in (
        (tmp_path / "none", "is no folder; give the run folder that ingest wrote"),
        (tmp_path, "holds no run; give the run folder that ingest wrote"),
    ):
        with pytest.raises(UserError) as told:
            forget.main(["quay.mp4", "--run", str(folder)])
        assert str(told.value) == f"{folder} {says}"
    (tmp_path / "shards").mkdir()
    with pytest.raises(UserError, match=r"--trained .*gone is no folder"):
        forget.main(["quay.mp4", "--run", str(tmp_path), "--trained", str(tmp_path / "gone")])
    with pytest.raises(UserError) as told:
        forget.main(["--run", str(tmp_path)])
    said = f"name what to forget: filmstock forget SOURCE|CLIP ... --run {tmp_path}"
    assert str(told.value) == said
