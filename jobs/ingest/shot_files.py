"""Shots of videos as files that other programs read: CSV, an edit decision list, thumbnails."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pipeline.source.shot_list import ShotList
from pipeline.store.atomic import write_bytes

COLUMNS = (
    "file", "shot", "first_frame", "stop_frame", "start_s", "end_s", "start_timecode", "end_timecode",
    "begins_with", "thumbnail",
)  # fmt: skip
"""Of the CSV; ``stop_frame`` and the ends are exclusive, seconds are by the average rate."""
HEIGHT = 180
"""Of a thumbnail, pixels; never scaled up."""


def timecode(frame: int, fps: float) -> str:
    """``HH:MM:SS:FF`` of a frame, non-drop: at fractional rates it counts frames at the next whole rate."""
    rate = max(1, round(fps))
    seconds, frames = divmod(frame, rate)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def thumbnail_name(key: str, number: int) -> str:
    """File name of a shot's thumbnail; shots count from 1."""
    return f"{Path(key).stem}-{number:03d}.jpg"


def csv_text(lists: Mapping[str, ShotList], thumbnails: Path | None) -> str:
    """A line per shot of every file, with a line of names above."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(COLUMNS)
    for key, found in lists.items():
        for number, shot in enumerate(found.shots, 1):
            lines.writerow(
                (
                    key,
                    number,
                    shot.first,
                    shot.stop,
                    f"{shot.first / found.fps:.3f}",
                    f"{shot.stop / found.fps:.3f}",
                    timecode(shot.first, found.fps),
                    timecode(shot.stop, found.fps),
                    shot.transition_in,
                    str(thumbnails / thumbnail_name(key, number)) if thumbnails else "",
                )
            )
    return out.getvalue()


def edl_text(key: str, found: ShotList) -> str:
    """The shots of one file as a CMX 3600 list: each an event that plays where it lies in the source."""
    lines = [f"TITLE: {Path(key).stem}", "FCM: NON-DROP FRAME", ""]
    at = 0
    for number, shot in enumerate(found.shots, 1):
        span = (shot.first, shot.stop, at, at + shot.stop - shot.first)
        at = span[3]
        lines.append(
            f"{number:03d}  AX       V     C        "
            + " ".join(timecode(each, found.fps) for each in span)
        )
        lines.append(f"* FROM CLIP NAME: {Path(key).name}")
    return "\n".join(lines) + "\n"


def write_thumbnails(path: Path, key: str, found: ShotList, folder: Path) -> None:
    """A JPEG of the middle frame of every shot. Bytes are decoded in a child process, as everywhere."""
    from pipeline.video.isolate import run_isolated

    middles = [(shot.first + shot.stop) // 2 for shot in found.shots]
    pictures = run_isolated(
        frames_as_jpeg, (str(path), middles, HEIGHT), deadline_s=60 + found.duration_s * 2
    )
    for number, picture in enumerate(pictures, 1):
        if picture:
            write_bytes(folder / thumbnail_name(key, number), picture)


def frames_as_jpeg(path: str, numbers: list[int], height: int) -> list[bytes]:
    """Frames of a video by their place in order of presentation, as JPEG; empty for one that does not come."""
    import av

    from pipeline.video.probe import ONLY

    wanted: dict[int, bytes] = dict.fromkeys(numbers, b"")
    with av.open(f"file:{Path(path).absolute()}", options=ONLY) as container:
        for at, frame in enumerate(container.decode(video=0)):
            if at in wanted:
                picture = frame.to_image()
                if picture.height > height:
                    picture = picture.resize(
                        (max(1, round(picture.width * height / picture.height)), height)
                    )
                out = io.BytesIO()
                picture.save(out, "JPEG", quality=85)
                wanted[at] = out.getvalue()
            if at >= max(numbers, default=-1):
                break
    return [wanted[number] for number in numbers]
