"""Scores of captions: exact where it can be said by hand."""

from __future__ import annotations

import pytest

from benchmarks.caption_scores import reference, score, text_scores, word_recall
from pipeline.world.captions import attribute_items, caption
from pipeline.world.scene import random_scene


def test_attributes_against_the_scene_and_the_reference(monkeypatch) -> None:
    none = dict.fromkeys(("bleu", "rouge_l", "cider"), 0.0)
    monkeypatch.setattr("benchmarks.caption_scores.text_scores", lambda said, true: none)
    scenes = [random_scene(seed) for seed in range(20)]
    for kind in ("short", "dense"):
        true = score([caption(scene, kind) for scene in scenes], scenes, kind)
        assert (true.precision, true.recall, true.hallucinated) == (1.0, 1.0, 0.0)
    short = score([caption(scene, "short") for scene in scenes], scenes, "dense")
    wanted = sum(len(attribute_items(reference(scene, "dense"))) for scene in scenes)
    assert short.precision == 1.0 and short.recall == pytest.approx(3 * 20 / wanted)
    assert score(["Nothing."] * 20, scenes, "dense").recall == 0.0
    scene = next(x for x in scenes if len(x.objects) == 1)
    obj = scene.objects[0]
    other = "pink" if obj.colour != "pink" else "red"
    false = score([f"A {other} {obj.shape}."], [scene], "short")
    assert (false.precision, false.hallucinated) == (0.5, 1.0)


def test_words_are_counted_where_they_are_in_the_scene() -> None:
    scene = random_scene(0)
    colour = scene.objects[0].colour
    assert word_recall([f"A {colour} thing"], [scene], {colour}) == 1.0
    assert word_recall(["A thing"], [scene], {colour}) == 0.0


def test_text_metrics_of_the_libraries() -> None:
    for package in ("sacrebleu", "rouge_score", "pycocoevalcap"):
        pytest.importorskip(package)
    texts = [caption(random_scene(seed), "dense") for seed in range(6)]
    same = text_scores(texts, texts)
    assert same["bleu"] == pytest.approx(100) and same["rouge_l"] == pytest.approx(1)
    assert same["cider"] == pytest.approx(10, rel=0.01)
    moved = text_scores(texts[1:] + texts[:1], texts)
    assert moved["cider"] < 4 < 10 and moved["bleu"] < 80
