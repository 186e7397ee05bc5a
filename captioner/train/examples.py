"""Fine-tuning examples: clips, each with the caption that the model should learn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.ask.frames import ClipFrames, clip_frames
from pipeline import schema as s
from pipeline.shards.ranges import read_clip
from pipeline.shards.read import Manifest
from pipeline.store.paths import Location


@dataclass(frozen=True, kw_only=True)
class TrainingExample:
    """One clip and its caption."""

    root: str | Location
    """Folder that ``row`` names a shard in."""
    row: dict[str, Any]
    """The clip's manifest row: byte range, hash, shape."""
    text: str
    """What should be said."""

    @property
    def clip_id(self) -> str:
        """Id of the clip."""
        return self.row[s.CLIP_ID]

    def frames(self, count: int, side: int) -> ClipFrames:
        """The frames that ``filmstock caption`` would show of this clip, by the same code.

        Raises ClipError for bytes that are missing or do not match their hash.
        """
        row = self.row
        return clip_frames(
            read_clip(self.root, row),
            n_frames=row[s.N_FRAMES],
            fps=row[s.FPS],
            width=row[s.WIDTH],
            height=row[s.HEIGHT],
            frames=count,
            side=side,
        )


def examples_of(
    rows: Iterable[Mapping[str, Any]],
    texts: Mapping[str, str],
    root: Callable[[Mapping[str, Any]], str | Location],
) -> list[TrainingExample]:
    """Lessons of the manifest rows that ``texts`` (clip_id -> caption) has words for, in the order of their ids.

    ``rows`` have ``READ_COLUMNS`` and nothing else; ``root`` says in which folder a row's shard lies.
    """
    found = (
        TrainingExample(root=root(row), row=dict(row), text=texts[row[s.CLIP_ID]].strip())
        for row in rows
        if texts.get(row[s.CLIP_ID], "").strip()
    )
    return sorted(found, key=lambda example: example.clip_id)


def shard_texts(manifest: Manifest, kind: str) -> dict[str, str]:
    """clip_id -> caption of ``kind`` in finished shards; clips without one are left out."""
    column = s.caption_column(kind)
    if column not in manifest.table.column_names:
        return {}
    pairs = zip(
        manifest.table[s.CLIP_ID].to_pylist(), manifest.table[column].to_pylist(), strict=True
    )
    return {clip_id: text for clip_id, text in pairs if text}


def read_texts(path: Path, kind: str) -> dict[str, str]:
    """clip_id -> caption from a ``.parquet``, ``.jsonl`` or ``.csv`` file with columns ``clip_id`` and ``text``.

    Where there is a column ``kind``, rows of other kinds are left out. Raises ValueError for a file without these
    columns, with two captions for a clip, or of another format.
    """
    import pyarrow as pa

    readers = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv}
    if path.suffix not in readers:
        raise ValueError(f"captions file {path} must be one of {', '.join(readers)}")
    try:
        table = readers[path.suffix](path)
    except (pa.ArrowException, FileNotFoundError) as error:
        line = " ".join(str(error).split())[:200]
        raise ValueError(
            f"captions file {path} cannot be read: {line}; give a table with {s.CLIP_ID} and {s.TEXT}"
        ) from None
    if missing := [name for name in (s.CLIP_ID, s.TEXT) if name not in table.column_names]:
        raise ValueError(
            f"captions file {path} lacks the column {' and '.join(missing)}; "
            f"it has {', '.join(table.column_names)}; rename them"
        )
    texts: dict[str, str] = {}
    for row in table.to_pylist():
        if row.get(s.KIND, kind) != kind or not row[s.TEXT]:
            continue
        if row[s.CLIP_ID] in texts:
            raise ValueError(
                f"captions file {path} has two {kind} captions for clip {row[s.CLIP_ID]}"
            )
        texts[str(row[s.CLIP_ID])] = str(row[s.TEXT])
    return texts


def _parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _jsonl(path: Path) -> Any:
    from pyarrow import json

    return json.read_json(path)


def _csv(path: Path) -> Any:
    from pyarrow import csv

    return csv.read_csv(path)


def split(
    examples: Sequence[TrainingExample], share: float, most: int
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """(to learn from, held out): a clip's side hangs on its id alone, so it stays there when data are added.

    About ``share`` of the clips are held out, but at most ``most``, those whose ids hash lowest.
    """
    drawn = sorted((_draw(example.clip_id), i) for i, example in enumerate(examples))
    held = {i for draw, i in drawn[:most] if draw < share}
    return (
        [example for i, example in enumerate(examples) if i not in held],
        [example for i, example in enumerate(examples) if i in held],
    )


def examples_hash(examples: Sequence[TrainingExample]) -> str:
    """Identity of what is taught, whatever folder it lies in: 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    for example in examples:
        digest.update(f"{example.clip_id} {example.row[s.VIDEO_XXH3]} {example.text!r}\n".encode())
    return digest.hexdigest()


def _draw(clip_id: str) -> float:
    """Uniform in [0, 1), a function of the id."""
    digest = hashlib.blake2b(f"held out {clip_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2.0**64
