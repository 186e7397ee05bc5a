"""What a trainer looks for: media, captions, settings. One file of ``targets`` is one trainer.

``TARGET = Target(name=..., media="videos/{name}.mp4", sidecars=("videos/{name}.txt",), files=files)`` is all of it:
``files(export)`` yields the tables and settings, as (path, text). One of your own is named ``--for my_module:TARGET``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.export.plan import Fit, Refusal, Shape
from pipeline.export.profile import Profile
from pipeline.store.paths import Location

File = tuple[str, str]
"""Path below the export, and text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One clip of an export."""

    name: str
    """Its clip id, and the stem of its files."""
    media: str
    """Path of its video below the export."""
    captions: tuple[str, ...]
    """Its captions, the one that is trained on first."""
    n_frames: int
    """Decoded frames of the file."""
    fps: float
    """Frames a second."""
    width: int
    """Pixels across, of the file."""
    height: int
    """Pixels down, of the file."""
    bucket: tuple[int, int]
    """(width, height) it is trained at."""
    audio: bool = False
    """Whether the file has sound."""
    structured: Mapping[str, Any] | None = None
    """Fields of its caption as a JSON object, where the target asks for it."""
    split: str = "train"
    """``train`` or ``validation``."""

    @property
    def caption(self) -> str:
        """The caption that is trained on."""
        return self.captions[0]

    @property
    def duration_s(self) -> float:
        """Seconds shown, rounded down: a trainer that multiplies by the rate must not find a frame more."""
        return math.floor(self.n_frames / self.fps * 1e6) / 1e6


@dataclass(frozen=True, kw_only=True)
class Export:
    """A whole export, as its tables and settings are made from it."""

    root: str
    """Absolute path, or URI, at which the trainer will find it."""
    clips: tuple[Clip, ...]
    """What is in it, in order of names."""
    profile: Profile | None
    """Rules of the model, None when clips stay as they are."""
    batch: int = 1
    """Clips of one batch."""

    def path(self, clip: Clip) -> str:
        """Where the trainer finds a clip."""
        return f"{self.root}/{clip.media}"

    @property
    def frames(self) -> list[int]:
        """Counts of frames that occur, rising."""
        return sorted({clip.n_frames for clip in self.clips})

    @property
    def buckets(self) -> list[tuple[int, int, int]]:
        """(width, height, frames) that occur, rising."""
        return sorted({(*clip.bucket, clip.n_frames) for clip in self.clips})

    @property
    def fps(self) -> float:
        """The model's rate, else the most usual one."""
        if self.profile is not None:
            return self.profile.fps
        rates = [clip.fps for clip in self.clips]
        return max(sorted(set(rates)), key=rates.count)

    @property
    def audio(self) -> bool:
        """Whether sound is trained on."""
        wanted = self.profile is None or self.profile.audio
        return wanted and any(clip.audio for clip in self.clips)

    @property
    def largest(self) -> tuple[int, int]:
        """(width, height) of the largest size that occurs."""
        return max((clip.bucket for clip in self.clips), key=lambda size: (size[0] * size[1], size))


def no_files(export: Export) -> Iterator[File]:
    """A target without tables."""
    yield from ()


def nothing_refused(fit: Fit, shape: Shape) -> Refusal | None:
    """A target that takes every clip."""
    return None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one trainer reads."""

    name: str
    """What ``--for`` calls it."""
    reads: str
    """Whose code reads it: repository and file, for people."""
    media: str = "videos/{name}.mp4"
    """Path of a clip's video below the export; in ``tar``, its member's name."""
    sidecars: tuple[str, ...] = ()
    """Paths of files beside each video: ``.txt`` with its captions, a line each, ``.json`` with its shape, too."""
    tar: str | None = None
    """Path of the tar file that a group of clips goes to, ``{group}`` its number; None for files of their own."""
    many_captions: bool = False
    """Whether it takes several captions of a clip."""
    structured: bool = False
    """Whether it takes the caption as an object of fields, too."""
    audio: bool = False
    """Whether it reads the sound of a video."""
    images: bool = True
    """Whether it takes a video of one frame."""
    drops_small_buckets: bool = False
    """Whether it drops all clips of a shape of which it has less than a batch."""
    files: Callable[[Export], Iterable[File]] = no_files
    """The tables and settings."""
    refuses: Callable[[Fit, Shape], Refusal | None] = nothing_refused
    """Why this trainer would drop a clip that fits its model."""
    check: Callable[[], None] | None = None
    """Raises ValueError where a package that it needs is missing."""
    writer: Callable[[Location, Export], None] | None = None
    """Puts the clips' files into a container of its own, see ``targets.lance``; the files are removed then."""
    read_back: Callable[[Location], Iterator[tuple[str, bytes]]] | None = None
    """(name, video) of every clip in that container, for ``--check``."""


def to_json(value: Any) -> str:
    """JSON for people, with a line end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def to_jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """A CSV table with a header, quoted as pandas and Excel read it; empty without rows."""
    rows = list(rows)
    out = io.StringIO()
    if rows:
        bare = any("\r" in str(value) for row in rows for value in row.values())
        writer = csv.DictWriter(
            out,
            list(rows[0]),
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL,  # which does not quote that one
        )
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def to_toml(value: Mapping[str, Any]) -> str:
    """TOML."""
    import tomli_w

    return tomli_w.dumps(value)


def to_yaml(value: Any, indent: int = 0) -> str:
    """YAML of dicts, lists and scalars."""
    pad = "  " * indent
    if isinstance(value, Mapping):
        lines = []
        for key, item in value.items():
            nested = isinstance(item, Mapping) or (
                isinstance(item, list) and any(isinstance(part, Mapping) for part in item)
            )
            text = "\n" + to_yaml(item, indent + 1) if nested else f" {_yaml_scalar(item)}\n"
            lines.append(f"{pad}{key}:{text}")
        return "".join(lines)
    if isinstance(value, list):
        return "".join(
            f"{pad}- {to_yaml(item, indent + 1).removeprefix('  ' * (indent + 1))}"
            for item in value
        )
    return f"{pad}{_yaml_scalar(value)}\n"


def _yaml_scalar(value: Any) -> str:
    """As JSON, which YAML reads, but for what JSON escapes in two halves, and for line ends of YAML alone."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
