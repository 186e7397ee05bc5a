"""The measures of ``filmstock judge`` against clips degraded in known ways: rank correlation of figure and damage.

    python -m benchmarks.video_judge --scenes 12
    FILMSTOCK_TESTDATA=... python -m benchmarks.video_judge --real

Each clip is damaged at six strengths of each kind; the figure must fall as the strength rises. Printed is Spearman's
correlation of figure and strength, with its sign turned, averaged over the clips, and the worst clip's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.quality.motion import motion_quality
from pipeline.quality.relevance import relevance
from pipeline.quality.sets import creativity
from pipeline.video.window import read_window
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import Scene, random_scene

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SIDE = 256
Damage = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""Takes frames (T, H, W, 3) and a strength in [0, 1], gives damaged frames."""


def flicker(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness of every other frame off by up to 40 %."""
    gain = np.where(np.arange(len(frames)) % 2, 1 - 0.4 * strength, 1.0)
    return (frames * gain[:, None, None, None]).astype(np.uint8)


def grain(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of its own in each frame, up to 50 levels."""
    noisy = frames + rng.normal(0, 1, frames.shape) * 50 * strength
    return np.clip(noisy, 0, 255).astype(np.uint8)


def morphing(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Each frame bent by a smooth field of its own: things change shape, as in generated video."""
    import cv2

    count, height, width = frames.shape[:3]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    out = []
    for t in range(count):
        field = cv2.resize(rng.normal(0, 1, (6, 6, 2)).astype(np.float32), (width, height))
        field *= 0.05 * strength * min(height, width)
        out.append(cv2.remap(frames[t], xs + field[..., 0], ys + field[..., 1], 1, borderMode=2))
    return np.stack(out)


def shaking(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Each frame shifted by up to 6 % of its side at random."""
    reach = 0.06 * strength * min(frames.shape[1:3])
    shifts = np.rint(rng.uniform(-1, 1, (len(frames), 2)) * reach).astype(int)
    return np.stack(
        [np.roll(f, tuple(s), axis=(0, 1)) for f, s in zip(frames, shifts, strict=True)]
    )


def jitter(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Frames out of order: each is taken from up to five places away."""
    away = rng.uniform(-1, 1, len(frames)) * 5 * strength
    at = np.clip(np.rint(np.arange(len(frames)) + away), 0, len(frames) - 1).astype(int)
    return frames[at]


def dropping(frames: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Up to a third of the frames replaced by ones from elsewhere in the clip."""
    count = round(0.35 * strength * len(frames))
    at = np.arange(len(frames))
    hit = rng.permutation(len(frames))[:count]
    at[hit] = (at[hit] + len(frames) // 2) % len(frames)
    return frames[at]


COHERENCE: dict[str, Damage] = {"flicker": flicker, "grain": grain, "morphing": morphing}
FLUENCY: dict[str, Damage] = {"jitter": jitter, "shaking": shaking, "dropping": dropping}


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Rank correlation, equal values sharing their mean rank; 0 when one of the two does not vary."""

    def ranks(values: Sequence[float]) -> np.ndarray:
        array = np.asarray(values, float)
        return np.array([(array < v).sum() + ((array == v).sum() - 1) / 2 for v in array])

    x, y = ranks(a), ranks(b)
    return 0.0 if x.std() == 0 or y.std() == 0 else float(np.corrcoef(x, y)[0, 1])


def correlation(name: str, damage: Damage, frames: np.ndarray, seed: int) -> float:
    """How well the figure ``name`` ranks the strengths of one damage of one clip."""
    found = []
    for level in LEVELS:
        quality = motion_quality(damage(frames, level, np.random.default_rng(seed)))
        assert quality is not None
        found.append(getattr(quality, name))
    return -spearman(found, LEVELS)


def clips_of_world(count: int) -> list[np.ndarray]:
    """Rendered held-out scenes in which something moves."""
    out = []
    for seed in range(10 * count):
        scene = random_scene(81_000_000 + seed, split="heldout", duration_s=25 / 12)
        moving = any(o.motion != "still" for o in scene.objects)
        if moving and len(out) < count:
            out.append(render(scene, width=96, height=96, fps=12, n_frames=25))
    return out


def clips_of_data(count: int) -> list[np.ndarray]:
    """The first 25 frames of the first videos of the optional test data."""
    folder = Path(os.environ.get("FILMSTOCK_TESTDATA", "")) / "videos"
    if "FILMSTOCK_TESTDATA" not in os.environ or not folder.is_dir():
        raise SystemExit("--real needs FILMSTOCK_TESTDATA, a folder that holds videos/")
    paths = sorted(folder.glob("*.mp4"))[:count]
    windows = [read_window(path, most=25, side=SIDE) for path in paths]
    return [window.frames for window in windows if len(window.frames) == 25]


def motion_table(clips: Sequence[np.ndarray]) -> None:
    """A line for each damage."""
    for name, damages in (("coherence", COHERENCE), ("fluency", FLUENCY)):
        for kind, damage in damages.items():
            found = [correlation(name, damage, clip, i) for i, clip in enumerate(clips)]
            _print_line(name, kind, found)


def _shared(a: Scene, b: Scene) -> bool:
    """Two scenes have a colour or the ground in common."""
    colours = {o.colour for o in a.objects} & {o.colour for o in b.objects}
    return bool(colours) or a.background == b.background


def relevance_line(count: int) -> None:
    """Prompts of which a growing share of the sentences belongs to another scene."""
    from captioner.truth.grounding import scored_assertions
    from jobs.generate.distractors import distractors
    from pipeline.openclip.model import load_openclip

    model = load_openclip("embedded")
    found = []
    for i in range(count):
        scenes = [
            random_scene(82_000_000 + 7 * i + k, split="heldout", duration_s=2) for k in range(7)
        ]
        scene = next((s for s in scenes if len(s.objects) >= 2), scenes[0])
        other = next((s for s in scenes if not _shared(s, scene)), None)
        if other is None:
            continue
        frames = model.embed_images(render(scene, width=64, height=64, fps=8, n_frames=16)[::2])
        true, false = (scored_assertions(caption(s, "dense")) for s in (scene, other))
        scores = []
        for wrong in range(len(true) + 1):
            said = (false * 3)[:wrong] + true[wrong:]
            bank = model.embed_texts(distractors(said, (), world=True))
            scores.append(relevance(model.embed_texts(said), frames, bank).score)
        found.append(-spearman(scores, range(len(scores))))
    _print_line("relevance", "sentences", found)


def creativity_line(count: int) -> None:
    """Sets of eight videos of which a growing share is one and the same."""
    from pipeline.openclip.model import load_openclip

    model = load_openclip("embedded")
    found = []
    for i in range(count):
        rows = np.stack(
            [
                model.embed_clip(
                    render(
                        random_scene(83_000_000 + 8 * i + k, split="heldout", duration_s=2),
                        width=64, height=64, fps=8, n_frames=4,
                    )
                )
                for k in range(8)
            ]
        )  # fmt: skip
        scores = [
            creativity(np.concatenate([rows[:1].repeat(same, 0), rows[same:]]))
            for same in range(1, 9)
        ]
        found.append(-spearman([score or 0.0 for score in scores], range(8)))
    _print_line("creativity", "repeats", found)


def _print_line(figure: str, damage: str, found: list[float]) -> None:
    summed = f"{np.mean(found):6.3f} {min(found):8.3f} {len(found):6}"
    print(f"{figure:<11} {damage:<10} {summed}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--clips", type=int, default=15, help="real clips")
    parser.add_argument("--real", action="store_true", help="clips of FILMSTOCK_TESTDATA/videos")
    args = parser.parse_args()
    print(f"{'figure':<11} {'damage':<10} {'mean':>6} {'worst':>8} {'clips':>6}")
    motion_table(clips_of_data(args.clips) if args.real else clips_of_world(args.scenes))
    if not args.real:
        relevance_line(args.scenes)
        creativity_line(args.scenes)


if __name__ == "__main__":
    main()
