"""Scores of captions against the truth of world scenes: attributes, hallucinations, and what text metrics say.

Attributes are read back from the words (``pipeline.world.captions.parse_caption``). BLEU is sacrebleu's, ROUGE-L is
rouge-score's, CIDEr-D the scorer of pycocoevalcap on words without punctuation (its tokenizer would need Java).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.world.captions import Attributes, attribute_items, attributes, caption, parse_caption
from pipeline.world.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one model on one set of scenes."""

    precision: float
    """Share of the statements made (object, colour of it, motion of it, camera) that are true of the scene."""
    recall: float
    """Share of the reference caption's statements that were made."""
    hallucinated: float
    """Share of captions that name an object, or a colour of one, that is not there."""
    bleu: float
    """Corpus BLEU-4, 0 to 100."""
    rouge_l: float
    """Mean F of ROUGE-L, 0 to 1."""
    cider: float
    """CIDEr-D, 0 to 10."""


def reference(scene: Scene, kind: str) -> Attributes:
    """What a true caption of ``kind`` states: short names the main subject and its motion, dense everything."""
    whole = attributes(scene)
    return whole if kind == "dense" else Attributes(objects=whole.objects[:1])


def score(said: list[str], scenes: list[Scene], kind: str) -> Scores:
    """Scores of one caption per scene."""
    right = stated = found = wanted = false_objects = 0
    for text, scene in zip(said, scenes, strict=True):
        items, true = attribute_items(parse_caption(text)), attribute_items(attributes(scene))
        asked = attribute_items(reference(scene, kind))
        right, stated = right + len(items & true), stated + len(items)
        found, wanted = found + len(items & asked), wanted + len(asked)
        false_objects += any(i[0] in ("object", "colour") and i not in true for i in items)
    texts = [caption(scene, kind) for scene in scenes]
    return Scores(
        precision=right / max(1, stated),
        recall=found / max(1, wanted),
        hallucinated=false_objects / len(said),
        **text_scores(said, texts),
    )


def word_recall(said: list[str], scenes: list[Scene], words: set[str]) -> float:
    """Of the colours and shapes in the scenes that are in ``words``, the share that the captions say."""
    found = wanted = 0
    for text, scene in zip(said, scenes, strict=True):
        there = {w for o in scene.objects for w in (o.colour, o.shape)} & words
        found, wanted = found + len(there & set(plain_words(text))), wanted + len(there)
    return found / max(1, wanted)


def text_scores(said: list[str], true: list[str]) -> dict[str, float]:
    """BLEU, ROUGE-L and CIDEr-D of ``said`` against one reference each."""
    import sacrebleu
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from rouge_score.rouge_scorer import RougeScorer

    rouge = RougeScorer(["rougeL"])
    cider = CiderScorer(n=4, sigma=6.0)
    for text, truth in zip(said, true, strict=True):
        cider += (" ".join(plain_words(text)), [" ".join(plain_words(truth))])
    return {
        "bleu": sacrebleu.corpus_bleu(said, [true]).score,
        "rouge_l": sum(
            rouge.score(truth, text)["rougeL"].fmeasure
            for text, truth in zip(said, true, strict=True)
        )
        / len(said),
        "cider": float(cider.compute_score()[0]),
    }


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z0-9]+", text.lower())
