"""Ingest from and to a store: under failures and after a kill the same rows and bytes as on a disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.cli import user_message
from jobs.core.recipe import load_recipe, save_recipe
from jobs.ingest import retry
from jobs.ingest.command import run
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.store.paths import Location, ObjectPath, matching, parquet_input
from tests.helpers.clip_folders import stock_clip
from tests.helpers.counter_media import write_counter, write_video
from tests.helpers.moving_scenes import scene, to_uint8
from tests.helpers.object_server import Fault, ObjectServer, no_faults, object_server

pytestmark = pytest.mark.timeout(600)
CONFIG = IngestConfig(min_clip_s=0.5, max_clip_s=2.0)
BURSTS = (
    Fault(kind="503", times=2),
    Fault(kind="503", times=3, skip=8),
    Fault(kind="503", times=3, skip=20),
    Fault(kind="reset", times=2, method="GET", path="/raw/"),
    Fault(kind="drop", times=2, method="PUT", skip=2),
    Fault(kind="slow", times=2, method="GET", path="/raw/"),
)


@pytest.fixture(scope="module")
def server(own_ray: None) -> Iterator[ObjectServer]:
    with (
        object_server("bucket") as started,
        pytest.MonkeyPatch.context() as patch,
        no_faults(started, patch),  # before Ray starts: its workers inherit the environment
    ):
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> OpenClipConfig:
    return stock_clip(tmp_path_factory.mktemp("clip"), frames=2)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    write_video(folder / "shots.mp4", list(to_uint8(np.concatenate([scene(1, 20), scene(2, 20)]))))
    write_counter(folder / "counter.mkv", 60, rate=Fraction(25))
    (folder / "text.mp4").write_text("no video\n" * 50)
    return folder


def files(folder: Location) -> dict[str, bytes]:
    """Every table file of a run."""
    tables = [folder / name for name in ("clips", "embeddings", "manifest")]
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes() for t in tables for path in matching(t)
    }


def rows(folder: Location) -> list[dict[str, Any]]:
    """Manifest rows, without what names the place of a source."""
    found = [
        row
        for path in matching(folder / "manifest")
        for row in pq.ParquetFile(parquet_input(path)).read().to_pylist()
    ]
    return [{name: row[name] for name in row if name != s.SOURCE_URI} for row in found]


def ends(folder: Location) -> dict[str, tuple[str, str | None]]:
    table = pq.ParquetFile(parquet_input(folder / "sources.parquet")).read().to_pylist()
    return {
        row[s.SOURCE_URI].rpartition("/")[2]: (row[s.OUTCOME], row[s.ERROR_TYPE]) for row in table
    }


def test_from_and_to_a_store_under_failures(
    server: ObjectServer, raw: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    bucket = ObjectPath("s3://bucket")
    for path in raw.iterdir():
        (bucket / "raw" / path.name).write_bytes(path)
    run(CONFIG, clip, [str(raw)], tmp_path / "calm")
    server.faults += [Fault(**vars(fault)) for fault in BURSTS]
    result = run(CONFIG, clip, [str(raw)], bucket / "from-disk")
    assert files(bucket / "from-disk") == files(tmp_path / "calm"), "byte for byte"
    server.faults[:] = [Fault(**vars(fault)) for fault in BURSTS]
    server.faults.append(Fault(kind="403", path="/raw/denied"))
    names = ["s3://bucket/raw/", "s3://bucket/raw/none.mp4", "s3://bucket/raw/denied.mp4"]
    result = run(CONFIG, clip, names, bucket / "from-store")
    assert (result.done, result.quarantined) == (2, 3)
    assert ends(bucket / "from-store") == {
        "counter.mkv": ("done", None),
        "shots.mp4": ("done", None),
        "text.mp4": ("quarantined", "invalid_data"),
        "none.mp4": ("quarantined", "not_found"),
        "denied.mp4": ("quarantined", "denied"),
    }
    assert rows(bucket / "from-store") != [] and len(rows(bucket / "from-store")) == result.clips
    ours, theirs = rows(bucket / "from-store"), rows(tmp_path / "calm")
    for row in (
        *ours,
        *theirs,
    ):  # the parts name their source, so what stands before a clip differs in length
        row.pop(s.BYTE_OFFSET)
    assert ours == theirs
    server.faults.clear()
    assert not (bucket / "from-store" / ".lock" / "lease").exists()

    save_recipe(bucket / "from-store", replace(load_recipe(), ingest=CONFIG, openclip=clip))
    (bucket / "raw" / "none.mp4").write_bytes((raw / "shots.mp4").read_bytes() + b"\0" * 9)
    assert retry.main(["s3://bucket/from-store", "--only", "not_found"]) == 0
    assert ends(bucket / "from-store")["none.mp4"] == ("done", None)


def test_an_outage_at_a_rerun_takes_no_clips_away(
    server: ObjectServer, raw: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    bucket = ObjectPath("s3://bucket")
    (bucket / "few" / "shots.mp4").write_bytes(raw / "shots.mp4")
    run(CONFIG, clip, ["s3://bucket/few/shots.mp4"], tmp_path / "out")
    before = files(tmp_path / "out")
    server.faults.append(Fault(kind="503", path="/few/"))
    result = run(CONFIG, clip, ["s3://bucket/few/shots.mp4"], tmp_path / "out")
    server.faults.clear()
    assert (result.done, result.quarantined) == (1, 0) and files(tmp_path / "out") == before


def test_a_store_that_is_gone_is_one_line_and_leaves_nothing(
    server: ObjectServer, raw: Path, clip: OpenClipConfig
) -> None:
    bucket = ObjectPath("s3://bucket")
    server.faults.append(Fault(kind="503", method="PUT", path="/clips/"))
    with pytest.raises(OSError) as caught:
        run(CONFIG, clip, [str(raw / "shots.mp4")], bucket / "gone")
    line = user_message(caught.value)
    server.faults.clear()
    assert line and "s3://bucket/gone/clips/part-" in line and "503" in line and "\n" not in line
    assert files(bucket / "gone") == {} and not (bucket / "gone" / "sources.parquet").exists()
    run(CONFIG, clip, [str(raw / "shots.mp4")], bucket / "gone")
    assert len(files(bucket / "gone")) == 3


@pytest.mark.slow
def test_killed_again_and_again_it_ends_in_the_same_objects(
    server: ObjectServer, raw: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    """kill -9 of the whole session of ``filmstock ingest`` at several moments; then one run to the end."""
    bucket = ObjectPath("s3://bucket")
    for number in range(4):
        write_counter(raw / f"more-{number}.mp4", 30 + 5 * number, rate=Fraction(25))
    for path in raw.iterdir():
        (bucket / "kill" / path.name).write_bytes(path)

    def start(out: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.cli", "ingest", "s3://bucket/kill", "--out", out]
        command += ["--set", "ingest.min_clip_s=0.2", "--set", "openclip.frames=2"]
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)

    began = time.monotonic()
    assert start("s3://bucket/calm").wait(400) == 3
    calm_s = time.monotonic() - began
    want = files(bucket / "calm")
    assert len(want) >= 15
    kills = 0
    for share in (0.5, 0.7, 0.85, 0.95):
        process = start("s3://bucket/killed")
        try:
            assert process.wait(share * calm_s) == 3
        except subprocess.TimeoutExpired:
            kills += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        visible = files(bucket / "killed")
        assert all(want[name] == data for name, data in visible.items()), "nothing half-written"
    assert kills
    assert start("s3://bucket/killed").wait(400) == 3
    assert files(bucket / "killed") == want
    assert ends(bucket / "killed") == ends(bucket / "calm")
