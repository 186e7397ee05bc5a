"""Base -> short and base -> dense on the synthetic world: what two fine-tunings from one captioner say that is true.

The base is what captioners of the web are: it was shown clips with alt texts that mention one or two things in passing.
It has the embedded captioner's vision tower and projector (trained on the world's truth, frozen here) and a language
model trained here from random weights on nothing but alt texts. From it ``captioner.train.finetune``, the code behind
``filmstock train-captioner``, learns short captions, dense captions, and dense captions by LoRA, each from a small set
of clips that has at most two objects and never shows some colours and a shape.

Scenes to be described are new, in three sets: words and layouts as in the small set; words that it never held (the base
met them in alt texts); three objects, which it never held. Beside every score two floors: the same captions held
against another clip's truth, which is what the right style scores without eyes, and the model over grey frames.

    python -m benchmarks.captioner_finetune --scratch runs/finetune
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.caption_scores import Scores, score, word_recall
from benchmarks.captioner_world import by_attribute
from captioner.ask.frames import clip_frames, from_pixels
from captioner.ask.prompts import WORLD_PROMPTS, fill
from captioner.backends.base import Request
from captioner.backends.embedded import export
from captioner.backends.open import open_backend
from captioner.backends.transformers import load_model
from captioner.config import CaptionConfig
from captioner.train.examples import TrainingExample, examples_of, shard_texts
from captioner.train.finetune import STATE_NAME, TuneConfig, finetune
from captioner.train.optim import make_optimizers
from captioner.train.reply_loss import caption_loss, visual_tokens
from captioner.train.world_data import Example, WorldPool, augment
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.shards.read import open_manifest
from pipeline.shards.write import ShardWriter
from pipeline.tables import shards_schema
from pipeline.training.compute import bf16_is_faster
from pipeline.world.captions import attributes, parse_caption
from pipeline.world.clips import WorldConfig, world_row, world_scene
from pipeline.world.scene import Scene

HELD_OUT = {"pink", "green", "diamond"}
"""Colours and a shape that the clips to fine-tune on never show."""
FRAMES = 4
"""Frames shown of a clip, in training and after."""
RUNS = {
    "short": TuneConfig(kind="short", lr=1e-3, steps=800),
    "dense": TuneConfig(kind="dense", lr=1e-3, steps=700),
    "dense, LoRA 16": TuneConfig(kind="dense", lr=4e-3, steps=700, lora_rank=16),
}
"""The fine-tunings, each from the base."""


@dataclass(frozen=True, kw_only=True)
class AltExample(Example):
    """A clip with an alt text for a caption."""

    draw: int
    """Which of its possible alt texts."""

    def text(self, kind: str) -> str:
        """The alt text, whatever was asked."""
        return alt_text(self.scene, np.random.default_rng(self.draw))


def alt_text(scene: Scene, rng: np.random.Generator) -> str:
    """One or two things about a clip, as somebody who uploads it would write."""
    actions = {
        "still": "{} that stays still",
        "left": "{} moving left",
        "right": "{} moving right",
        "up": "{} moving up",
        "down": "{} moving down",
        "bounce_h": "{} bouncing from side to side",
        "bounce_v": "{} bouncing up and down",
    }
    facts = []
    for obj in scene.objects:
        name = f"{obj.colour} {obj.shape}"
        facts += [name, f"{obj.size} {name}", actions[obj.motion].format(name)]
    facts += [f"{scene.background} background", f"{scene.texture} texture"]
    if scene.camera != "static":
        verb, _, way = scene.camera.partition("_")
        facts.append(f"camera {verb}s {way}")
    if scene.light != "even":
        facts.append(f"light from the {scene.light}")
    count = 1 + int(rng.random() < 0.5)
    picked = [facts[i] for i in rng.choice(len(facts), count, replace=False)]
    noise = ("", "", "stock video", "free clip", "hd")[int(rng.integers(5))]
    return ", ".join([*picked, *([noise] if noise else [])])


def build_base(folder: Path, *, steps: int, pool: int, batch: int = 16, lr: float = 2e-3) -> None:
    """Train a language model from nothing on alt texts, over the embedded captioner's frozen vision; write a folder."""
    import torch

    processor, model = load_model("embedded")
    torch.manual_seed(0)
    core = model.model
    # A Llama: matrices, and the scales of its norms; the output layer is the embedding.
    with torch.no_grad():
        for parameter in core.language_model.parameters():
            parameter.normal_(0.0, 0.02) if parameter.ndim > 1 else parameter.fill_(1.0)
    for part in (core.vision_tower, core.multi_modal_projector):
        part.requires_grad_(False)
    model.set_attn_implementation("eager")
    scenes = WorldPool(folder.parent / "pool", pool)
    optimizers = make_optimizers(core, torch.nn.ModuleList(), lr)
    losses = []
    for step in range(steps):
        rng = np.random.default_rng([11, step])
        examples = []
        for i in rng.integers(pool, size=batch):
            seen = augment(scenes[int(i)], rng)
            seen = replace(seen, images=seen.images[1::2], times_s=seen.times_s[1::2])
            examples.append(AltExample(**vars(seen), draw=int(rng.integers(1 << 30))))
        kinds = ["short" if rng.random() < 0.5 else "dense" for _ in examples]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_faster()):
            with torch.no_grad():
                seen_tokens = visual_tokens(model, np.concatenate([e.images for e in examples]))
            tokens = list(seen_tokens.view(batch, -1, *seen_tokens.shape[1:]))
            loss, _ = caption_loss(model, processor.tokenizer, examples, kinds, tokens)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(core.language_model.parameters(), 1.0)
        rate = min(1.0, (step + 1) / 30) * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * step / steps)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step % 50 == 49:
            print(f"base: step {step + 1}/{steps}, loss {np.mean(losses[-50:]):.3f}", flush=True)
    export(model, processor, folder)


def may_teach(scene: Scene) -> bool:
    """Whether a scene may be in the small set."""
    return len(scene.objects) <= 2 and not shown_words(scene) & HELD_OUT


def shown_words(scene: Scene) -> set[str]:
    """Colours and shapes in a scene."""
    return {word for obj in scene.objects for word in (obj.colour, obj.shape)}


def small_set(folder: Path, clips: int) -> Path:
    """Shards of ``clips`` scenes that may be taught, with true short and dense captions."""
    config = WorldConfig(seed=5, split="train", image_share=0.0, max_objects=2)
    if not manifest_of(folder).exists():
        with ShardWriter(folder, shards_schema(), overwrite=True) as writer:
            index = added = 0
            while added < clips:
                if may_teach(world_scene(config, index)[0]):
                    writer.add(world_row(config, index))
                    added += 1
                index += 1
    return folder


def read_examples(folder: Path, kind: str) -> list[TrainingExample]:
    """The small set with captions of ``kind``."""
    manifest = open_manifest(folder)
    texts = shard_texts(manifest, kind)
    rows = manifest.table.select(list(s.READ_COLUMNS)).to_pylist()
    return examples_of(rows, texts, lambda row: manifest.root)


def folder(scratch: Path, name: str) -> Path:
    """Where a fine-tuning lies."""
    return scratch / name.replace(", ", "-").replace(" ", "-")


def tune(name: str, base: Path, shards: Path, out: Path) -> None:
    """One of the fine-tunings from the base; one that was stopped goes on."""
    config = replace(RUNS[name], model=str(base), frames=FRAMES, batch=8, micro_batch=8)
    figures = finetune(
        config,
        read_examples(shards, config.kind),
        out,
        resume=(out / STATE_NAME).exists(),
        report=lambda row: print(name, json.dumps(row), flush=True),
    )
    print(name, json.dumps({**asdict(config), **figures}), flush=True)


def test_sets(count: int) -> dict[str, list[tuple[Scene, dict]]]:
    """Name -> new scenes with their clips: as taught, held-out words, three objects."""
    config = WorldConfig(seed=6, split="heldout", image_share=0.0)
    sets: dict[str, list] = {"as taught": [], "held-out words": [], "three objects": []}
    index = 0
    while any(len(found) < count for found in sets.values()):
        scene = world_scene(config, index)[0]
        held, many = bool(shown_words(scene) & HELD_OUT), len(scene.objects) > 2
        name = {
            (False, False): "as taught",
            (True, False): "held-out words",
            (False, True): "three objects",
        }.get((held, many))
        if name and len(sets[name]) < count:
            sets[name].append((scene, world_row(config, index)))
        index += 1
    return sets


def describe(model: Path, kind: str, clips: list[dict], *, grey: bool = False) -> list[str]:
    """What a model says about clips, along the path of ``filmstock caption``."""
    config = CaptionConfig(model=str(model), frames=FRAMES, max_new_tokens=128)
    requests = []
    for i, row in enumerate(clips):
        shape = {name: row[name] for name in ("n_frames", "fps", "width", "height")}
        frames = clip_frames(row[s.VIDEO], **shape, frames=FRAMES, side=config.frame_side)
        if grey:
            frames = from_pixels(np.full_like(frames.images, 128), frames.seconds)
        prompt = fill(WORLD_PROMPTS[kind], frames=len(frames), seconds=frames.seconds)
        requests.append(Request(clip_id=str(i), kind=kind, frames=frames, prompt=prompt))
    backend = open_backend(config)
    said = {reply.clip_id: reply.text or "" for reply in backend.caption(requests)}
    return [said[str(i)] for i in range(len(clips))]


def lines(name: str, kind: str, model: Path, sets: dict) -> list[str]:
    """Rows of the table for one model."""
    rows = []
    for title, found in sets.items():
        scenes, clips = [scene for scene, _ in found], [row for _, row in found]
        said, grey = describe(model, kind, clips), describe(model, kind, clips, grey=True)
        real = score(said, scenes, kind)
        other = score(said, scenes[1:] + scenes[:1], kind)
        none = score(grey, scenes, kind)
        words = word_recall(said, scenes, HELD_OUT) if "words" in title else None
        rows.append(table_row([name, title], real, other, none, words))
        print(rows[-1], flush=True)
        pairs = [(parse_caption(x), attributes(y)) for x, y in zip(said, scenes, strict=True)]
        sorts = ", ".join(f"{sort} {f1:.2f}" for sort, f1 in by_attribute(pairs).items())
        print(f"  F1 against the whole scene: {sorts}; said: {said[0]}", flush=True)
    return rows


def table_row(
    names: list[str], real: Scores, other: Scores, grey: Scores, words: float | None
) -> str:
    """One row: each score, then in brackets what it is blind: over another clip, over grey frames."""
    cells = []
    for field, digits in (
        ("precision", 2),
        ("recall", 2),
        ("hallucinated", 2),
        ("bleu", 0),
        ("rouge_l", 2),
        ("cider", 1),
    ):
        value, *floors = (getattr(scores, field) for scores in (real, other, grey))
        cells.append(f"{value:.{digits}f} ({', '.join(f'{f:.{digits}f}' for f in floors)})")
    return f"| {' | '.join(names + cells)} | {'' if words is None else f'{words:.2f}'} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="models are kept here")
    parser.add_argument("--base-steps", type=int, default=1200)
    parser.add_argument("--pool", type=int, default=3000, help="scenes that have alt texts")
    parser.add_argument("--clips", type=int, default=2000, help="clips to fine-tune on")
    parser.add_argument("--scenes", type=int, default=100, help="scenes of each test set")
    parser.add_argument("--train", nargs="*", choices=RUNS, help="train these, describe nothing")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    began = time.process_time()

    def spent(what: str) -> None:
        nonlocal began
        print(f"{what}: {(time.process_time() - began) / 60:.1f} processor minutes", flush=True)
        began = time.process_time()

    base = args.scratch / "base"
    if not (base / "model.safetensors").exists():
        build_base(base, steps=args.base_steps, pool=args.pool)
        spent("base")
    shards = small_set(args.scratch / "small", args.clips)
    spent("clips to fine-tune on")
    for name in RUNS if args.train is None else args.train:
        if not (folder(args.scratch, name) / "weights").exists():
            tune(name, base, shards, folder(args.scratch, name))
            spent(name)
    if args.train is not None:
        return
    sets = test_sets(args.scenes)
    table = [
        "| captioner | scenes | precision | recall | hallucinated | BLEU-4 | ROUGE-L | CIDEr-D | held-out words said |",
        "|---|---|---|---|---|---|---|---|---|",
        *lines("base, asked short", "short", base, sets),
        *lines("base, asked dense", "dense", base, sets),
    ]
    for name, run in RUNS.items():
        table += lines(name, run.kind, folder(args.scratch, name) / "weights", sets)
    spent("descriptions")
    print("\n".join(table))


if __name__ == "__main__":
    main()
