"""``filmstock curate`` and what reads its run folder, with everything on a store: the files of a run on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import cli
from pipeline.store.paths import ObjectPath, files_below
from pipeline.video.encode import encode_mp4
from tests.helpers.clip_folders import VIT_LIKE, write_folder
from tests.helpers.faulty_server import FaultyServer
from tests.helpers.moving_scenes import scene, to_uint8
from tests.helpers.object_server import Fault, ObjectServer, no_faults, object_server
from tests.jobs.test_curation import FPS, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
OWN = {"metrics.jsonl", "report.html"}
"""Files that say when, or with which command, they were made."""


@pytest.fixture
def server(own_ray: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with object_server("sets") as started, no_faults(started, monkeypatch):
        yield started


def test_the_whole_run_on_a_store_is_that_of_a_disk(
    server: ObjectServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for seed in (1, 5):
        (raw / f"{seed}.mp4").write_bytes(encode_mp4(to_uint8(scene(seed, 24, speed=3)), FPS))
    (raw / "broken.mp4").write_bytes(b"no video at all")
    clip = write_folder(tmp_path / "clip", VIT_LIKE)
    out = ObjectPath("s3://sets/march")
    with FaultyServer() as captions:
        recipe = write_recipe(tmp_path / "mine.toml", clip, captions.url)
        for place in (tmp_path / "set", out):
            server.faults[:] = [Fault(kind="503", times=3, skip=n) for n in (5, 40, 90)]
            server.faults += [Fault(kind="reset", times=2, method="GET", skip=30)]
            command = ["curate", str(raw), "--out", str(place), "--recipe", str(recipe)]
            command += ["--set", "caption.check=true"]
            assert cli.main(command) == 3, "one source is quarantined"
        there = {str(name): path.read_bytes() for name, path in files_below(out)}
        here = {str(name): path.read_bytes() for name, path in files_below(tmp_path / "set")}
        assert set(there) == set(here)
        assert any(name.startswith("truth/part-") for name in there)
        assert [name for name in here if here[name] != there[name] and name not in OWN] == []
        capsys.readouterr()
        server.seen.clear()
        assert cli.main(["curate", str(raw), "--out", str(out)]) == 3
        printed = capsys.readouterr().out
        for stage in ("ingest", "select", "caption", "pack", "curate"):
            assert f"{stage}: nothing to do" in printed
        puts = {seen.path for seen in server.seen if seen.method in ("PUT", "POST")}
        assert not puts, "a finished run writes nothing"
    assert cli.main(["inspect", str(out), "--html", str(tmp_path / "sheet.html")]) == 0
    assert "contact sheet of 2 of 2 clips" in capsys.readouterr().out
    assert cli.main(["encode", str(out)]) == 0
    assert (out / "latents" / "manifest.parquet").is_file()
    train = ["train-vae", str(out), "--out", str(tmp_path / "vae"), "--steps", "2", "--batch", "2"]
    assert cli.main(train) == 0
    train = ["train-dit", str(out), "--out", str(tmp_path / "dit"), "--steps", "2"]
    assert cli.main(train) == 0
