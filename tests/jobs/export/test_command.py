"""filmstock export: what is in it, what is not and why, bytes that do not change, input refused in a line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import av
import pytest

from jobs.cli import main
from pipeline.store.atomic import AtomicFile
from tests.helpers.counter_media import numbers_of
from tests.helpers.export_media import DENSE, export_shards, write_profile
from tests.helpers.object_server import no_faults, object_server
from tests.helpers.shard_media import flip_byte
from tests.helpers.warm_python import python

ROOT = Path(__file__).resolve().parents[3]
KILLED = """
import os, signal, sys
import jobs.export.plan
from jobs.cli import main
from jobs.export.write import Writer

def sidecars(self, clip, row, real=Writer._sidecars):
    if os.path.exists(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, clip, row)

jobs.export.plan.GROUP_CLIPS, Writer._sidecars = 2, sidecars
main(sys.argv[2:])
"""
"""An export in groups of two clips that kills itself between a clip and its caption, once a group is on record."""
WHY = {
    "brief": "too_short",
    "slow8": "low_fps",
    "still": "still",
    "unsaid": "no_caption",
    "wide": "bad_aspect",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Shards and a profile."""
    folder = tmp_path_factory.mktemp("export")
    export_shards(folder)
    return folder, str(write_profile(folder))


def export(made, *words, out=None, trainer="diffusion-pipe"):
    folder, profile = made
    where = ["--out", str(out)] if out else []
    return main(["export", str(folder), "--for", trainer, "--model", profile, *where, *words])


def rows_of(out):
    return {row["name"]: row for row in csv.DictReader((Path(out) / "export.csv").open())}


def content(folder):
    """Every file of an export but its lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """A finished export."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert export(made, out=out) == 0
    return out


def test_every_clip_is_in_the_export_or_refused_by_name(whole):
    rows = rows_of(whole)
    assert {name: row["refusal"] for name, row in rows.items() if row["refusal"]} == WHY
    kept = {name: int(row["n_frames"]) for name, row in rows.items() if not row["refusal"]}
    assert kept == {"exact33": 33, "fast25": 33, "tall": 17, "varying": 17}
    assert {path.stem for path in (whole / "videos").glob("*.mp4")} == set(kept)
    for name, count in kept.items():
        assert len(numbers_of((whole / "videos" / f"{name}.mp4").read_bytes())[0]) == count
    assert rows["fast25"]["audio"] == "True" and rows["tall"]["notes"].split()[-1] == "no_sound"


def test_a_second_run_has_nothing_to_do(made, whole, capsys):
    before = content(whole)
    assert export(made, out=whole) == 0
    assert "nothing to do, 4 clips" in capsys.readouterr().out
    assert content(whole) == before


def test_an_export_elsewhere_has_the_same_bytes(made, whole, tmp_path):
    out = tmp_path / "again"
    assert export(made, "--root", str(whole), "--workers", "1", out=out) == 0
    same = content(whole)
    for name, data in content(out).items():
        if name.startswith("videos/") or name in ("export.csv", "dataset.toml"):
            assert data == same[name], name


def test_a_killed_export_goes_on_to_the_same_bytes(made, whole, tmp_path, monkeypatch):
    """Killed after its first group of two clips is on record, and media of the next are there."""
    folder, profile = made
    out = tmp_path / "killed"
    command = ["export", str(folder), "--for", "diffusion-pipe", "--model", profile,
               "--out", str(out), "--root", str(whole), "--workers", "1"]  # fmt: skip
    record = out / ".export" / "000000.json"
    done = subprocess.run(
        [python(), "-c", KILLED, str(record), *command], cwd=ROOT, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL and record.is_file(), done.stderr
    assert not (out / ".done").exists() and not (out / "export.csv").exists()
    monkeypatch.setattr("jobs.export.plan.GROUP_CLIPS", 2)
    written = record.stat().st_mtime_ns
    AtomicFile(record).tmp.write_bytes(b"half")  # as kill -9 leaves it
    assert main(command) == 0
    assert not list(out.rglob("*.tmp"))
    assert record.stat().st_mtime_ns == written
    same = content(whole)
    got = {n: d for n, d in content(out).items() if not n.startswith((".export", ".done"))}
    assert got == {n: d for n, d in same.items() if not n.startswith((".export", ".done"))}


def test_what_a_record_vouches_for_is_on_the_disk_before_it(made, tmp_path, monkeypatch):
    """After a power cut a rerun passes over the groups on record: their files, and their names, must be there."""
    out, synced, recorded = tmp_path / "out", set[str](), set[str]()
    fsync, replace = os.fsync, os.replace

    def note_sync(handle):
        synced.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def note_replace(old, new):
        if Path(new).name == "000000.json":
            recorded.update(synced)
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    assert export(made, out=out) == 0
    files = list((out / "videos").glob("*.mp4"))
    assert len(files) == 4 and {str(path) for path in [*files, out / "videos"]} <= recorded


def test_check_writes_nothing_and_says_what_to_change(made, capsys):
    assert export(made, "--check") == 3
    said = capsys.readouterr().out
    assert "4 of 9 clips fit diffusion-pipe and counter" in said
    for reason in WHY.values():
        assert f"left out, {reason}: 1 clips" in said
    assert "--repeat-frames keeps such clips" in said and "160x96, 33 frames" in said


def test_check_of_an_export_decodes_it(made, whole, tmp_path, capsys):
    assert export(made, "--check", out=whole) == 0
    assert "4 clips for diffusion-pipe" in capsys.readouterr().out
    out = tmp_path / "damaged"
    assert export(made, out=out) == 0
    (out / "videos" / "tall.mp4").unlink()
    (out / "videos" / "fast25.mp4").write_bytes((out / "videos" / "varying.mp4").read_bytes())
    capsys.readouterr()
    assert export(made, "--check", out=out) == 3
    said = capsys.readouterr().out
    assert "videos/tall.mp4 is missing" in said and "its row says [33, 160, 96]" in said


def test_what_an_export_was_written_with_need_not_be_said_again_to_check_it(made, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(made, "--root", "/mnt/there", "--caption", "short", out=out) == 0
    where = [str(made[0]), "--check", "--out", str(out)]
    assert main(["export", *where, "--for", "diffusion-pipe"]) == 0
    assert "5 clips for diffusion-pipe" in capsys.readouterr().out
    assert main(["export", *where, "--for", "videofolder"]) == 2
    assert "was written for diffusion-pipe, not for videofolder" in capsys.readouterr().err


def test_buckets_smaller_than_a_batch_are_refused_where_the_trainer_drops_them(made, capsys):
    assert export(made, "--check", "--batch", "2") == 3
    assert "left out, small_bucket: 2 clips" in capsys.readouterr().out
    assert export(made, "--check", "--batch", "2", trainer="musubi-tuner") == 3
    assert "small_bucket" not in capsys.readouterr().out


def test_equal_files_of_another_export_are_linked(made, whole, tmp_path):
    out = tmp_path / "linked"
    assert export(made, "--link", str(whole), out=out, trainer="videofolder") == 0
    first, second = whole / "videos" / "tall.mp4", out / "train" / "tall.mp4"
    assert first.samefile(second)
    assert rows_of(out)["fast25"]["audio"] == "True"


def test_stills_are_of_their_bucket_size_as_videos_are(made, tmp_path):
    folder, profile = made
    path = tmp_path / "stills.toml"
    path.write_text(Path(profile).read_text().replace("frames = [17, 33]", "frames = [1, 17, 33]"))
    path.write_text(path.read_text().replace("[160, 96]", "[80, 48]"))
    out = tmp_path / "out"
    words = ("--model", str(path), "--resize", "--out", str(out))
    main(["export", str(folder), "--for", "videofolder", *words])
    row = rows_of(out)["still"]
    assert (row["width"], row["height"], row["bucket"]) == ("80", "48", "80x48x1")
    with av.open(str(out / row["media"])) as file:
        (frame,) = file.decode(video=0)
    assert (frame.width, frame.height) == (80, 48)


def test_of_a_linked_file_it_is_told_that_its_sound_was_lost(made, tmp_path):
    mute, linked = tmp_path / "mute", tmp_path / "linked"
    assert export(made, out=mute, trainer="musubi-tuner") == 0
    assert export(made, "--link", str(mute), out=linked, trainer="musubi-tuner") == 0
    media = rows_of(mute)["fast25"]["media"]
    assert (mute / media).samefile(linked / media)
    notes = [rows_of(out)["fast25"]["notes"] for out in (mute, linked)]
    assert "sound_lost" in notes[0] and notes[0] == notes[1]


def test_a_linked_file_of_other_frames_is_refused_and_does_not_stay(made, whole, tmp_path):
    """The trainer would find a video that the table does not name, and whose length nobody planned."""
    other, out = tmp_path / "other", tmp_path / "linked"
    shutil.copytree(whole, other)
    table = (other / "export.csv").read_text()
    frames = rows_of(other)["tall"]["n_frames"]
    (line,) = (line for line in table.splitlines() if line.startswith("tall,"))
    wrong = line.replace(f",{frames},", ",5,", 1)
    assert wrong != line
    (other / "export.csv").write_text(table.replace(line, wrong))
    assert export(made, "--link", str(other), out=out) == 3
    rows = rows_of(out)
    assert (rows["tall"]["refusal"], rows["tall"]["n_frames"]) == ("frames_differ", "5")
    assert rows["exact33"]["refusal"] == ""
    assert not (out / "videos" / "tall.mp4").exists() and (other / "videos" / "tall.mp4").exists()
    assert "tall.mp4" not in json.loads((out / "videos" / "captions.json").read_text())


def test_a_clip_that_is_damaged_is_said_and_the_rest_is_written(tmp_path):
    from pipeline.shards.read import open_manifest

    folder = tmp_path / "run"
    shards = export_shards(folder)
    manifest = open_manifest(folder)
    damaged = next(r for r in manifest.table.to_pylist() if r["clip_id"] == "tall")
    flip_byte(shards, damaged)
    out = tmp_path / "out"
    assert export((folder, str(write_profile(tmp_path))), out=out) == 3
    rows = rows_of(out)
    assert rows["tall"]["refusal"] == "unreadable" and "hash" in rows["tall"]["notes"]
    assert rows["exact33"]["refusal"] == ""


def test_captions_follow_kind_dialect_template_and_length(made, whole, tmp_path):
    def captions(*words):
        out = tmp_path / "-".join(word.strip("-").replace("/", "_") for word in words)[-60:]
        assert export(made, *words, "--link", str(whole), out=out) == 0
        return json.loads((out / "videos" / "captions.json").read_text())["tall.mp4"]

    assert captions("--caption", "short") == ["A red circle moves right."]
    assert captions("--caption", "mix") == [
        DENSE, "A red circle moves right.", "A large red circle moves right. The camera is static.",
    ]  # fmt: skip
    assert captions("--dialect", "booru") == ["1_large_red_circle, moves_right, camera_is_static"]
    (tmp_path / "words.j2").write_text("STYLE. {{ short }} [{{ camera }}]\n")
    assert captions("--template", str(tmp_path / "words.j2")) == [
        "STYLE. A red circle moves right. [is static]"
    ]
    profile = tmp_path / "short.toml"
    profile.write_text(Path(made[1]).read_text().replace("text_tokens = 64", "text_tokens = 24"))
    out = tmp_path / "cut"
    assert main(["export", str(made[0]), "--for", "diffusion-pipe", "--model", str(profile),
                 "--shorten", "--link", str(whole), "--out", str(out)]) == 0  # fmt: skip
    text = json.loads((out / "videos" / "captions.json").read_text())["tall.mp4"][0]
    assert text == ". ".join(DENSE.split(". ")[:2]) + "."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--for", "diffusion-pip"], "unknown target 'diffusion-pip'; did you mean 'diffusion-pipe'?"),
        (["--for", "diffusion-pipe", "--model", "wan"], "unknown model 'wan'"),
        (["--for", "diffusion-pipe", "--caption", "facts"], "no clip has a caption of kind 'facts'"),
        (["--for", "diffusion-pipe", "--model", "h3"], "export: 8 too_short, 1 still; name a smaller count"),
        (["--for", "diffusion-pipe", "--dialect", "verse"], "unknown dialect 'verse'"),
        (["--for", "diffusion-pipe", "--frames", "17"], "--frames 17 changes a model's counts"),
        (["--for", "diffusion-pipe", "--resize"], "--resize needs the sizes of a model"),
        (["--for", "no_such_module:TARGET"], "cannot be imported"),
        (["--for", "diffusion-pipe", "--tokenizer", "/no/such"], "no tokenizer can be opened"),
        (["--for", "diffusion-pipe", "--template", "/no/such.j2"], "/no/such.j2"),
        (["--for", "diffusion-pipe", "--link", "/no/such"], "holds no finished export"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_touches_nothing(made, tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert main(["export", str(made[0]), "--out", str(out), *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("filmstock:") == 1 and error.strip().count("\n") <= 1
    assert not out.exists()


def test_a_folder_of_something_else_is_left_alone(made, whole, tmp_path, capsys):
    before = content(whole)
    assert export(made, "--caption", "short", out=whole) == 2
    assert "holds another export" in capsys.readouterr().err
    assert content(whole) == before
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    assert export(made, out=tmp_path) == 2
    assert "is not empty and holds no export" in capsys.readouterr().err
    assert content(tmp_path) == {"photo.jpg": b"mine"}
    assert export(made, "--check", out=tmp_path / "photo.jpg") == 2
    assert main(["export", str(made[0]), "--for", "diffusion-pipe"]) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_an_export_goes_from_store_to_store(made, tmp_path, monkeypatch):
    with object_server("sets") as server, no_faults(server, monkeypatch):
        from pipeline.store.paths import location

        for path in [*(made[0] / "shards").glob("*"), made[0] / "shards.manifest.parquet"]:
            name = path.relative_to(made[0])
            location(f"s3://sets/run/{name}").write_bytes(path.read_bytes())
        out = "s3://sets/out"
        words = [
            "export",
            "s3://sets/run",
            "--for",
            "diffusion-pipe",
            "--model",
            made[1],
            "--out",
            out,
        ]
        assert main([*words, "--root", "/data/set"]) == 0
        keys = server.keys("sets", "out/")
        local = tmp_path / "out"
        assert export(made, "--root", "/data/set", out=local) == 0
        here = content(local)
        for name in ("export.csv", "dataset.toml", "videos/captions.json", "videos/tall.mp4"):
            assert keys[f"out/{name}"] == here[name]
        settings = tomllib.loads(here["dataset.toml"].decode())
        assert settings["directory"][0]["path"] == "/data/set/videos"
        assert main([*words, "--root", "/data/set", "--check"]) == 0
