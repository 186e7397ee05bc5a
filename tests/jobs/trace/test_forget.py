"""A work is taken out of everything: proven by a search of every byte, after a kill at every write, at a re-ingest."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.core.run import FORGETTING, RunFolder, open_run
from jobs.core.uses import note_use
from jobs.edits.fresh import Inputs
from jobs.report.status import State, read_status
from jobs.trace import forget
from pipeline import schema as s
from pipeline.loader.latent_packs import LatentPacks
from pipeline.shards.read import open_manifest
from pipeline.tables import selection_schema
from tests.helpers.run_folders import encode_run, ingest_id, make_run, train_run, tree


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw/, run/ and dit/, and files that people and commands leave in a run folder."""
    home = tmp_path_factory.mktemp("home")
    run = make_run(home / "run", home / "raw")
    encode_run(run)
    train_run(run, home / "dit")
    clip = clips_of(run, "harbour-at-dawn")[0]
    (home / "run" / "report.html").write_text(f"<p>{clip}</p>")
    (home / "run" / "sheets").mkdir()
    (home / "run" / "sheets" / "kept.png").write_bytes(b"\x89PNG pixels of it")
    lines = [json.dumps({"clip_id": name, "text": "x"}) for name in all_clips(run)]
    (home / "run" / "edits.jsonl").write_text("\n".join(lines) + "\n")
    (home / "run" / "captions" / ".answers-1.jsonl").write_text(lines[0] + "\n")
    (home / "run" / "index.bin").write_bytes(b"\0" * 100 + clip.encode() + b"\0" * 9)
    (home / "run" / "clips" / ".part.partial.tmp").write_bytes(b"half a file")
    (home / "run" / ".ingest" / "underway").mkdir()  # a split that was killed leaves how far it was
    half = {"source": f"{home}/raw/harbour-at-dawn.mp4", "cutting": True, "at_s": 1.0, "of_s": 3.0}
    (home / "run" / ".ingest" / "underway" / "0a.json").write_text(json.dumps(half))
    note = {"command": f"filmstock curate {home}/raw/harbour-at-dawn.mp4 --out run"}
    (home / "run" / ".done" / "curate.json").write_text(json.dumps({"stage": "curate", **note}))
    (home / "dit" / "quarantine.jsonl").write_text(lines[0] + "\n" + lines[-1] + "\n")
    return home


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with every table and no training: what is killed again and again."""
    home = tmp_path_factory.mktemp("small")
    run = make_run(home / "run", home / "raw", ("harbour-at-dawn", "quay"))
    encode_run(run)
    (home / "run" / "report.html").write_text("<p>clips</p>")
    (home / "run" / "edits.jsonl").write_text(json.dumps({"clip": all_clips(run)[0]}) + "\n")
    return home


@pytest.fixture
def light(small: Path, tmp_path: Path) -> Path:
    """A copy of the small one to change."""
    return Path(shutil.copytree(small, tmp_path / "light"))


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy to change; the training's data is the copy's."""
    return copied(made, tmp_path / "home")


def copied(made: Path, to: Path) -> Path:
    shutil.copytree(made, to)
    for name in ("run/.uses.jsonl", "dit/run.json"):
        path = to / name
        path.write_text(path.read_text().replace(str(made), str(to)))
    return to


def all_clips(run: RunFolder) -> list[str]:
    rows = pq.read_table(run.manifest, columns=[s.CLIP_ID]).to_pylist()
    return sorted(row[s.CLIP_ID] for row in rows)


def clips_of(run: RunFolder, name: str) -> list[str]:
    rows = pq.read_table(run.manifest, columns=[s.CLIP_ID, s.SOURCE_URI]).to_pylist()
    return [row[s.CLIP_ID] for row in rows if f"/{name}.mp4" in row[s.SOURCE_URI]]


def planted(run: RunFolder, name: str, raw: Path) -> list[bytes]:
    """Everything that is of one source: ids, path, captions, stretches of the bytes of each clip."""
    clips = clips_of(run, name)
    found = [name.encode(), ingest_id(raw / f"{name}.mp4").encode()]
    rows = {row[s.CLIP_ID]: row for row in pq.read_table(run.manifest).to_pylist()}
    for clip in clips:
        video = run.read_clip(rows[clip])
        found += [clip.encode(), f"word{clip[:8]}".encode(), video[-200:-140], video[-90:-50]]
        found.append(rows[clip][s.VIDEO_XXH3].encode())
    return found


def every_byte(folder: Path) -> bytes:
    """All files of a folder as they lie, and as compressed ones read; their names too."""
    parts: list[bytes] = []
    for name, data in tree(folder).items():
        parts += [name.encode(), data]
        if name.endswith(".gz"):
            parts.append(gzip.decompress(data))
        if name.endswith(".parquet"):
            table = pq.read_table(folder / name)
            parts.append(repr(table.to_pylist()).encode())
            parts.append(repr(table.schema.metadata).encode())
    return b"\n".join(parts)


def run_forget(home: Path, *words: str) -> int:
    return forget.main([*words, "--run", str(home / "run")])


def test_a_source_is_gone_from_every_byte_and_the_rest_still_works(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(home / "run")
    needles = planted(run, "harbour-at-dawn", home / "raw")
    before = every_byte(home / "run")
    assert all(needle in before for needle in needles), "the search finds what is there"
    gone, keep = clips_of(run, "harbour-at-dawn"), clips_of(run, "quay")
    assert run_forget(home, "harbour-at-dawn.mp4") == 0
    said = capsys.readouterr().out
    assert "1 sources and 3 clips" in said and f"train-dit {home}/dit" in said
    after = every_byte(home / "run")
    assert [needle for needle in needles if needle in after] == []
    assert all(clip.encode() in after for clip in keep), "others are as they were"
    assert not (home / "run" / FORGETTING).exists()
    assert gone[0].encode() not in (home / "dit" / "quarantine.jsonl").read_bytes()
    lines = (home / "run" / "edits.jsonl").read_text().splitlines()
    assert len(lines) == 6
    for row in pq.read_table(run.manifest).to_pylist():
        run.read_clip(row)  # checked against its hash
    manifest = open_manifest(home / "run")
    assert len(manifest) == 6 and all(manifest.read(i) for i in range(6))
    assert len(LatentPacks(home / "run" / "latents", token_budget=40).clip_ids) == 6
    states = {line.stage: line.state for line in read_status(run)}
    assert set(states.values()) == {State.DONE}, states
    assert Inputs(run).stale(("shards",)) is None
    train_run(run, home / "dit2", steps=1)
    assert run_forget(home, "harbour-at-dawn.mp4") == 0
    assert "forgotten before" in capsys.readouterr().out


def test_a_clip_goes_and_its_neighbours_keep_their_bytes(light: Path) -> None:
    run = open_run(light / "run")
    first, middle, last = clips_of(run, "quay")
    old = {row[s.CLIP_ID]: row for row in pq.read_table(run.manifest).to_pylist()}
    videos = {name: run.read_clip(old[name]) for name in (first, last)}
    assert run_forget(light, middle[:10]) == 0
    run = open_run(light / "run")
    new = {row[s.CLIP_ID]: row for row in pq.read_table(run.manifest).to_pylist()}
    assert middle not in new and len(new) == 5
    assert {name: run.read_clip(new[name]) for name in (first, last)} == videos
    assert middle.encode() not in every_byte(light / "run")
    sources = pq.read_table(run / "sources.parquet").to_pylist()
    assert {row[s.N_CLIPS] for row in sources} == {2, 3}
    assert run.dropped()["forgotten"] == (1, pytest.approx(90 / 80))


def test_no_picture_of_any_kind_stays_in_the_folder(light: Path) -> None:
    """No search of bytes finds a clip in pictures of it, so all that may show one go."""
    shown = ("html", "png", "jpg", "jpeg", "JPG", "webp", "gif", "pdf", "svg", "mp4", "webm", "npy")
    folder = light / "run" / "looked-at"
    folder.mkdir()
    for kind in shown:
        (folder / f"a.{kind}").write_bytes(b"pixels")
    (folder / "notes.toml").write_text("a = 1\n")
    assert run_forget(light, clips_of(open_run(light / "run"), "quay")[0][:10]) == 0
    assert [path.name for path in folder.iterdir()] == ["notes.toml"]


def test_duplicates_of_what_is_gone_are_set_free(light: Path, capsys: Any) -> None:
    run = open_run(light / "run")
    kept, twin = clips_of(run, "harbour-at-dawn")[0], clips_of(run, "quay")[0]
    table = pq.read_table(run.selection).to_pylist()
    for row in table:
        if row[s.CLIP_ID] == twin:
            row |= {s.DECISION: "reject", s.REASONS: ["duplicate_phash"], s.DUPLICATE_OF: kept}
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(table, schema=selection_schema()), run.selection)
    assert run_forget(light, kept) == 0
    assert "1 clips were rejected as duplicates of these" in capsys.readouterr().out
    left = {row[s.CLIP_ID]: row for row in pq.read_table(run.selection).to_pylist()}
    assert left[twin][s.DUPLICATE_OF] is None


def test_dry_run_and_bad_names_change_nothing(light: Path, capsys: Any) -> None:
    there, gone = light / "exported", light / "moved"
    there.mkdir()
    for folder in (there, gone):
        note_use(light / "run", "export", folder)
    before = tree(light)
    assert run_forget(light, "quay.mp4", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "nothing was changed" in said and f"  export {there}\n" in said
    assert f"  export {gone}: no such folder any more; a copy elsewhere stays" in said
    assert run_forget(light, "quay.mp4", "--dry-run", "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["clips"] == 3 and body["rows"]["shards"] == 3 and body["dry_run"] is True
    assert tree(light) == before
    for word, said in (("kuay.mp4", "did you mean quay.mp4"), ("abc", "at least 6 characters")):
        with pytest.raises(UserError, match=said):
            run_forget(light, word)
    with pytest.raises(UserError, match="name what to forget"):
        run_forget(light)
    with pytest.raises(UserError, match="is no folder"):
        forget.main(["x", "--run", str(light / "none")])


def killed_after(home: Path, writes: int) -> bool:
    """Run forget in a child that dies, as by kill -9, at its ``writes``-th change of the disk; True when it died."""
    child = os.fork()
    if child == 0:
        left = [writes]

        def count(real: Any) -> Any:
            def step(*args: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return real(*args, **named)

            return step

        os.replace = count(os.replace)
        os.unlink = count(os.unlink)
        Path.unlink = count(Path.unlink)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
        try:
            code = run_forget(home, "harbour-at-dawn.mp4", "--no-verify")
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), code
    return code == 9


def settled(home: Path) -> dict[str, bytes]:
    """The run folder without the times in it."""
    files = tree(home / "run")
    receipts = files.pop(".forgotten/receipts.jsonl").splitlines()
    assert len(receipts) == 1
    for name in (".lock", ".uses.jsonl"):
        files.pop(name, None)
    return files


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_write_the_same_command_ends_in_the_same_bytes(
    small: Path, tmp_path: Path, every: int
) -> None:
    """A copy of the folder, a process that dies and a second run for every seventh write: some 4 s."""
    whole = Path(shutil.copytree(small, tmp_path / "whole"))
    needles = planted(open_run(whole / "run"), "harbour-at-dawn", whole / "raw")
    assert run_forget(whole, "harbour-at-dawn.mp4") == 0
    want, kills = settled(whole), 0
    for writes in range(0, 200, every):
        home = Path(shutil.copytree(small, tmp_path / "home"))
        if not killed_after(home, writes):
            break
        kills += 1
        assert run_forget(home, "harbour-at-dawn.mp4") == 0
        have = settled(home)
        assert have.keys() == want.keys(), writes
        same = [name for name in want if not name.endswith((".gz", ".json"))]
        assert [name for name in same if have[name] != want[name]] == [], writes
        left = every_byte(home / "run")
        assert [needle for needle in needles if needle in left] == [], writes
        shutil.rmtree(home)
    assert kills > 15 // every


def test_other_commands_refuse_a_folder_that_a_kill_left_half_forgotten(light: Path) -> None:
    assert killed_after(light, 4)
    with pytest.raises(UserError, match="a forgetting was cut short.*goes on with it"):
        open_run(light / "run").need("manifest")
    assert forget.main(["--run", str(light / "run")]) == 0
    open_run(light / "run").need("manifest")


def test_what_cannot_be_taken_out_is_named(light: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips_of(open_run(light / "run"), "quay")[0]
    with (light / "run" / "recipe.toml").open("a") as file:
        file.write(f"\n# my favourite is {clip}\n")
    assert run_forget(light, clip) == 3
    assert f"recipe.toml still holds '{clip}'" in capsys.readouterr().err


def test_copies_of_a_source_are_forgotten_with_it(light: Path) -> None:
    from jobs.ingest.ledger import STAMP, Ledger

    run = open_run(light / "run")
    source, copy = light / "raw" / "quay.mp4", light / "raw" / "twin-of-it.mp4"
    shutil.copy(source, copy)
    ledger = Ledger(run.path)
    uri = next(r[s.SOURCE_URI] for r in ledger.all() if r[s.SOURCE_URI].endswith("quay.mp4"))
    record = {s.SOURCE_ID: ingest_id(source), s.SOURCE_URI: str(copy), s.N_CLIPS: 0}
    ledger.write({**record, s.OUTCOME: "done", "copy_of": uri, STAMP: ""})
    assert run_forget(light, ingest_id(source)) == 0
    assert b"twin-of-it" not in every_byte(light / "run")
