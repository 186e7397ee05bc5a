"""The judge: right on rendered clips after H.264, wrong captions found out, nothing crashes it."""

import numpy as np
import pytest

from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.camera import camera_rates
from pipeline.world.captions import Attributes, attributes
from pipeline.world.judge import judge, score_against, turns
from pipeline.world.render import render
from pipeline.world.scene import CAMERAS, Scene, random_scene

SIZES = ((64, 64), (80, 48), (48, 80))
COUNT = 24


def filmed(
    seed: int, width: int, height: int, fps: float, n_frames: int
) -> tuple[Scene, np.ndarray]:
    scene = random_scene(seed, split="heldout", duration_s=n_frames / fps)
    n_frames = min(n_frames, int(scene.duration_s * fps))
    frames = render(scene, width=width, height=height, fps=fps, n_frames=n_frames)
    return scene, decode_clip(encode_mp4(frames, fps, crf=23))[0]


@pytest.fixture(scope="module")
def judged() -> list[tuple[Scene, np.ndarray, Attributes]]:
    clips = [(*filmed(i, *SIZES[i % 3], 8, 17),) for i in range(COUNT)]
    return [(scene, frames, judge(frames, 8)) for scene, frames in clips]


def test_reads_small_clips(judged: list) -> None:
    scores = [score_against(scene, seen) for scene, _, seen in judged]
    share = {key: np.mean([score[key] for score in scores]) for key in scores[0]}
    assert share["colour"] >= 0.98 and share["shape"] >= 0.98
    assert share["motion"] >= 0.96 and share["camera"] >= 0.96
    assert np.mean([seen.background == scene.background for scene, _, seen in judged]) >= 0.96


def test_wrong_captions_are_found_out(judged: list) -> None:
    """Held against another clip's truth, a clip fails; against its own with one word changed, it fails on that."""
    for (scene, _, seen), (other, _, _) in zip(judged, judged[1:], strict=False):
        if {(o.colour, o.shape, o.motion) for o in scene.objects} != {
            (o.colour, o.shape, o.motion) for o in other.objects
        }:
            score = score_against(other, seen)
            assert not (score["colour"] and score["shape"] and score["motion"])
        true = attributes(scene)
        colour, shape, motion = true.objects[0]
        swaps = {
            "colour": ("red" if colour != "red" else "blue", shape, motion),
            "shape": (colour, "ring" if shape != "ring" else "cross", motion),
            "motion": (colour, shape, "left" if motion != "left" else "right"),
        }
        for key, changed in swaps.items():
            lie = Attributes(objects=(changed, *true.objects[1:]), camera=true.camera)
            assert not score_against(lie, seen)[key]
        camera = CAMERAS[(CAMERAS.index(scene.camera) + 1) % len(CAMERAS)]
        lie = Attributes(objects=true.objects, camera=camera)
        assert not score_against(lie, seen)["camera"]


def test_reads_film_sizes() -> None:
    for seed, form in enumerate([(192, 128, 24, 62), (128, 192, 25, 62), (320, 240, 12, 30)]):
        scene, frames = filmed(900 + seed, *form)
        score = score_against(scene, judge(frames, form[2]))
        assert all(score.values()), (seed, score)


def test_mirror_swaps_left_and_right(judged: list) -> None:
    swap = {"left": "right", "right": "left", "pan_left": "pan_right", "pan_right": "pan_left"}
    for _, frames, seen in judged[:12]:
        again = judge(frames[:, :, ::-1], 8)
        assert again.camera == swap.get(seen.camera, seen.camera)
        assert {(c, s, swap.get(m, m)) for c, s, m in seen.objects} == set(again.objects)


def test_bears_blur_and_noise(judged: list) -> None:
    rng = np.random.default_rng(0)
    right = []
    for scene, frames, _ in judged[:20]:
        soft = frames.astype(np.float32)
        for axis in (1, 2):
            soft = (np.roll(soft, 1, axis) + 2 * soft + np.roll(soft, -1, axis)) / 4
        noisy = np.clip(soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)
        right.append(all(score_against(scene, judge(noisy, 8)).values()))
    assert np.mean(right) >= 0.9


def test_one_frame_has_no_motion() -> None:
    scene = random_scene(4, split="heldout", duration_s=2)
    seen = judge(render(scene, width=64, height=64, fps=8, n_frames=1), 8)
    assert seen.camera is None
    assert {(c, s) for c, s, _ in seen.objects} == {(o.colour, o.shape) for o in scene.objects}
    assert all(motion is None for _, _, motion in seen.objects)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 3), (3, 2, 2, 3), (5, 7, 200, 3), (2, 64, 64, 3), (60, 16, 16, 3)]
)
@pytest.mark.parametrize("fill", ["noise", "black", "white", "red", "bright noise"])
def test_survives_anything(shape: tuple[int, ...], fill: str) -> None:
    rng = np.random.default_rng(1)
    frames = np.zeros(shape, np.uint8)
    if fill == "noise":
        frames = rng.integers(0, 256, shape, dtype=np.uint8)
    elif fill == "white":
        frames[:] = 255
    elif fill == "red":
        frames[..., 0] = 220
    elif fill == "bright noise":
        frames = (rng.random(shape) > 0.5).astype(np.uint8) * 255
    assert isinstance(judge(frames, 8), Attributes)


def test_wrong_arrays_are_refused() -> None:
    for shape in [(64, 64, 3), (4, 64, 64, 1), (0, 64, 64, 3)]:
        with pytest.raises(ValueError, match="RGB array"):
            judge(np.zeros(shape, np.uint8), 8)


def test_turns_counts_only_real_returns() -> None:
    assert turns(np.array([0.2, 0.4, 0.6]), 0.07) == 0
    assert turns(np.array([0.2, 0.4, 0.6, 0.4]), 0.07) == 1
    assert turns(np.array([0.2, 0.4, 0.38, 0.6]), 0.07) == 0
    assert turns(np.array([0.5, 0.2, 0.5, 0.2]), 0.07) == 2


@pytest.mark.parametrize(
    ("camera", "axis", "sign"), [("pan_right", 0, 1), ("tilt_up", 1, -1), ("zoom_out", 2, -1)]
)
def test_camera_rates_are_the_true_speeds(camera: str, axis: int, sign: int) -> None:
    seed = next(i for i in range(500) if random_scene(i, duration_s=2).camera == camera)
    scene = random_scene(seed, duration_s=2)
    video = render(scene, width=64, height=64, fps=8, n_frames=17).astype(np.float32)
    covered = video.max(axis=-1) - video.min(axis=-1) > 45
    rates = camera_rates(video, covered, 8)
    assert rates[axis] == pytest.approx(sign * scene.camera_speed, rel=0.1)
