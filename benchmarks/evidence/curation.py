"""Curated against raw: the same number of steps on clips without junk, and on a mixture that holds two fifths of it.

    python -m benchmarks.evidence.curation --scratch runs/evidence

Junk is black, blurred, covered by text, letterboxed, or one of twenty pictures over and over, under a caption that
describes the scene all the same, as captions of the web do. Curated is the same set without it, by the world's truth:
what `filmstock select` finds of it is another measurement (`make demo` prints it).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.evidence.runs import (
    FPS,
    SIDE,
    outcome,
    parts,
    save_sheet,
    train,
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--prompts", type=int, default=200)
    args = parser.parse_args()
    kind: dict[str, Any] = {"seed": SEED, "sizes": ((SIDE, SIDE),)}
    kept = sum(not each for each in parts(args.images, SHARES, SEED))
    folders = {
        "raw": write_shards(args.scratch / "raw", args.images, edit=spoil(args.images), **kind),
        "curated": write_shards(args.scratch / "curated", kept, **kind),
    }
    sheets = {}
    print(f"{'data':<10} {'clips':>6} {'colour':>8} {'shape':>8} {'all shapes':>11}")
    for name, folder in folders.items():
        out = train(folder, args.scratch / f"{name}-{args.steps}", args.steps)
        found = outcome(out, prompts=args.prompts)
        sheets[name] = found.images[:12]
        marks = found.marks
        n = args.images if name == "raw" else kept
        print(
            f"{name:<10} {n:6} {marks['colour']:8.1%} {marks['shape']:8.1%} {marks['all_shape']:11.1%}",
            flush=True,
        )
    save_sheet(args.scratch / "curation.png", sheets)
    print(f"look at {args.scratch / 'curation.png'}")


if __name__ == "__main__":
    main()
