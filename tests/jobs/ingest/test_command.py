"""``filmstock ingest`` on Ray: every input ends, clips read back by range, reruns and resumes end in the same rows."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.cli import user_message
from jobs.core.errors import UserError
from jobs.ingest import command as ingest
from jobs.ingest import graph as ingest_pipeline
from jobs.ingest import plan as ingest_plan
from jobs.ingest.command import run
from jobs.ingest.ledger import STAMP, Ledger, check_settings, exclusive
from jobs.ingest.plan import is_settled, name_contents
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.openclip.model import load_openclip
from pipeline.scores.concepts import ConceptScorer
from pipeline.shards.ranges import read_range
from pipeline.source.listing import source_stamp
from pipeline.video.decode import decode_clip, sample_indices
from tests.helpers.clip_folders import stock_clip
from tests.helpers.counter_media import numbers_of, write_counter, write_sound, write_video
from tests.helpers.moving_scenes import scene, to_uint8
from tests.helpers.tiny_disk import needs_mount, tiny_disk

pytestmark = pytest.mark.timeout(600)
CONFIG = IngestConfig(min_clip_s=0.5, max_clip_s=2.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> OpenClipConfig:
    return stock_clip(tmp_path_factory.mktemp("clip"), frames=3)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots, a long counter, a copy of it, a single frame, and four kinds of files that are no video."""
    folder = tmp_path_factory.mktemp("raw")
    frames = np.concatenate([scene(1, 30), scene(2, 40)])
    write_video(folder / "shots.mp4", list(to_uint8(frames)))
    write_counter(folder / "counter.mkv", 75, rate=Fraction(25), options={"crf": "12"})
    (folder / "same.mkv").write_bytes((folder / "counter.mkv").read_bytes())
    write_counter(folder / "single.mp4", 1)
    write_sound(folder / "sound.m4v")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video\n" * 50)
    whole = write_counter(folder / "cut_off.mp4", 30).read_bytes()
    (folder / "cut_off.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def finished(raw: Path, clip: OpenClipConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    run(CONFIG, clip, [str(raw)], out)
    return out


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    found = [row for part in sorted((folder / table).glob("part-*.parquet")) for row in read(part)]
    return sorted(found, key=lambda row: row[s.CLIP_ID])


def read(path: Path) -> list[dict[str, Any]]:
    return pq.ParquetFile(path).read().to_pylist()


def tables(folder: Path) -> dict[str, str]:
    """Hash of every visible table file."""
    paths = [p for t in ("clips", "manifest", "embeddings") for p in (folder / t).iterdir()]
    paths.append(folder / "sources.parquet")
    return {str(p.relative_to(folder)): sha(p) for p in paths}


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_input_ends(finished: Path) -> None:
    ends = {Path(row[s.SOURCE_URI]).name: row for row in read(finished / "sources.parquet")}
    told = {
        name: (row[s.OUTCOME], row[s.ERROR_STAGE], row[s.ERROR_TYPE]) for name, row in ends.items()
    }
    assert told == {
        "shots.mp4": ("done", None, None),
        "counter.mkv": ("done", None, None),
        "same.mkv": ("done", None, "duplicate"),
        "single.mp4": ("done", None, None),
        "sound.m4v": ("quarantined", "probe", "no_video_stream"),
        "empty.mp4": ("quarantined", "open", "empty_file"),
        "text.mp4": ("quarantined", "open", "invalid_data"),
        "cut_off.mp4": ("quarantined", "open", "invalid_data"),
    }
    assert [
        ends[name][s.N_CLIPS] for name in ("shots.mp4", "counter.mkv", "same.mkv", "single.mp4")
    ] == [2, 2, 0, 0]
    assert all(row[s.ERROR_MESSAGE] for row in ends.values() if row[s.OUTCOME] == "quarantined")
    assert ends["shots.mp4"][s.DURATION_S] == pytest.approx(2.8)
    assert ends["shots.mp4"][s.CODEC] == "h264"


def test_clips_read_back_by_byte_range(finished: Path) -> None:
    manifest = rows(finished, "manifest")
    assert len(manifest) == 4
    for row in manifest:
        video = read_range(finished / "clips", row[s.SHARD], row[s.BYTE_OFFSET], row[s.BYTE_LENGTH])
        frames, times = decode_clip(video)
        assert frames.shape == (row[s.N_FRAMES], row[s.HEIGHT], row[s.WIDTH], 3)
        assert row[s.CLIP_ID] == s.clip_id(row[s.SOURCE_ID], row[s.START_PTS], row[s.END_PTS])
        length = (row[s.END_PTS] - row[s.START_PTS]) * row[s.TIME_BASE_NUM] / row[s.TIME_BASE_DEN]
        assert length == pytest.approx(row[s.END_S] - row[s.START_S])
        assert row[s.FPS] == pytest.approx(25, rel=0.01) and times[0] == 0


def test_long_shot_is_split_without_losing_a_frame(finished: Path) -> None:
    pieces = [
        row for row in rows(finished, "manifest") if row[s.SOURCE_URI].endswith("counter.mkv")
    ]
    pieces.sort(key=lambda row: row[s.START_PTS])
    numbers = []
    for row in pieces:
        video = read_range(finished / "clips", row[s.SHARD], row[s.BYTE_OFFSET], row[s.BYTE_LENGTH])
        numbers += numbers_of(video)[0]
    assert numbers == list(range(75))
    assert [(row[s.TRANSITION_IN], row[s.TRANSITION_OUT]) for row in pieces] == [
        ("start", "split"),
        ("split", "end"),
    ]
    assert pieces[0][s.END_PTS] == pieces[1][s.START_PTS]


def test_scores_and_embeddings(finished: Path, clip: OpenClipConfig) -> None:
    manifest, embeddings = rows(finished, "manifest"), rows(finished, "embeddings")
    assert [row[s.CLIP_ID] for row in manifest] == [row[s.CLIP_ID] for row in embeddings]
    model = load_openclip(clip.model)
    blank = ConceptScorer(model, clip.concepts, clip.neutral)
    for row, vector in zip(manifest, embeddings, strict=True):
        assert np.linalg.norm(vector[s.CLIP_EMBEDDING]) == pytest.approx(1, abs=1e-2)
        assert row[s.AESTHETIC] is None and row[s.ERROR] is None
        video = read_range(finished / "clips", row[s.SHARD], row[s.BYTE_OFFSET], row[s.BYTE_LENGTH])
        shown = sample_indices(row[s.N_FRAMES], clip.frames)
        pixels, _ = decode_clip(video, indices=shown)
        mean = model.embed_clip(pixels)
        assert vector[s.CLIP_EMBEDDING] @ mean > 0.99, "of this clip's frames"
        assert row[s.CONCEPT_PREFIX + "blank"] == pytest.approx(float(blank(mean)["blank"]), abs=0.05)  # fmt: skip
        for name in (
            *(s.MOTION_MEAN, s.MOTION_P95, s.STATIC_SHARE, s.LUMA_MEAN, s.LUMA_STD, s.BLUR),
            *(s.OVEREXPOSED, s.UNDEREXPOSED, s.TEXT_AREA),
        ):
            assert row[name] is not None, name
        assert row[s.CAMERA] in (*s.CAMERAS, None)
        assert (row[s.CAMERA] is None) == (row[s.JITTER] is None)
        assert 0 <= row[s.PHASH] < 2**64


def test_cells_are_plain_bytes(finished: Path) -> None:
    part = next((finished / "clips").glob("*.parquet"))
    meta = pq.ParquetFile(part).metadata
    column = next(
        meta.row_group(0).column(i)
        for i in range(meta.num_columns)
        if meta.row_group(0).column(i).path_in_schema == "video.bytes"
    )
    assert column.compression == "UNCOMPRESSED" and not column.is_stats_set
    assert not column.has_dictionary_page


def test_rerun_does_nothing(
    finished: Path,
    raw: Path,
    clip: OpenClipConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.parquet")}

    def never(*_: object) -> None:
        raise AssertionError("a finished run was processed again")

    monkeypatch.setattr(ingest, "split_and_score", never)
    result = run(CONFIG, clip, [str(raw)], finished)
    assert "nothing to do" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*.parquet")} == before
    assert (result.done, result.quarantined, result.clips) == (4, 4, 4)


def test_killed_run_resumes_to_the_same_rows(
    finished: Path, raw: Path, clip: OpenClipConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop after the first source; what a kill leaves behind is swept, finished sources are not redone."""
    out = tmp_path / "out"
    committed: list[str] = []
    commit = ingest.commit_source

    def stop_after_first(ledger: Ledger, end: dict[str, Any], *rest: Any) -> None:
        if committed:
            raise KeyboardInterrupt
        committed.append(end[s.SOURCE_URI])
        commit(ledger, end, *rest)

    monkeypatch.setattr(ingest, "commit_source", stop_after_first)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, clip, [str(raw)], out)
    assert len(committed) == 1 and not (out / "sources.parquet").exists()
    (out / "clips" / ".part-dead.parquet.tmp-1234").write_bytes(b"half")

    redone: list[str] = []

    def note(ledger: Ledger, end: dict[str, Any], *rest: Any) -> None:
        redone.append(end[s.SOURCE_URI])
        commit(ledger, end, *rest)

    monkeypatch.setattr(ingest, "commit_source", note)
    run(CONFIG, clip, [str(raw)], out)
    assert not set(committed) & set(redone)
    assert len(redone) == len(set(redone)) == 6
    assert tables(out) == tables(finished)


def test_windows_of_four_sources_give_the_same_rows(
    finished: Path, raw: Path, clip: OpenClipConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executions of Ray Data that begin while others end."""
    sizes: list[int] = []
    execute = ingest_pipeline.execute

    def note(
        folder: Path, config: IngestConfig, clip: OpenClipConfig, window: Any, given: Any = None
    ) -> Iterator[Any]:
        sizes.append(len(window))
        return execute(folder, config, clip, window, given)

    monkeypatch.setattr(ingest_pipeline, "execute", note)
    monkeypatch.setattr(ingest_plan, "BATCH", 1)
    monkeypatch.setattr(ingest_plan, "THREADS", 1)
    monkeypatch.setattr(ingest, "window_size", lambda _: 4)
    run(CONFIG, clip, [str(raw)], tmp_path / "out")
    assert sum(sizes) == 7 and max(sizes) == 4
    assert tables(tmp_path / "out") == tables(finished)


def test_other_settings_are_refused(finished: Path, raw: Path, clip: OpenClipConfig) -> None:
    lock = finished / ".lock"
    lock.write_text("as it was")
    with pytest.raises(UserError, match="other .* settings; choose another --out"):
        run(IngestConfig(max_clip_s=3.0), clip, [str(raw)], finished)
    assert lock.read_text() == "as it was", "who refuses leaves the lock alone, too"


def test_wrong_settings_are_refused(raw: Path, clip: OpenClipConfig, tmp_path: Path) -> None:
    for bad, word in (
        ({"min_clip_s": 20.0}, "min_clip_s"),
        ({"crf": 99}, "crf"),
        ({"height": 2}, "height"),
    ):
        with pytest.raises(ValueError, match=word):
            run(IngestConfig(**bad), clip, [str(raw)], tmp_path / "out")


def test_two_runs_cannot_write_one_folder(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'a+'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / ".lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "held\n"
            with pytest.raises(UserError, match="is writing to"), exclusive(tmp_path):
                pass
        finally:
            other.kill()
    with exclusive(tmp_path):
        pass


@needs_mount
def test_a_full_disk_is_one_line_and_a_rerun_with_space_finishes(
    finished: Path, raw: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    with tiny_disk(tmp_path, "32m") as disk:
        filler, out = disk.path / "filler", disk.path / "out"
        room = sum(path.stat().st_size for path in (finished / "clips").iterdir())
        filler.write_bytes(bytes(shutil.disk_usage(disk.path).free - room // 2))
        with pytest.raises(OSError) as caught:
            run(CONFIG, clip, [str(raw)], out)
        line = str(user_message(caught.value))
        assert line.startswith(f"no space left on the disk of {out}") and "again" in line
        whole = tables(finished)
        left = {f"{p.parent.name}/{p.name}": p for p in out.glob("*/*.parquet")}
        shown = {name: p for name, p in left.items() if not p.name.startswith(".")}
        assert all(sha(path) == whole[name] for name, path in shown.items())
        filler.unlink()
        run(CONFIG, clip, [str(raw)], out)
        assert tables(out) == whole
        disk.remount("ro")
        assert run(CONFIG, clip, [str(raw)], out).clips == 4, "nothing to do needs no write"
        with pytest.raises(OSError) as caught:
            run(CONFIG, clip, [str(raw)], disk.path / "new")
        assert user_message(caught.value) == (
            f"{disk.path / 'new'} is on a read-only disk; make it writable, or choose another folder"
        )


def test_sources_add_up_and_copies_are_not_done_twice(
    finished: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    """A later run with other sources keeps the rows of the earlier ones; a copy is recorded, not ingested."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    held = tables(out)
    copy = tmp_path / "copy.mkv"
    (original,) = {
        row[s.SOURCE_URI]
        for row in rows(finished, "manifest")
        if row[s.SOURCE_URI].endswith(".mkv")
    }
    copy.write_bytes(Path(original).read_bytes())
    result = run(CONFIG, clip, [str(copy)], out)
    assert (result.done, result.clips) == (5, 4)
    now = tables(out)
    assert {name: now[name] for name in held if name != "sources.parquet"} == {
        name: held[name] for name in held if name != "sources.parquet"
    }
    ends = {row[s.SOURCE_URI]: row for row in read(out / "sources.parquet")}
    assert ends[str(copy)][s.ERROR_MESSAGE] == f"same content as {original}"


def test_a_changed_file_is_done_again(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 3)
    ledger, uri, stamp = Ledger(tmp_path), str(path), source_stamp(str(path))
    ((source, _),) = name_contents([uri])
    record = {s.SOURCE_URI: uri, s.SOURCE_ID: source, s.OUTCOME: "done", s.N_CLIPS: 0}
    ledger.write({**record, STAMP: stamp})
    assert is_settled(ledger, uri, stamp)
    write_counter(path, 4)
    assert not is_settled(ledger, uri, source_stamp(uri))
    assert name_contents([uri])[0] != source


def test_a_run_that_fails_before_anything_is_ingested_claims_no_folder(
    raw: Path, clip: OpenClipConfig, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    absent = OpenClipConfig(model="hf-hub:laion/no-such-model")
    with pytest.raises(ValueError, match="not in the local cache"):
        run(CONFIG, absent, [str(raw)], out)
    assert not out.exists(), "nothing was touched"


def test_settings_bind_only_once_a_source_is_recorded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "out")
    check_settings(ledger, "one", "a")
    check_settings(ledger, "two", "b")
    record = {s.SOURCE_ID: "0" * 16, s.SOURCE_URI: "/a.mp4", s.N_CLIPS: 0, STAMP: "x"}
    ledger.write({**record, s.OUTCOME: s.SourceOutcome.DONE})
    check_settings(ledger, "two", "b")
    with pytest.raises(UserError, match=r"other \[ingest\] or \[openclip\] settings"):
        check_settings(ledger, "one", "a")
