"""What the embedded CLIP trains on: every text said of a picture is true of it, and junk looks like junk."""

import numpy as np

from pipeline.openclip.data import (
    FRAMES,
    IMAGE_SIZE,
    JUNK_PROMPTS,
    build_pool,
    prompt_bank,
    scene_texts,
    squash,
    true_prompts,
)
from pipeline.world.captions import parse_caption
from pipeline.world.scene import random_scene


def test_pool_is_a_function_of_its_arguments() -> None:
    one, two = build_pool(12, seed=4), build_pool(12, seed=4)
    longer, other = build_pool(14, seed=4), build_pool(12, seed=5)
    assert one.frames.shape == (12, FRAMES, IMAGE_SIZE, IMAGE_SIZE, 3)
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.frames, longer.frames[:12])
    assert one.texts == two.texts == longer.texts[:12] and one.texts != other.texts


def test_true_prompts_are_in_the_bank_and_agree_with_the_caption() -> None:
    bank = set(prompt_bank())
    for seed in range(40):
        scene = random_scene(seed)
        true = true_prompts(scene)
        assert true <= bank
        said = parse_caption(scene_texts(scene)[0])
        for colour, shape, _ in said.objects:
            assert any(p.endswith(f" {colour} {shape}") for p in true)
        looks = [
            p for p in true if p.split()[-1] in ("circle", "ring", "cross") and len(p.split()) == 3
        ]
        pairs = {(c, s) for c, s, _ in said.objects} | {(o.size, o.shape) for o in scene.objects}
        assert all(tuple(p.split()[1:]) in pairs for p in looks)


def test_junk_is_what_its_prompts_say() -> None:
    pool = build_pool(120, seed=1, junk_share=1.0)
    column = {p: i for i, p in enumerate(pool.bank)}
    mean = pool.frames.reshape(120, -1).mean(axis=1)
    std = pool.frames[:, 0].astype(float).std(axis=(1, 2)).mean(axis=1)
    kinds = {k: pool.truth[:, column[p[0]]] for k, p in JUNK_PROMPTS.items() if k != "flat"}
    assert all(k.sum() > 5 for k in kinds.values())
    assert mean[kinds["black"]].max() < 20 and mean[kinds["white"]].min() > 230
    assert std[kinds["noise"]].min() > 35
    fine = np.abs(np.diff(pool.frames[:, 0].astype(float), axis=2)).mean(axis=(1, 2, 3))
    assert fine[kinds["blur"]].max() < 6 < fine[kinds["text"]].min()


def test_squash_shows_the_whole_frame() -> None:
    wide = np.zeros((2, 30, 120, 3), np.uint8)
    wide[:, :, :10], wide[:, :, -10:] = 255, 200
    small = squash(wide)
    assert small.shape == (2, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert small[0, 32, 1, 0] > 240 and 180 < small[0, 32, -2, 0] < 220 and small[0, 32, 32, 0] == 0
