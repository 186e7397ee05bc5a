"""What other run folders have of a work, because they imported the run folder that it was in, or an export of it.

An export names its files after clips, so an imported clip is known by its source's name, or by its very bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.core.run import RunFolder, open_run
from jobs.core.uses import imports_of
from jobs.trace.sightings import Sighting, find_sightings
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


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What a run folder has of the clips of another, having imported them, or imported a run folder that had."""

    folder: str
    """The run folder."""
    clips: tuple[str, ...]
    """Ids of the clips there."""


def find_elsewhere(
    run: RunFolder, imports: Iterable[Imported], within: tuple[str, ...] = ()
) -> list[Elsewhere]:
    """Every run folder that the clips of ``imports``, of ``run``, came to over however many imports; each once."""
    from pipeline.shards.read import open_table

    found: list[Elsewhere] = []
    for each in imports:
        there, known = open_run(each.folder), (*within, str(run), *(e.folder for e in found))
        if any(location(name).absolute() == there.path.absolute() for name in known):
            continue
        if not matching(there.manifest):
            continue
        words = set(each.words)
        rows = [
            row
            for row in open_table(
                there.manifest, [s.CLIP_ID, s.SOURCE_ID, s.VIDEO_XXH3]
            ).to_pylist()
            if row[s.CLIP_ID] in words or row[s.SOURCE_ID] in words
        ]
        ids = [row[s.CLIP_ID] for row in rows]
        found.append(Elsewhere(folder=each.folder, clips=tuple(ids)))
        further = find_imports(there, ids, [row[s.VIDEO_XXH3] for row in rows])
        found += find_elsewhere(there, further, known)
    return list({each.folder: each for each in found}.values())


def all_sightings(
    run: RunFolder, clips: Collection[str], elsewhere: Iterable[Elsewhere], more: Iterable[Path]
) -> list[Sighting]:
    """What each training saw of the clips, on the run folder or where they came to."""
    found = find_sightings(run, clips, more)
    for each in elsewhere:
        found += find_sightings(open_run(each.folder), each.clips)
    return list({each.folder: each for each in found}.values())


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
