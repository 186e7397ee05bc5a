"""Write an export group by group: media and sidecars first, then the group's record, so that a kill costs one group.

Media are written under temporary names and renamed; a record in ``.export/`` says which clips of a group are there.
A rerun goes on behind the last record and ends in the same bytes.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.core.console import Progress
from jobs.core.uses import RECORDS
from jobs.export.plan import Planned, Settings, audio_note, groups, keeps_audio, media_key
from pipeline import schema as s
from pipeline.export.media import Media, Wanted, make_media
from pipeline.export.plan import Note, Refusal
from pipeline.shards.ranges import ClipError
from pipeline.shards.read import Manifest
from pipeline.store.atomic import sync, write_bytes
from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath
from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError

DEADLINE_S = 600.0
"""Longest time one clip may take in the decoding child, seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one clip: a line of ``export.csv``."""

    name: str
    """Its clip id."""
    media: str
    """Path of its video below the export; in a tar, tar and member; empty when it is refused."""
    refusal: str
    """Why it is not in the export, empty when it is."""
    notes: str
    """What was changed, or its trainer will change."""
    n_frames: int
    """Decoded frames of the exported file; of the stored one when it is refused."""
    fps: float
    """Frames a second."""
    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    bucket: str
    """WIDTHxHEIGHTxFRAMES that it is trained at."""
    audio: bool
    """Whether it has sound."""
    lost_s: float
    """Seconds left out at its end."""
    tokens: int
    """Length of its longest caption."""
    split: str
    """``train`` or ``validation``."""
    media_key: str
    """What its file depends on."""


class Writer:
    """Writes one export; ``rows`` yields what became of each clip, written now or before."""

    def __init__(
        self,
        out: Location,
        manifest: Manifest,
        settings: Settings,
        planned: list[Planned],
        *,
        workers: int = 0,
        link: Linked | None = None,
    ) -> None:
        self.out, self.manifest, self.settings = out, manifest, settings
        self.planned, self.link = planned, link
        self.workers = workers or os.cpu_count() or 1
        self._local = threading.local()
        self._sandboxes: list[Sandbox] = []
        self._made: set[str] = set()
        self._scratch: Path | None = None

    def rows(self, progress: Progress) -> Iterator[Row]:
        """Every clip in order; what is on record already is passed over."""
        parts = groups(self.planned, self.manifest, self.settings.target)
        with (
            ThreadPoolExecutor(self.workers) as pool,
            tempfile.TemporaryDirectory(prefix="filmstock-export-") as scratch,
        ):
            self._scratch = Path(scratch)
            try:
                for number, part in enumerate(parts):
                    record = self.out / RECORDS / f"{number:06d}.json"
                    if record.is_file():
                        progress.skip(len(part))
                        yield from (Row(**row) for row in json.loads(record.read_text()))
                        continue
                    rows = self._group(number, part, pool, progress)
                    body = [dataclasses.asdict(row) for row in rows]
                    write_bytes(record, (json.dumps(body) + "\n").encode())
                    yield from rows
            finally:
                for sandbox in self._sandboxes:
                    sandbox.close()

    def _group(
        self, number: int, part: list[Planned], pool: ThreadPoolExecutor, progress: Progress
    ) -> list[Row]:
        target = self.settings.target
        rows: list[Row] = []
        if target.tar is None:
            paths: list[Path] = []
            for row, placed in pool.map(self._clip, part):
                rows.append(row)
                paths += placed
                progress.update(1)
            for _ in pool.map(sync, paths):
                pass
            for folder in {path.parent for path in paths}:
                sync(folder)
            return rows
        name = target.tar.format(group=f"{number:05d}")
        local = self._draft(name)
        with writing(local), tarfile.open(local, "w", format=tarfile.USTAR_FORMAT) as tar:
            for clip, (row, placed) in zip(part, pool.map(self._clip, part), strict=True):
                if not row.refusal:
                    with placed[0].open("rb") as data:
                        _add(tar, row.media, data, placed[0].stat().st_size)
                    for member, text in self._sidecars(clip, row):
                        _add(tar, member, io.BytesIO(text), len(text))
                    rows.append(dataclasses.replace(row, media=f"{name}/{row.media}"))
                else:
                    rows.append(row)
                for path in placed:
                    path.unlink()
                progress.update(1)
        if any(not row.refusal for row in rows):
            self._place(local, name)
        else:
            local.unlink()
        return rows

    def _clip(self, clip: Planned) -> tuple[Row, list[Path]]:
        """Write one clip and its sidecars; its row, and the local files that are to be brought to the disk."""
        if clip.refusal is not None or clip.fit is None or clip.written is None:
            return self._refused(clip, clip.refusal or Refusal.UNREADABLE), []
        target, fit = self.settings.target, clip.fit
        media = target.media.format(name=clip.name)
        key = media_key(
            clip, self.settings, self.manifest.columns[s.VIDEO_XXH3][clip.index].as_py()
        )
        linked = self._linked(media, key) if self.link is not None and target.tar is None else None
        if linked is not None:
            made, draft = linked, None
        else:
            try:
                made, draft = self._media(clip, media)
            except (ClipError, MediaError) as error:
                row = self._refused(clip, Refusal.UNREADABLE)
                return dataclasses.replace(row, notes=" ".join(str(error).split())), []
        if made.n_frames != fit.n_frames:
            if draft is not None:
                draft.unlink()
            elif linked is not None:
                (self.out / media).unlink()
            row = self._refused(clip, Refusal.FRAMES_DIFFER)
            return dataclasses.replace(row, n_frames=made.n_frames), []
        notes = clip.notes + audio_note(self.settings, made.audio, made.source_audio)
        notes += (str(Note.AV1),) * made.av1
        row = Row(
            name=clip.name,
            media=media,
            refusal="",
            notes=" ".join(notes),
            n_frames=made.n_frames,
            fps=fit.fps,
            width=made.width,
            height=made.height,
            bucket="x".join(map(str, clip.bucket)),
            audio=made.audio,
            lost_s=fit.lost_s,
            tokens=clip.written.tokens,
            split=clip.split,
            media_key=key,
        )
        if target.tar is not None:
            assert draft is not None
            return row, [draft]
        placed = [self.out / media] if draft is None else [self._place(draft, media)]
        for name, text in self._sidecars(clip, row):
            placed.append(self._place(self._write_draft(name, text), name))
        return row, [path for path in placed if isinstance(path, Path)]

    def _media(self, clip: Planned, name: str) -> tuple[Media, Path]:
        """(what the file is, the file under a temporary name)."""
        assert clip.fit is not None
        stored = self.manifest.read(clip.index)
        draft = self._write_draft(name, stored)
        profile = self.settings.profile
        wanted = Wanted(
            n_frames=clip.fit.n_frames,
            fps=None if profile is None else clip.fit.fps,
            size=clip.fit.bucket if self.settings.resize and profile is not None else None,
            audio=keeps_audio(self.settings),
            crf=self.settings.crf,
        )
        try:
            made: Media = self._sandbox().run(
                make_media, str(draft.absolute()), wanted, deadline_s=DEADLINE_S, stage="export"
            )
            if made.video:
                with writing(str(self.out / name)):
                    draft.write_bytes(made.video)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        return dataclasses.replace(made, video=b""), draft

    def _linked(self, media: str, key: str) -> Media | None:
        """A hard link to the same file of another export; None when it has none, or lies on another disk."""
        assert self.link is not None
        found = self.link.rows.get(key)
        if found is None or not isinstance(self.out, Path):
            return None
        path = self.out / media
        self._folder(path.parent)
        try:
            path.unlink(missing_ok=True)
            os.link(self.link.folder / found["media"], path)
        except OSError:
            return None
        audio = found["audio"] == "True"
        return Media(
            video=b"",
            n_frames=int(found["n_frames"]),
            width=int(found["width"]),
            height=int(found["height"]),
            audio=audio,
            source_audio=audio or "sound_lost" in found["notes"],
            av1=str(Note.AV1) in found["notes"].split(),
        )

    def _sidecars(self, clip: Planned, row: Row) -> list[tuple[str, bytes]]:
        assert clip.written is not None
        target = self.settings.target
        names = [name.format(name=clip.name) for name in target.sidecars]
        return [(name, sidecar_text(name, clip, row).encode()) for name in names]

    def _refused(self, clip: Planned, why: Refusal) -> Row:
        shape = clip.shape
        return Row(
            name=clip.name, media="", refusal=str(why), notes="", n_frames=shape.n_frames,
            fps=shape.fps, width=shape.width, height=shape.height, bucket="", audio=False,
            lost_s=0.0, tokens=0, split=clip.split, media_key="",
        )  # fmt: skip

    def _write_draft(self, name: str, data: bytes) -> Path:
        draft = self._draft(name)
        with writing(str(self.out / name)):
            draft.write_bytes(data)
        return draft

    def _draft(self, name: str) -> Path:
        """A local file to write before it becomes ``name`` of the export."""
        flat = PurePosixPath(name)
        if isinstance(self.out, ObjectPath) or self.settings.target.tar is not None:
            assert self._scratch is not None
            return self._scratch / flat.name
        folder = self.out / flat.parent
        self._folder(folder)
        return folder / f".{flat.name}.partial.tmp"

    def _folder(self, folder: Path) -> None:
        if str(folder) not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(str(folder))

    def _place(self, local: Path, name: str) -> Location:
        path = self.out / name
        if isinstance(path, ObjectPath):
            path.write_bytes(local)
            local.unlink()
            return path
        if local.parent == path.parent:
            with writing(path):
                os.replace(local, path)
            return path
        self._folder(path.parent)
        from pipeline.store.atomic import atomic_path

        with atomic_path(path, sole=True) as tmp:
            _copy(local, tmp)
        local.unlink()
        return path

    def _sandbox(self) -> Sandbox:
        if not hasattr(self._local, "sandbox"):
            self._local.sandbox = Sandbox()
            self._sandboxes.append(self._local.sandbox)
        found: Sandbox = self._local.sandbox
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Linked:
    """Another export whose files are linked where they are the same."""

    folder: Path
    """Where it is."""
    rows: dict[str, dict[str, str]]
    """media_key -> its row."""


def sidecar_text(name: str, clip: Planned, row: Row) -> str:
    """What stands in a sidecar: the captions, a line each, or a JSON object."""
    assert clip.written is not None
    if not name.endswith(".json"):
        lines = [
            " ".join(text.split()) if len(clip.written.texts) > 1 else text
            for text in clip.written.texts
        ]
        return "\n".join(lines)
    body: dict[str, Any] = {
        "caption": clip.written.texts[0],
        "captions": list(clip.written.texts),
        "num_frames": row.n_frames,
        "fps": row.fps,
        "width": row.width,
        "height": row.height,
    }
    return json.dumps(body, ensure_ascii=False) + "\n"


def _add(tar: tarfile.TarFile, name: str, data: Any, size: int) -> None:
    """A member without owner or time, so that the same clips give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    tar.addfile(info, data)


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copyfile(source, target)
