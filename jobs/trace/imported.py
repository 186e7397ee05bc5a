"""What other run folders have of a work, because they imported the run folder that it was in, or an export of it.

An export names its files after clips, so an imported clip is known by its source's name, or by its very bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.core.run import RunFolder, open_run
from jobs.core.uses import imports_of
from pipeline import schema as s
from pipeline.store.paths import location, matching


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What one run folder has of the clips of another."""

    folder: str
    """The run folder that imported them."""
    words: tuple[str, ...]
    """Ids of its sources that are such clips, and of clips in others that are their bytes."""


def find_imports(run: RunFolder, clips: Iterable[str], hashes: Iterable[str]) -> list[Imported]:
    """Run folders that have imported some of the clips; ``hashes`` are those of the clips' bytes."""
    names, same = tuple(clips), frozenset(hashes)
    found = [
        Imported(folder=folder, words=words_of(open_run(folder), names, same))
        for folder in imports_of(run.path)
        if location(folder).is_dir()
    ]
    return [each for each in found if each.words]


def words_of(run: RunFolder, names: tuple[str, ...], hashes: frozenset[str]) -> tuple[str, ...]:
    """Ids of the sources of a run folder that are named after one of the clips, and of other clips with its bytes."""
    from jobs.trace.targets import source_uris
    from pipeline.shards.read import open_table

    uris = source_uris(run)
    sources = dict.fromkeys(key for uri, key in uris.items() if any(n in uri for n in names))
    if not matching(run.manifest):
        return tuple(sources)
    rows = open_table(run.manifest, [s.CLIP_ID, s.SOURCE_ID, s.VIDEO_XXH3]).to_pylist()
    clips = [
        row[s.CLIP_ID]
        for row in rows
        if row[s.VIDEO_XXH3] in hashes and row[s.SOURCE_ID] not in sources
    ]
    return (*sources, *clips)
