"""Dense captions against short ones and the web's: which DiT draws what it is told, asked in which words?

    python -m benchmarks.evidence.captions --scratch runs/evidence

Betker et al. 2023 ("Improving Image Generation with Better Captions", sections 3 and 4) find that training on
descriptive synthetic captions makes images follow their prompts better, and that short prompts must be expanded into
the captions' style. Four DiTs on the same pictures and steps, trained on dense captions, on short ones, on both, and on
what might stand beside a picture on the web (made up: file names and slogans, of which some name a colour or a shape).

Each is asked for the same held-out scenes in its own style, and in the others', so that a style which training never
showed is not taken for a poor caption. Colour and shape are judged, which every style can name; the web's texts name
one of them now and then, so what it can show is small by construction.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.evidence.runs import (
    Plan,
    Row,
    Style,
    dense,
    outcome,
    plan,
    save_sheet,
    train,
    world,
    world_rows,
    write_shards,
)
from benchmarks.evidence.tables import difference, dots, keep, table
from pipeline import schema as s
from pipeline.world.captions import caption, parse_caption
from pipeline.world.scene import Scene

WEB = (
    "IMG_{n:04d}.jpg",
    "wallpaper hd free download",
    "screenshot {n}",
    "art print, fast delivery",
    "untitled {n}",
)


def web_text(description: str, index: int) -> str:
    """What might stand beside a picture on the web; a third name the colour of the object, a third its shape."""
    rng = np.random.default_rng([index, 0xEB])
    colour, shape, _ = parse_caption(description).objects[0]
    words = [str(rng.choice(WEB)).format(n=int(rng.integers(10_000)))]
    return " ".join([*words, *(name for name in (colour, shape) if rng.random() < 1 / 3)])


def web_rows(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with the web's texts in place of the dense captions."""
    for index, row in enumerate(rows):
        yield {**row, s.CAPTION_DENSE: web_text(row[s.CAPTION_DENSE], index)}


def short(scene: Scene, index: int) -> str:
    """The short caption of a scene."""
    return caption(scene, "short", still=True)


def expanded(scene: Scene, index: int) -> str:
    """The short caption, expanded by the embedded expander."""
    from jobs.generate.expand import expand_or_refuse

    return expand_or_refuse([short(scene, index)])[0]


def web(scene: Scene, index: int) -> str:
    """What might stand beside a picture of the scene on the web."""
    return web_text(dense(scene, index), 1_000_000 + index)


ARMS: dict[str, tuple[str, tuple[str, ...], dict[str, Style]]] = {
    "dense": ("world", ("dense",), {"dense": dense, "short": short, "expanded": expanded}),
    "short": ("world", ("short",), {"short": short, "dense": dense}),
    "both": ("world", ("dense", "short"), {"dense": dense, "short": short, "expanded": expanded}),
    "web": ("web", ("dense",), {"web": web, "dense": dense}),
}
"""Trained on -> its set, the kinds of captions drawn from it, and the prompts it is asked."""


def run(told: Plan) -> None:
    """Train the four, ask each in several styles, print the table."""
    config = world(told.images, seed=31)
    write_shards(told.scratch / "world", world_rows(config))
    write_shards(told.scratch / "web", web_rows(world_rows(config)))
    arms: dict[str, list[dict[str, float]]] = {}
    outs = []
    for seed in range(told.seeds):
        for trained, (folder, kinds, styles) in ARMS.items():
            name = f"captions-{trained}-{told.steps}-{seed}"
            out = train(
                told.scratch / folder, told.scratch / name, told.steps, seed=seed, kinds=kinds
            )
            for asked, style in styles.items():
                found = outcome(out, told, seed=seed, style=style, name=asked)
                arms.setdefault(f"{trained}, asked {asked}", []).append(found)
                outs += [out / f"outcome-{asked}.png"] if seed == 0 else []
    lines = [
        table(arms, ("colour", "shape")),
        *(
            difference(arms, one, other, mark)
            for mark in ("colour", "shape")
            for one, other in (
                ("dense, asked dense", "short, asked short"),
                ("dense, asked dense", "web, asked web"),
                ("dense, asked expanded", "dense, asked short"),
                ("both, asked expanded", "both, asked short"),
            )
        ),
    ]
    keep(
        told.scratch,
        "captions",
        "\n".join(lines),
        dots("Trained on, asked: colours and shapes right", arms, ("colour", "shape")),
        arms,
    )
    save_sheet(told.scratch / "captions.png", outs)


if __name__ == "__main__":
    run(plan(__doc__))
