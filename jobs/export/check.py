"""``--check`` of an export that is there: every file decoded and held against the table, every sidecar looked for."""

from __future__ import annotations

import csv
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL
from pipeline.export.target import Target
from pipeline.store.paths import Location
from pipeline.store.staging import staged
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError

DEADLINE_S = 600.0
"""Longest time one file may take in the decoding child, seconds."""


def check_export(out: Location, target: Target) -> int:
    """Say of every clip of the export's table what is not as it says; 3 when anything is not."""
    rows = list(csv.DictReader(io.StringIO((out / "export.csv").read_text(encoding="utf-8"))))
    kept = [row for row in rows if not row["refusal"]]
    faults: list[str] = []
    with Sandbox() as sandbox, Progress("check", len(kept), "clips") as progress:
        if target.read_back is not None:
            faults += _contained(out, kept, target, sandbox)
        for row in kept if target.read_back is None else ():
            faults += [f"{row['media']}: {fault}" for fault in faults_of(out, row, target, sandbox)]
            progress.update(1)
    for fault in faults[:20]:
        say(f"  {fault}")
    if len(faults) > 20:
        say(f"  and {len(faults) - 20} more")
    say(
        f"check: {len(kept)} clips for {target.name} in {out}, {len(rows) - len(kept)} refused, "
        f"{len(faults)} faults" + ("; remove the folder and export again" if faults else "")
    )
    return EXIT_PARTIAL if faults else EXIT_OK


def faults_of(out: Location, row: dict[str, str], target: Target, sandbox: Sandbox) -> list[str]:
    """What is wrong with the files of one clip."""
    found = []
    if target.tar is None:
        names = [row["media"], *(name.format(name=row["name"]) for name in target.sidecars)]
        missing = [name for name in names if not (out / name).is_file()]
        found += [f"{name} is missing" for name in missing]
        for name in names[1:]:
            if name not in missing and not (out / name).read_bytes().strip():
                found.append(f"{name} is empty")
        if names[0] in missing:
            return found
        with staged(out / names[0]) as local:
            return found + _decoded(local, row, sandbox)
    tar_name, _, member = row["media"].partition(".tar/")
    with (
        staged(out / f"{tar_name}.tar") as local,
        tempfile.NamedTemporaryFile(suffix=".mp4") as file,
    ):
        with tarfile.open(local) as tar:
            try:
                data = tar.extractfile(member)
            except KeyError:
                return ["its member is missing"]
            assert data is not None
            file.write(data.read())
            file.flush()
        return _decoded(Path(file.name), row, sandbox)


def _contained(
    out: Location, kept: list[dict[str, str]], target: Target, sandbox: Sandbox
) -> list[str]:
    """What is wrong in a container of the target's own."""
    assert target.read_back is not None
    rows = {row["name"]: row for row in kept}
    faults = []
    for name, video in target.read_back(out):
        row = rows.pop(name, None)
        if row is None:
            faults.append(f"{name}: it is not in the table")
            continue
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(video)
            file.flush()
            faults += [f"{name}: {fault}" for fault in _decoded(Path(file.name), row, sandbox)]
    return faults + [f"{name}: it is missing" for name in rows]


def _decoded(path: Path, row: dict[str, str], sandbox: Sandbox) -> list[str]:
    try:
        found = sandbox.run(
            count_frames, str(path.absolute()), deadline_s=DEADLINE_S, stage="check"
        )
    except MediaError as error:
        return [str(error)]
    said = [int(row["n_frames"]), int(row["width"]), int(row["height"])]
    if list(found) != said:
        return [f"its pictures are {found} (frames, width, height), its row says {said}"]
    return []


def count_frames(path: str) -> list[Any]:
    """(frames, width, height) as decoded; in the decoding child."""
    from pipeline.video.cut import read_frames
    from pipeline.video.probe import open_media, pick_stream

    count, size = 0, (0, 0)
    with open_media(path) as container:
        for _, frame in read_frames(pick_stream(container, path), path, stage="check"):
            count, size = count + 1, (frame.width, frame.height)
    return [count, *size]
