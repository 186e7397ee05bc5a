"""The check of an export finds each thing that is not as its table says, and says nothing of what is."""

from __future__ import annotations

import csv
import dataclasses
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from jobs.core.errors import EXIT_OK, EXIT_PARTIAL
from jobs.export import check
from jobs.export.check import check_export, count_frames, faults_of
from pipeline.export.target import Target
from pipeline.store.paths import Location
from pipeline.video.probe import MediaError
from tests.helpers.export_media import Made, video_bytes

CLIP, OTHER = Made(name="clip", n_frames=3), Made(name="other", n_frames=4, size=(96, 160))
FOLDER = Target(name="folder", reads="x", sidecars=("videos/{name}.txt",))
TAR = Target(name="tar", reads="x", tar="train-{group}.tar", media="{name}.mp4")


class Here:
    """A sandbox that decodes in this process, and notes for how long it would have waited."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, fn: Callable[..., Any], path: str, *, deadline_s: float, stage: str) -> Any:
        assert Path(path).is_absolute()
        self.asked.append((deadline_s, stage))
        return fn(path)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    sandbox = Here()
    monkeypatch.setattr(check, "Sandbox", lambda: sandbox)
    return sandbox


def row(
    name: str, made: Made, *, media: str = "videos/{}.mp4", refusal: str = ""
) -> dict[str, str]:
    width, height = made.size
    sizes = {"n_frames": made.n_frames, "width": width, "height": height}
    told = {"name": name, "media": media.format(name), "refusal": refusal}
    return told | {key: str(value) for key, value in sizes.items()}


def export(out: Path, rows: list[dict[str, str]]) -> Path:
    """A folder with its table, a video and a caption of every clip that is not refused."""
    (out / "videos").mkdir(parents=True)
    with (out / "export.csv").open("w") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    for each in rows:
        if not each["refusal"]:
            (out / each["media"]).write_bytes(video_bytes(CLIP))
            (out / "videos" / f"{each['name']}.txt").write_text("A bar.")
    return out


def test_a_whole_export_has_no_faults(
    tmp_path: Path, here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    out = export(tmp_path / "é", [row("ä", CLIP), row("b", CLIP), row("c", OTHER, refusal="still")])
    assert check_export(out, FOLDER) == EXIT_OK
    said = capsys.readouterr().out
    assert f"check: 2 clips for folder in {out}, 1 refused, 0 faults\n" in said
    assert here.asked == [(check.DEADLINE_S, "check")] * 2


def test_every_fault_is_told_with_its_file(
    tmp_path: Path, here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("fine", "gone", "unsaid", "empty", "longer", "damaged")
    out = export(tmp_path / "out", [row(name, CLIP) for name in names])
    (out / "videos" / "gone.mp4").unlink()
    (out / "videos" / "unsaid.txt").unlink()
    (out / "videos" / "empty.txt").write_text(" \n")
    (out / "videos" / "longer.mp4").write_bytes(video_bytes(OTHER))
    (out / "videos" / "damaged.mp4").write_bytes(b"no video")
    assert check_export(out, FOLDER) == EXIT_PARTIAL
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "  videos/gone.mp4: videos/gone.mp4 is missing",
        "  videos/unsaid.mp4: videos/unsaid.txt is missing",
        "  videos/empty.mp4: videos/empty.txt is empty",
        "  videos/longer.mp4: its pictures are [4, 96, 160] (frames, width, height), its row says [3, 160, 96]",
    ]
    assert lines[4].startswith("  videos/damaged.mp4: ") and len(lines) == 6
    assert lines[4].count("damaged.mp4") == 2, "what the decoder says names the file"
    assert "6 clips" in lines[5] and "5 faults; remove the folder and export again" in lines[5]


def test_twenty_faults_are_shown_and_the_rest_is_counted(
    tmp_path: Path, here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    for count, more in ((20, []), (21, ["  and 1 more"])):
        out = export(tmp_path / f"{count}", [row(f"{i:02}", CLIP) for i in range(count)])
        for each in (out / "videos").glob("*.mp4"):
            each.unlink()
        assert check_export(out, FOLDER) == EXIT_PARTIAL
        lines = capsys.readouterr().out.splitlines()
        assert lines[19] == "  videos/19.mp4: videos/19.mp4 is missing"
        assert lines[20:-1] == more


def test_a_clip_in_a_tar_is_decoded_too(tmp_path: Path) -> None:
    sandbox: Any = Here()
    with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
        for name, made in (("a.mp4", CLIP), ("b.mp4", OTHER)):
            info = tarfile.TarInfo(name)
            info.size = len(video_bytes(made))
            tar.addfile(info, io.BytesIO(video_bytes(made)))
    rows = [row(name, CLIP, media="train-0.tar/{}.mp4") for name in ("a", "b", "c")]
    fine, longer, gone = (faults_of(tmp_path, each, TAR, sandbox) for each in rows)
    assert fine == [] and gone == ["its member is missing"]
    assert longer == [
        "its pictures are [4, 96, 160] (frames, width, height), its row says [3, 160, 96]"
    ]


def test_a_container_of_its_own_is_compared_with_the_table_both_ways(
    tmp_path: Path, here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"stray": CLIP, "a": CLIP, "b": OTHER, "c": OTHER, "d": CLIP}
    out = export(tmp_path / "out", [row(name, CLIP) for name in ("a", "b", "c", "d", "lost")])
    for file in (out / "videos").iterdir():
        file.unlink()  # what is in a container has no file of its own

    def read_back(folder: Location) -> Iterator[tuple[str, bytes]]:
        assert folder == out
        yield from ((name, video_bytes(made)) for name, made in held.items())

    target = dataclasses.replace(FOLDER, read_back=read_back)
    assert check_export(out, target) == EXIT_PARTIAL
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  stray: it is not in the table"
    assert [line.partition(":")[0] for line in lines[1:3]] == ["  b", "  c"]
    assert lines[3] == "  lost: it is missing" and "4 faults" in lines[4] and len(lines) == 5


def test_what_the_decoder_says_of_a_file_is_told(tmp_path: Path) -> None:
    class Refusing(Here):
        def run(self, *_: object, **__: object) -> Any:
            raise MediaError("check", "timeout", "took too long")

    sandbox: Any = Refusing()
    export(tmp_path / "out", [row("a", CLIP)])
    (said,) = faults_of(tmp_path / "out", row("a", CLIP), FOLDER, sandbox)
    assert "took too long" in said


def test_a_file_without_pictures_is_named_and_where_it_was_noticed(tmp_path: Path) -> None:
    path = str(tmp_path / "sound.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match=r"sound\.mp4"):
        count_frames(path)
    whole = video_bytes(Made(name="long", n_frames=40))
    start = whole.index(b"mdat") + 4
    end = start - 8 + int.from_bytes(whole[start - 8 : start - 4])
    (tmp_path / "bad.mp4").write_bytes(whole[:start] + bytes(end - start) + whole[end:])
    with pytest.raises(MediaError, match=r"^check/.*bad\.mp4"):
        count_frames(str(tmp_path / "bad.mp4"))


def test_frames_are_counted_and_measured_as_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(video_bytes(OTHER))
    assert count_frames(str(tmp_path / "a.mp4")) == [4, 96, 160]
