"""How good a CLIP model is on the synthetic world: retrieval among held-out scenes, concept scores on junk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.openclip.model import OpenClipModel
from pipeline.scores.concepts import ConceptScorer
from pipeline.world.captions import caption
from pipeline.world.junk import junk_shot
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene

SIZES = ((160, 90), (128, 128), (90, 160), (192, 112))
"""Width x height of the rendered clips, in turn: larger than, and mostly not the shape of, the training renders."""
FPS = 8.0
EVAL_SEED = 50_000_000
"""First scene seed of evaluations."""


def evaluation_clip(seed: int, *, split: str, frames: int) -> tuple[np.ndarray, Scene]:
    """(frames (T, H, W, 3) spaced over the shot, scene) of an evaluation scene."""
    scene = random_scene(seed, split=split)
    width, height = SIZES[seed % len(SIZES)]
    count = int(scene.duration_s * FPS)
    chosen = [int((i + 0.5) * count / frames) for i in range(frames)]
    shot = render(scene, width=width, height=height, fps=FPS, n_frames=count, picked=chosen)
    return shot, scene


def retrieval(
    model: OpenClipModel,
    *,
    galleries: int = 5,
    size: int = 100,
    split: str = "heldout",
    kinds: Sequence[str] = ("dense", "short"),
    frames: int = 8,
    note: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Text to clip top-1 in [0, 1], by caption kind, averaged over disjoint galleries; also their standard deviation.

    A hit needs the caption's own clip first. Short captions do not identify a clip, so theirs is a lower figure.
    """
    hits: dict[str, list[float]] = {kind: [] for kind in kinds}
    for g in range(galleries):
        scenes, clips = [], []
        for i in range(size):
            shot, scene = evaluation_clip(EVAL_SEED + g * size + i, split=split, frames=frames)
            clips.append(model.embed_clip(shot))
            scenes.append(scene)
            if note is not None:
                note(1)
        gallery = np.stack(clips)
        for kind in kinds:
            said = model.embed_texts([caption(scene, kind) for scene in scenes])
            best = (said @ gallery.T).argmax(axis=1)
            hits[kind].append(float((best == np.arange(size)).mean()))
    out = {f"{kind}_top1": float(np.mean(v)) for kind, v in hits.items()}
    return out | {f"{kind}_top1_std": float(np.std(v)) for kind, v in hits.items()}


def concept_quality(
    model: OpenClipModel,
    concepts: Mapping[str, Sequence[str]],
    neutral: Sequence[str],
    junk: Mapping[str, Sequence[str]],
    *,
    n: int = 100,
    frames: int = 4,
) -> dict[str, dict[str, float]]:
    """Per concept of ``junk`` (concept -> junk kinds that show it), over ``n`` shots each of junk and of clean footage:
    area under the ROC curve, and the share of either that scores above 0.5.
    """
    scorer = ConceptScorer(model, concepts, neutral)
    clean = np.stack(
        [
            model.embed_clip(evaluation_clip(EVAL_SEED + i, split="heldout", frames=frames)[0])
            for i in range(n)
        ]
    )
    out: dict[str, dict[str, float]] = {}
    for concept, kinds in junk.items():
        shots = []
        for i in range(n):
            width, height = SIZES[i % len(SIZES)]
            seed = EVAL_SEED + 10_000 + i
            shot = junk_shot(
                kinds[i % len(kinds)],
                random_scene(seed, split="heldout"),
                width=width, height=height, fps=FPS, n_frames=frames, seed=seed,
            )  # fmt: skip
            shots.append(model.embed_clip(shot))
        bad, good = scorer(np.stack(shots))[concept], scorer(clean)[concept]
        above = (bad[:, None] > good[None, :]).mean() + 0.5 * (bad[:, None] == good[None, :]).mean()
        out[concept] = {
            "auc": float(above),
            "junk_above_half": float((bad > 0.5).mean()),
            "clean_above_half": float((good > 0.5).mean()),
        }
    return out
