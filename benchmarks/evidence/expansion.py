"""What expansion buys: videos of the embedded DiT for short prompts as they are, expanded, and for the dense captions.

    python -m benchmarks.evidence.expansion --scratch runs/evidence

Betker et al. 2023 ("Improving Image Generation with Better Captions", section 4) expand short prompts into the style
of the training captions. Three draws of held-out scenes of one object. Expanded prompts place, size and light the
object as they like; colour, shape and motion are the prompt's, and those are judged, in every frame. Nothing is trained
here: whether style or description does it, ``captions`` tells, where one arm trains on short captions, too.
"""

from __future__ import annotations

import json

from benchmarks.evidence.runs import FPS, Plan, plan
from benchmarks.evidence.tables import difference, dots, keep, table
from pipeline.store.atomic import write_bytes
from pipeline.world.captions import caption

KEYS = ("colour", "shape", "motion")


def run(told: Plan) -> None:
    """Generate, judge, print the table."""
    from jobs.core.models import load_dit_at, load_vae_for
    from jobs.generate.adherence import Args, draw_scenes, generate, score
    from jobs.generate.expand import expand_or_refuse

    names = ("short", "expanded", "dense")
    arms: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    loaded = load_dit_at("embedded")
    for seed in range(told.seeds):
        args = Args(prompts=told.prompts, seed=1 + seed, max_objects=1)
        scenes = draw_scenes(args)
        vae = load_vae_for(loaded.latents, args.vae)
        folder = told.scratch / f"expansion-{loaded.id[:12]}-{told.prompts}-{seed}"
        for name in names:
            kept = folder / f"{name}.json"
            if not kept.exists():
                kind = "dense" if name == "dense" else "short"
                texts = [caption(scene, kind) for scene in scenes]
                texts = expand_or_refuse(texts) if name == "expanded" else texts
                found = score(scenes, generate(args, loaded, vae, texts), FPS)
                write_bytes(kept, (json.dumps(found, indent=1) + "\n").encode())
            arms[name].append(json.loads(kept.read_text()))
    lines = [
        table(arms, KEYS),
        *(difference(arms, "expanded", "short", key) for key in KEYS),
        *(difference(arms, "dense", "expanded", key) for key in KEYS),
    ]
    keep(
        told.scratch,
        "expansion",
        "\n".join(lines),
        dots("Objects right throughout, by prompt", arms, KEYS),
        arms,
    )


if __name__ == "__main__":
    run(plan(__doc__))
