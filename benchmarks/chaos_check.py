"""What must hold in a run folder: at any moment, and at the end."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from pipeline import schema as s
from pipeline.shards.part import video_hash

TABLES = ("clips", "manifest", "embeddings")


def visible(folder: Path) -> dict[str, str]:
    """Name -> sha256 of every file that a reader of the tables sees."""
    paths = [path for table in TABLES for path in (folder / table).glob("*.parquet")]
    paths += [folder / "sources.parquet"]
    shown = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    return sums(folder, shown)


def sums(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Name below ``folder`` -> sha256 of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def check_now(folder: Path, want: dict[str, str]) -> list[str]:
    """What is wrong at this moment: a visible file that the undisturbed run did not write, or wrote otherwise."""
    wrong = [
        f"{name} is {'not like' if name in want else 'not in'} the undisturbed run"
        for name, digest in visible(folder).items()
        if want.get(name) != digest
    ]
    for manifest in (folder / "manifest").glob("part-*.parquet"):
        clips = folder / "clips" / manifest.name
        if not clips.exists() or not (folder / "embeddings" / manifest.name).exists():
            wrong.append(f"{manifest.name}: rows without their clips or embeddings")
    return wrong


def check_end(folder: Path, want: dict[str, str], raw: Path) -> list[str]:
    """What is wrong with a finished folder."""
    have = visible(folder)
    wrong = [f"{name} is missing" for name in sorted(want.keys() - have.keys())]
    wrong += check_now(folder, want)
    left = [p.name for table in TABLES for p in (folder / table).glob(".*")]
    left += [p.name for p in folder.rglob("*.tmp*")]
    wrong += [f"{name} is left behind" for name in left]
    if "sources.parquet" not in have:
        return wrong
    sources = pq.read_table(folder / "sources.parquet").to_pylist()
    counts = Counter(row[s.SOURCE_URI] for row in sources)
    files = {str(path) for path in raw.iterdir()}
    wrong += [f"{uri} is not accounted for" for uri in sorted(files - counts.keys())]
    wrong += [f"{uri} has {n} rows" for uri, n in counts.items() if n != 1]
    rows = [
        r for p in (folder / "manifest").glob("*.parquet") for r in pq.read_table(p).to_pylist()
    ]
    twice = Counter(row[s.CLIP_ID] for row in rows)
    wrong += [f"clip {clip} is there {n} times" for clip, n in twice.items() if n != 1]
    promised = sum(row[s.N_CLIPS] for row in sources)
    if promised != len(rows):
        wrong.append(f"sources.parquet counts {promised} clips, the manifest has {len(rows)}")
    for row in rows:
        with (folder / "clips" / row[s.SHARD]).open("rb") as shard:
            shard.seek(row[s.BYTE_OFFSET])
            if video_hash(shard.read(row[s.BYTE_LENGTH])) != row[s.VIDEO_XXH3]:
                wrong.append(f"bytes of clip {row[s.CLIP_ID]} are not those of the manifest")
    return wrong
