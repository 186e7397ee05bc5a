"""Fine-tuning the embedded DiT on a shape it has never seen, all weights and LoRA: learned, and are the old ones kept?

    python -m benchmarks.new_shape

The world gets a seventh shape here, a star. No model has seen one: neither DiT nor VAE nor the text encoder, which has
not met the word. A user's own shards hold stars (single images of 64x64) and, against forgetting, as many of the old
shapes (``--old 0`` shows what happens without). The real commands encode them (``jobs.shards.encode``) and
fine-tune on them:
``train-dit --init embedded``, then with adapters. Images of held-out scenes with a star, and with the six old shapes,
are generated and judged. One core. Exit code 1 unless an arm learns the star (80 % judged right) and keeps the old ones
within 5 points.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.world import render as rendering
from pipeline.world import scene as scenes

STAR = "star"
_known_distance = rendering.signed_distance


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The renderer's, and that of a five-pointed star with one point up."""
    if shape != STAR:
        return _known_distance(shape, x, y, r)
    sector = np.float32(np.pi / 5)
    length = np.hypot(x, y)
    angle = np.abs(np.mod(np.arctan2(x, -y) + sector, 2 * sector) - sector)
    outer, inner = np.float32(1.15) * r, np.float32(0.5) * r
    ex, ey = inner * np.cos(sector) - outer, inner * np.sin(sector)
    px, py = length * np.cos(angle) - outer, length * np.sin(angle)
    return (ex * py - ey * px) / np.hypot(ex, ey) * -1


# Before anything reads the six shapes: captions, judge and templates are made from them.
rendering.signed_distance = signed_distance
scenes.SHAPES = (*scenes.SHAPES, STAR)

from dit.config import SampleConfig  # noqa: E402
from dit.generation import generate  # noqa: E402
from jobs.core.models import load_dit_at, load_text_for, load_vae_for  # noqa: E402
from jobs.generate import adherence  # noqa: E402
from jobs.shards import encode  # noqa: E402
from jobs.train import dit as train_dit  # noqa: E402
from pipeline.config import EncodeConfig  # noqa: E402
from pipeline.shards.write import ShardWriter  # noqa: E402
from pipeline.tables import shards_schema  # noqa: E402
from pipeline.video.sheets import contact_sheet, png_bytes  # noqa: E402
from pipeline.world.captions import caption  # noqa: E402
from pipeline.world.clips import scene_row  # noqa: E402
from pipeline.world.scene import Scene, random_scene  # noqa: E402

SIZE = (64, 64)


def draw(split: str, count: int, first: int, *, star: bool) -> list[Scene]:
    """Scenes of one object: stars, or the old shapes alone."""
    found: list[Scene] = []
    seed = first
    while len(found) < count:
        scene = random_scene(seed, split=split, max_objects=1, duration_s=2.0)
        seed += 1
        (thing,) = scene.objects
        if star:
            found.append(
                dataclasses.replace(scene, objects=(dataclasses.replace(thing, shape=STAR),))
            )
        elif thing.shape != STAR:
            found.append(scene)
    return found


def write_shards(folder: Path, some: list[Scene]) -> None:
    """A user's shards: an image of each scene."""
    with ShardWriter(folder / "shards", shards_schema(), overwrite=True) as writer:
        for scene in some:
            writer.add(scene_row(scene, SIZE, 1))


def judged(dit: str, some: list[Scene], sheet: Path | None = None) -> dict[str, float]:
    """Shares of generated images of these scenes that are judged right, by colour and shape."""
    loaded = load_dit_at(dit)
    vae, text = load_vae_for(loaded.latents, "embedded"), load_text_for(loaded.latents, "embedded")
    captions = [caption(scene, "dense", still=True) for scene in some]
    images = generate(
        captions, dit=loaded, vae=vae, text_encoder=text, width=SIZE[0], height=SIZE[1],
        config=SampleConfig(frames=1, steps=20),
    )  # fmt: skip
    if sheet is not None:
        sheet.write_bytes(png_bytes(contact_sheet(images[:8], captions[:8])))
    return adherence.score(some, images, 8.0)


def drawn(some: list[Scene]) -> list[np.ndarray]:
    """The scenes as they are rendered."""
    return [rendering.render(x, width=64, height=64, fps=8.0, n_frames=1) for x in some]


def rendered(some: list[Scene]) -> dict[str, float]:
    """The same for the scenes as they are drawn: what the judge can see at best."""
    return adherence.score(some, drawn(some), 8.0)


def passed(some: list[Scene]) -> dict[str, float]:
    """The same after a trip through the VAE: what the DiT can reach at best."""
    from vae.loaded import load

    vae = load("embedded")
    there = [vae.encode(image[None])[0][0] for image in drawn(some)]
    return adherence.score(some, [vae.decode(z) for z in there], 8.0)


def main() -> int:
    """Fine-tune twice, judge, print a table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument(
        "--old", type=int, default=1500, help="clips of the old shapes to train on too"
    )
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--lr", default="1e-3", help="peak learning rate of all weights")
    parser.add_argument("--arms", nargs="+", default=["all", "lora"], choices=["all", "lora"])
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--work", type=Path, default=Path("runs/new_shape"))
    options = parser.parse_args()
    began = time.process_time()
    data = options.work / "set"
    old_clips = draw("train", options.old, 3 * 10**6, star=False)
    write_shards(data, [*draw("train", options.clips, 0, star=True), *old_clips])
    encode.run(EncodeConfig(), data, workers=1)
    new = draw("heldout", options.prompts, 10**6, star=True)
    old = draw("heldout", options.prompts, 2 * 10**6, star=False)
    rows: dict[str, dict[str, Any]] = {}
    print(
        f"{'':>10} {'star':>7} {'colour':>7} {'old shapes':>11} {'colour':>7} {'state.pt':>9}",
        flush=True,
    )

    def say(name: str, fresh: dict[str, float], kept: dict[str, float], size: str = "") -> None:
        rows[name] = {"star": fresh["shape"], "old": kept["shape"]}
        shares = [100 * x for x in (fresh["shape"], fresh["colour"], kept["shape"], kept["colour"])]
        print(
            f"{name:>10} {shares[0]:>6.1f}% {shares[1]:>6.1f}% {shares[2]:>10.1f}% {shares[3]:>6.1f}% {size:>9}",
            flush=True,
        )

    say("rendered", rendered(new), rendered(old))
    say("VAE", passed(new), passed(old))
    say("before", judged("embedded", new, options.work / "before.png"), judged("embedded", old))
    common = (
        f"{data} --init embedded --steps {options.steps} --tokens-per-pack 640 --sample-every 0 --eval-every 1000"
    ).split()
    for name in options.arms:
        more = ["--lora-rank", str(options.rank)] if name == "lora" else ["--lr", options.lr]
        out = options.work / name
        train_dit.main([*common, "--out", str(out), *more])
        size = f"{(out / 'state.pt').stat().st_size / 1e6:.1f} MB"
        fresh = judged(str(out), new, options.work / f"{name}.png")
        say(name, fresh, judged(str(out), old), size)
    print(f"{time.process_time() - began:.0f} s of processor time")
    good = [
        name
        for name in options.arms
        if rows[name]["star"] >= 0.8 and rows[name]["old"] >= rows["before"]["old"] - 0.05
    ]
    print(f"learned without losing: {', '.join(good) or 'neither'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
