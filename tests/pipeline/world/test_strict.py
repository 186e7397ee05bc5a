"""The strict judge: rendered truth passes whole, every planted fault is found by its name, any array is survived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.strict_judge import FAULTS, FPS, FRAMES, SIZES, film
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.claims import claims_of, claims_of_scene
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene
from pipeline.world.strict import judge_strictly

SEED = 4_400
REASONS: dict[str, str | tuple[str, ...]] = {
    "wrong shape": "shape in",
    "wrong shape mostly": "shape in",
    "object gone": "missing in",
    "intruder": "intruder in",
    "double": "double in",
    "ghost": ("ghost in", "double in"),
    "wrong size": "size",
    "size step": "size in",
    "wrong ground": "ground",
    "mirror": "",
    "flicker": "steady",
    "jump": "no jump",
    "frozen": "",
    "backward": "",
    "wrong speed": "speed",
    "wrong light": "light",
}
"""Fault -> how one of the reasons must begin; empty: several may."""


def scene_of(index: int) -> Scene:
    return random_scene(SEED + index, split="heldout", duration_s=FRAMES / FPS)


@pytest.mark.parametrize("index", range(8))
def test_rendered_truth_is_right_in_every_way(index: int) -> None:
    scene = scene_of(index)
    frames = film(scene, *SIZES[index % 3])
    assert judge_strictly(frames, FPS, claims_of_scene(scene)).reasons() == []
    encoded, _ = decode_clip(encode_mp4(frames, FPS))
    assert judge_strictly(encoded, FPS, claims_of_scene(scene)).reasons() == []


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found_by_their_name(name: str) -> None:
    planted = 0
    for index in range(20):
        scene = scene_of(index)
        frames = FAULTS[name](scene, *SIZES[index % 3], np.random.default_rng(index))
        if frames is None:
            continue
        reasons = judge_strictly(frames, FPS, claims_of_scene(scene)).reasons()
        assert any(reason.startswith(REASONS[name]) for reason in reasons), (index, reasons)
        planted += 1
        if planted == 3:
            return
    pytest.fail("planted in fewer than three scenes")


def test_one_frame_and_film_sizes() -> None:
    scene = scene_of(0)
    image = render(scene, width=64, height=64, fps=FPS, n_frames=1)
    assert judge_strictly(image, FPS, claims_of_scene(scene, still=True)).right
    scene = random_scene(SEED, split="heldout", duration_s=48 / 24)
    large = render(scene, width=192, height=128, fps=24, n_frames=48)
    assert judge_strictly(large, 24, claims_of_scene(scene)).reasons() == []


def test_an_object_behind_another_is_not_missing_but_a_vanished_one_is() -> None:
    """Object permanence: it must come back, and as the same shape."""
    scene = next(
        s
        for s in (random_scene(i, duration_s=FRAMES / FPS) for i in range(2000))
        if len(s.objects) == 2 and s.camera == "static" and s.objects[1].size == "small"
    )
    front = replace(
        scene.objects[0],
        shape="circle", size="large", radius=0.22, motion="still", speed="", x=0.5, y=0.5, vx=0.0, vy=0.0,
    )  # fmt: skip
    small = replace(
        scene.objects[1],
        shape="circle", radius=0.125, motion="right", speed="quickly", x=0.145, y=0.5, vx=0.34, vy=0.0,
    )  # fmt: skip
    hidden = replace(scene, objects=(front, small))
    frames = render(hidden, width=96, height=64, fps=FPS, n_frames=FRAMES)
    claims = claims_of_scene(hidden)
    assert judge_strictly(frames, FPS, claims).reasons() == []
    gone = frames.copy()
    gone[12:] = render(
        replace(hidden, objects=(front,)), width=96, height=64, fps=FPS, n_frames=FRAMES
    )[12:]
    assert "missing" in " ".join(judge_strictly(gone, FPS, claims).reasons())
    other = replace(hidden, objects=(front, replace(small, shape="square")))
    frames[12:] = render(other, width=96, height=64, fps=FPS, n_frames=FRAMES)[12:]
    verdict = judge_strictly(frames, FPS, claims)
    assert verdict.identity_changes == 1 and verdict.faults["shape"].any()


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (3, 2, 2, 3), (2, 64, 64, 3), (5, 16, 40, 3)])
@pytest.mark.parametrize("fill", ["noise", "black", "red"])
def test_survives_anything(shape: tuple[int, ...], fill: str) -> None:
    frames = np.zeros(shape, np.uint8)
    if fill == "noise":
        frames = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    elif fill == "red":
        frames[..., 0] = 220
    verdict = judge_strictly(frames, 8, claims_of_scene(scene_of(1)))
    assert not verdict.right and len(verdict.right_frames) == shape[0]


def test_what_a_caption_leaves_open_is_not_judged() -> None:
    scene = scene_of(3)
    first = scene.objects[0]
    frames = film(scene, 64, 64)
    verdict = judge_strictly(frames, FPS, claims_of(f"A {first.colour} {first.shape}."))
    assert set(verdict.marks) == {"steady", "no_jump"}
    with pytest.raises(ValueError, match="names no object"):
        judge_strictly(frames, FPS, claims_of("a dog in the rain"))
    with pytest.raises(ValueError, match="RGB array"):
        judge_strictly(frames[0], FPS, claims_of("a red circle"))
