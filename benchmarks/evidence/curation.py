"""Curated against raw: the same number of steps on clips without junk, and on a mixture that holds two fifths of it.

    python -m benchmarks.evidence.curation --scratch runs/evidence

Junk is black, blurred, covered by text, letterboxed, or one of twenty pictures over and over, under a caption that
describes the scene all the same, as captions of the web do. Curated is the same set without it, by the world's truth:
what `filmstock select` finds of it is another measurement (`make demo` prints it).
"""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.runs import (
    FPS,
    HEAD,
    SIDE,
    arguments,
    compare,
    parts,
    with_frame,
    write_shards,
)
from pipeline.world.clips import WorldConfig, world_scene
from pipeline.world.junk import junk_shot

SHARES = {
    "": 0.6,
    "black": 0.08,
    "blurred": 0.08,
    "text": 0.08,
    "letterbox": 0.08,
    "duplicate": 0.08,
}
REPEATED = 20
"""Pictures that the duplicates repeat."""
SEED = 41


def spoil(n: int) -> Any:
    """Edits that turn two fifths of ``n`` rows into junk."""
    kinds = list(parts(n, SHARES, SEED))
    config = WorldConfig(clips=n, seed=SEED, sizes=((SIDE, SIDE),), frames=1)

    def edit(row: dict[str, Any], index: int) -> dict[str, Any]:
        kind = kinds[index]
        if not kind:
            return row
        scene, _, _ = world_scene(config, index % REPEATED if kind == "duplicate" else index)
        frames = junk_shot(kind, scene, width=SIDE, height=SIDE, fps=FPS, n_frames=1, seed=index)
        return with_frame(row, frames[0])

    return edit


def main() -> None:
    """Train both, measure, print the table."""
    args = arguments(__doc__)
    kind: dict[str, Any] = {"seed": SEED, "sizes": ((SIDE, SIDE),)}
    kept = sum(not each for each in parts(args.images, SHARES, SEED))
    folders = {
        f"raw, {args.images}": write_shards(
            args.scratch / "raw", args.images, edit=spoil(args.images), **kind
        ),
        f"curated, {kept}": write_shards(args.scratch / "curated", kept, **kind),
    }
    print(HEAD)
    compare("curation", folders, args)


if __name__ == "__main__":
    main()
