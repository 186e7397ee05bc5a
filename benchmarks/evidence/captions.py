"""Dense captions against short ones and against what the web says: which DiT draws what it is told?

    python -m benchmarks.evidence.captions --scratch runs/evidence

Betker et al. 2023 ("Improving Image Generation with Better Captions", section 3) find that training on descriptive
synthetic captions makes images follow their prompts better. Three DiTs on the same pictures and steps, all prompted
with dense captions of held-out scenes. The web's texts are made up: file names and slogans, of which some name a
colour or a shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.evidence.runs import HEAD, SIDE, arguments, compare, write_shards
from pipeline import schema as s
from pipeline.world.captions import parse_caption

WEB = (
    "IMG_{n:04d}.jpg",
    "wallpaper hd free download",
    "screenshot {n}",
    "art print, fast delivery",
    "untitled {n}",
)


def short(row: dict[str, Any], index: int) -> dict[str, Any]:
    """The short caption where the dense one was."""
    return {**row, s.CAPTION_DENSE: row[s.CAPTION_SHORT]}


def web(row: dict[str, Any], index: int) -> dict[str, Any]:
    """What might stand beside a picture on the web; a third name the colour of an object, a third its shape."""
    rng = np.random.default_rng([index, 0xEB])
    colour, shape, _ = parse_caption(row[s.CAPTION_DENSE]).objects[0]
    words = [str(rng.choice(WEB)).format(n=int(rng.integers(10_000)))]
    words += [name for name in (colour, shape) if rng.random() < 1 / 3]
    return {**row, s.CAPTION_DENSE: " ".join(words), s.CAPTION_SHORT: " ".join(words)}


def main() -> None:
    """Train the three, measure, print the table."""
    args = arguments(__doc__)
    kind: dict[str, Any] = {"seed": 31, "sizes": ((SIDE, SIDE),)}
    folders = {
        "dense": write_shards(args.scratch / "world", args.images, **kind),
        "short": write_shards(args.scratch / "short", args.images, edit=short, **kind),
        "web": write_shards(args.scratch / "web", args.images, edit=web, **kind),
    }
    print(HEAD)
    compare("captions", folders, args)


if __name__ == "__main__":
    main()
