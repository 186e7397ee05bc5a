"""The retrieval figure: 1 for a model that knows the answer, about chance for one that knows nothing."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.config import OpenClipConfig
from pipeline.openclip import evaluate as clip_eval
from pipeline.openclip.evaluate import concept_quality, retrieval
from pipeline.openclip.model import load_openclip
from pipeline.world.captions import caption


class Oracle:
    """Embeds clips in the order it is shown them and knows which caption belongs to which."""

    def __init__(self, wrong: int = 0) -> None:
        self.seen = 0
        self.wrong = wrong

    def embed_clip(self, frames: np.ndarray) -> np.ndarray:
        self.seen += 1
        return np.eye(64, dtype=np.float32)[(self.seen - 1) % 10]

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.roll(np.eye(64, dtype=np.float32)[: len(texts)], self.wrong, axis=0)


def test_top1_of_a_perfect_and_of_a_shifted_model() -> None:
    assert retrieval(Oracle(), galleries=2, size=10, kinds=("dense",)) == {
        "dense_top1": 1.0,
        "dense_top1_std": 0.0,
    }
    assert retrieval(Oracle(wrong=1), galleries=2, size=10, kinds=("dense",))["dense_top1"] == 0.0


def test_evaluation_scenes_are_held_out_and_vary_in_shape() -> None:
    shots = [
        clip_eval.evaluation_clip(clip_eval.EVAL_SEED + i, split="heldout", frames=3)
        for i in range(4)
    ]
    assert len({frames.shape[1:3] for frames, _ in shots}) == 4
    assert len({caption(scene, "dense") for _, scene in shots}) == 4


def test_the_embedded_model_retrieves_and_filters() -> None:
    """The shipped weights, on one small gallery; the full figures are in its card."""
    model = load_openclip("embedded")
    assert retrieval(model, galleries=1, size=50, kinds=("dense",))["dense_top1"] >= 0.8
    settings = OpenClipConfig()
    kinds = {"text": ("text",), "blank": ("black",)}
    concepts = {name: settings.concepts[name] for name in kinds}
    quality = concept_quality(model, concepts, settings.neutral, kinds, n=16)
    assert all(figures["auc"] > 0.95 for figures in quality.values()), quality


@pytest.mark.parametrize("text", ["a red circle", "a photo"])
def test_prompts_of_the_default_concepts_are_in_the_training_bank(text: str) -> None:
    from pipeline.openclip.data import prompt_bank

    settings = OpenClipConfig()
    bank = set(prompt_bank())
    assert text in bank
    assert {p for group in settings.concepts.values() for p in group} | set(
        settings.neutral
    ) <= bank
