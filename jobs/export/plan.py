"""What an export will hold: for every clip of the shards its files, frames and captions, or a typed reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobs.export.captions import Wording, Written, write_captions
from pipeline import schema as s
from pipeline.export.plan import Fit, Note, Refusal, Shape, fit
from pipeline.export.profile import Profile
from pipeline.export.target import Target
from pipeline.shards.read import Manifest

GROUP_CLIPS = 64
"""Clips written before their rows are put on record: what a kill can cost."""
CODEC = "h264"
"""What a file is encoded in where it is encoded again, as AV1 is for every model."""
TAR_BYTES = 256 << 20
"""Stored bytes of the clips that go to one tar file."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an export depends on besides the shards."""

    target: Target
    """The trainer."""
    profile: Profile | None
    """Its model, None to keep clips as they are."""
    wording: Wording
    """How captions are written."""
    split: str = "all"
    """``train``, ``validation`` or ``all``."""
    resize: bool = False
    """Scale and crop to the bucket's size."""
    repeat: bool = False
    """Take clips of a low rate, showing frames twice."""
    batch: int = 1
    """Clips of a batch."""
    crf: int = 18
    """Quality of clips that are encoded again."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One clip of the shards."""

    index: int
    """Its row in the manifest."""
    name: str
    """Its clip id."""
    shape: Shape
    """As it is stored."""
    split: str
    """``train`` or ``validation``."""
    fit: Fit | None
    """As it will be; None when it is refused."""
    written: Written | None
    """Its captions; None when it is refused."""
    refusal: Refusal | None
    """Why it is not in the export."""

    @property
    def bucket(self) -> tuple[int, int, int]:
        """(width, height, frames) it is trained at."""
        assert self.fit is not None
        return (*self.fit.bucket, self.fit.n_frames)

    @property
    def notes(self) -> tuple[str, ...]:
        """What changes, and what its trainer will change."""
        parts = [part.notes for part in (self.fit, self.written) if part is not None]
        return tuple(note for notes in parts for note in notes)


def plan(manifest: Manifest, settings: Settings) -> list[Planned]:
    """Every clip of the split, in order of ids; clips of buckets that the trainer would drop are refused, too."""
    found = list(_clips(manifest, settings))
    if settings.target.drops_small_buckets and settings.batch > 1 and settings.profile is not None:
        counts = Counter(clip.bucket for clip in found if clip.refusal is None)
        found = [
            replace(clip, refusal=Refusal.SMALL_BUCKET)
            if clip.refusal is None and counts[clip.bucket] < settings.batch
            else clip
            for clip in found
        ]
    return found


def _clips(manifest: Manifest, settings: Settings) -> Iterator[Planned]:
    columns = [
        name
        for name in (
            s.CLIP_ID,
            s.N_FRAMES,
            s.FPS,
            s.WIDTH,
            s.HEIGHT,
            s.SPLIT,
            *map(s.caption_column, s.CAPTION_KINDS),
        )
        if name in manifest.table.column_names
    ]
    index = 0
    for batch in manifest.table.select(columns).to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            split = row.get(s.SPLIT) or "train"
            if settings.split in ("all", split):
                yield _one(index, row, split, settings)
            index += 1


def _one(index: int, row: Mapping[str, Any], split: str, settings: Settings) -> Planned:
    shape = Shape(
        n_frames=row[s.N_FRAMES], fps=row[s.FPS], width=row[s.WIDTH], height=row[s.HEIGHT]
    )
    name, target = row[s.CLIP_ID], settings.target
    texts = {kind: row.get(s.caption_column(kind)) or "" for kind in s.CAPTION_KINDS}
    written: Written | Refusal | None = None
    placed: Fit | Refusal = fit(shape, settings.profile, repeat=settings.repeat)
    if shape.n_frames == 1 and not target.images:
        placed = Refusal.STILL
    if isinstance(placed, Fit) and (refused := target.refuses(placed, shape)):
        placed = refused
    if isinstance(placed, Fit):
        written = write_captions(settings.wording, name, texts, shape)
    refusal = next((part for part in (placed, written) if isinstance(part, Refusal)), None)
    return Planned(
        index=index,
        name=name,
        shape=shape,
        split=split,
        fit=placed if isinstance(placed, Fit) else None,
        written=written if isinstance(written, Written) else None,
        refusal=refusal,
    )


def groups(planned: list[Planned], manifest: Manifest, target: Target) -> list[list[Planned]]:
    """The clips in the order they are written, in groups that are put on record together; a tar file each, for tars."""
    if target.tar is None:
        return [planned[i : i + GROUP_CLIPS] for i in range(0, len(planned), GROUP_CLIPS)]
    lengths = manifest.columns[s.BYTE_LENGTH]
    found: list[list[Planned]] = []
    size = TAR_BYTES
    for clip in planned:
        length = 0 if clip.refusal else lengths[clip.index].as_py()
        if size + length > TAR_BYTES or not found:
            found.append([])
            size = 0
        found[-1].append(clip)
        size += length
    return found


def media_key(clip: Planned, settings: Settings, video_hash: str) -> str:
    """What the file of a clip depends on: two exports with the same key hold the same bytes."""
    from jobs.core.keys import config_key

    assert clip.fit is not None
    if settings.profile is None:
        return video_hash
    size = clip.fit.bucket if settings.resize else None
    wanted = (clip.fit.n_frames, clip.fit.fps, size, keeps_audio(settings), settings.crf, CODEC)
    return config_key(video_hash, list(map(str, wanted)))


def keeps_audio(settings: Settings) -> bool:
    """Whether the sound of clips is kept where they are encoded again."""
    profile = settings.profile
    return settings.target.audio and (profile is None or profile.audio)


def audio_note(settings: Settings, kept: bool, had: bool) -> tuple[str, ...]:
    """What is to be said of a clip's sound."""
    if had and not keeps_audio(settings):
        return (str(Note.SOUND_LOST),)
    wants = settings.profile is not None and settings.profile.audio
    return (str(Note.NO_SOUND),) if wants and not kept else ()
