"""What expansion buys: videos for short prompts as they are, expanded, and for the true dense captions, judged.

    python -m benchmarks.expand_adherence --prompts 100

The embedded DiT, trained on 95 % dense captions, draws held-out scenes of one object. Expanded prompts place, size and
light the object as they like; colour, shape and motion are the prompt's, and those are what the judge looks for.
"""

from __future__ import annotations

import argparse

from jobs.core.models import load_dit_at, load_vae_for
from jobs.generate.adherence import Args, draw_scenes, generate, score
from jobs.generate.expand import expand_or_refuse
from pipeline.world.captions import caption
from pipeline.world.figures import OBJECT_MARKS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dit", default="embedded")
    given = parser.parse_args()
    args = Args(prompts=given.prompts, seed=given.seed, max_objects=1)
    scenes = draw_scenes(args)
    short = [caption(scene, "short") for scene in scenes]
    texts = {
        "short": short,
        "expanded": expand_or_refuse(short),
        "dense, true": [caption(scene, "dense") for scene in scenes],
    }
    loaded = load_dit_at(given.dit)
    vae = load_vae_for(loaded.latents, args.vae)
    print(f"{'prompt':<12} " + "".join(f"{mark:>9}" for mark in OBJECT_MARKS))
    for name, prompts in texts.items():
        videos = generate(args, loaded, vae, prompts)
        marks = score(scenes, videos, args.fps)
        print(f"{name:<12} " + "".join(f"{marks[mark]:9.1%}" for mark in OBJECT_MARKS), flush=True)


if __name__ == "__main__":
    main()
