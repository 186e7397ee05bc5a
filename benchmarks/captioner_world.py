"""How true the embedded captioner's captions are, on held-out scenes, along the path that ``filmstock caption`` takes.

Each scene is rendered at a video's size, encoded to H.264, decoded to the frames that every backend gets, and
described. Beside each score stands the blind floor: the same model with the frames greyed out.

    python benchmarks/captioner_world.py --scenes 240
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from captioner.ask.frames import clip_frames, from_pixels
from captioner.ask.prompts import fill, prompt_set
from captioner.backends.base import Request
from captioner.backends.open import open_backend
from captioner.check.checks import judge_reply
from captioner.config import CaptionConfig
from pipeline.video.encode import encode_mp4
from pipeline.world.captions import (
    Attributes,
    attribute_f1,
    attribute_items,
    attributes,
    caption,
    parse_caption,
)
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene

SIZES = ((192, 128), (160, 90), (128, 128), (96, 160), (64, 64), (80, 48), (48, 80), (112, 80))
"""(width, height) of the clips, in turn."""
FPS = 12.0


def requests_for(scenes: list[Scene], config: CaptionConfig, blind: bool) -> list[Request]:
    """Short and dense requests for each scene, encoded and decoded as a clip is."""
    prompts = prompt_set(config.model, config.prompts)
    requests = []
    for i, scene in enumerate(scenes):
        width, height = SIZES[i % len(SIZES)]
        n = round(scene.duration_s * FPS)
        clip = encode_mp4(render(scene, width=width, height=height, fps=FPS, n_frames=n), FPS)
        frames = clip_frames(
            clip,
            n_frames=n,
            fps=FPS,
            width=width,
            height=height,
            frames=config.frames,
            side=config.frame_side,
        )
        if blind:
            frames = from_pixels(np.full_like(frames.images, 128), frames.seconds)
        for kind in ("short", "dense"):
            prompt = fill(prompts[kind], frames=len(frames.images), seconds=frames.seconds)
            requests.append(Request(clip_id=str(i), kind=kind, frames=frames, prompt=prompt))
    return requests


def by_attribute(pairs: list[tuple[Attributes, Attributes]]) -> dict[str, float]:
    """F1 of each sort of statement."""
    scores = {}
    for sort in ("object", "colour", "motion", "camera"):
        right = said = true = 0
        for predicted, truth in pairs:
            p = {item for item in attribute_items(predicted) if item[0] == sort}
            t = {item for item in attribute_items(truth) if item[0] == sort}
            right, said, true = right + len(p & t), said + len(p), true + len(t)
        scores[sort] = 2 * right / max(1, said + true)
    return scores


def measure(config: CaptionConfig, split: str, count: int, blind: bool, show: int) -> None:
    """Print the scores of one split."""
    scenes = [random_scene(seed, split=split) for seed in range(count)]
    requests = requests_for(scenes, config, blind)
    backend = open_backend(config)
    began = time.perf_counter()
    replies = list(backend.caption(requests))
    took = time.perf_counter() - began
    dense, short, exact, bad = [], 0, 0, 0
    for reply in replies:
        scene = scenes[int(reply.clip_id)]
        bad += judge_reply(reply.text, finish=reply.finish, error=reply.error).outcome != "ok"
        if reply.kind == "dense":
            dense.append((parse_caption(reply.text or ""), attributes(scene)))
            exact += reply.text == caption(scene, "dense")
        else:
            short += reply.text == caption(scene, "short")
    name = f"{split}{', blind' if blind else ''}"
    parts = ", ".join(f"{sort} {score:.3f}" for sort, score in by_attribute(dense).items())
    ground = np.mean([(p.background, p.texture) == (t.background, t.texture) for p, t in dense])
    print(
        f"{name}: {count} scenes, dense attribute F1 {attribute_f1(dense):.3f} ({parts}); "
        f"background and texture {ground:.3f}; whole dense caption right {exact / count:.3f}; "
        f"whole short caption right {short / count:.3f}; outcomes not ok {bad} of {len(replies)}; "
        f"{len(replies) / took:.1f} captions/s"
    )
    for reply in [r for r in replies if r.kind == "dense"][:show]:
        print(f"  said: {reply.text}\n  true: {caption(scenes[int(reply.clip_id)], 'dense')}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=240)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--splits", nargs="+", default=["heldout", "novel"])
    parser.add_argument("--show", type=int, default=0, help="captions to print beside the truth")
    parser.add_argument("--no-blind", action="store_true")
    args = parser.parse_args()
    # The world's prompts whatever the model is called, so that checkpoints of a training can be compared.
    config = CaptionConfig(model=args.model, max_new_tokens=128, prompts=prompt_set("embedded"))
    for split in args.splits:
        measure(config, split, args.scenes, blind=False, show=args.show)
    if not args.no_blind:
        measure(config, "heldout", args.scenes, blind=True, show=0)


if __name__ == "__main__":
    main()
