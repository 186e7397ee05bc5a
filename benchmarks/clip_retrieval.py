"""CLIP on held-out scenes of the synthetic world: text to clip retrieval, and concept scores against junk shots.

    python benchmarks/clip_retrieval.py                     # the embedded model
    python benchmarks/clip_retrieval.py --model runs/clip/model --split novel --galleries 10

Prints one JSON object; retrieval is top-1 among ``--size`` clips, averaged over ``--galleries`` disjoint galleries.
Scenes come from the ``heldout`` split (same vocabulary as training, other scenes) or ``novel`` (colour-shape and
shape-motion pairs that training never shows).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

JUNK = {"text": ("text",), "blank": ("black",), "blur": ("blurred",)}
"""Concept -> the kinds of junk shot that show it."""


def main() -> None:
    """Measure and print."""
    from pipeline.config import OpenClipConfig
    from pipeline.openclip.evaluate import concept_quality, retrieval
    from pipeline.openclip.model import load_openclip

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--model", default="embedded", help="embedded, ARCHITECTURE/PRETRAINED, or a folder"
    )
    parser.add_argument("--split", default="heldout", choices=("heldout", "novel"))
    parser.add_argument("--galleries", type=int, default=5)
    parser.add_argument("--size", type=int, default=100, help="clips in a gallery")
    parser.add_argument("--junk", type=int, default=100, help="junk shots per concept")
    args = parser.parse_args()

    start = time.monotonic()
    model = load_openclip(args.model)
    settings = OpenClipConfig()
    concepts = {name: settings.concepts[name] for name in JUNK if name in settings.concepts}
    figures = {
        "model": args.model,
        "id": model.id,
        "split": args.split,
        "galleries": args.galleries,
        "size": args.size,
        "retrieval": retrieval(model, galleries=args.galleries, size=args.size, split=args.split),
        "concepts": concept_quality(
            model, concepts, settings.neutral, {name: JUNK[name] for name in concepts}, n=args.junk
        ),
    }
    figures["seconds"] = round(time.monotonic() - start, 1)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
