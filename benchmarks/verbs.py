"""What the verbs can do, measured: seams, drift, loops, connections, edits, masks, and a minute of video.

Scenes are held out, with one object, and known exactly, so that a continuation has a truth: positions of the object
are read from the pixels (the centre of its colour) in pixels of a 64x64 frame. Every figure stands beside the same of
the truth through the VAE, which no continuation in latents can pass.

    OMP_NUM_THREADS=1 python -m benchmarks.verbs --scenes 8 --only seams,drift,loop,connect,edit,mask,between,long
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import dit
import pipeline
import vae
from dit.config import SampleConfig
from dit.editing import cross_faded
from dit.extension import Extension
from dit.video_models import VideoModels, padded
from pipeline.world.captions import caption
from pipeline.world.claims import claims_of_scene
from pipeline.world.render import render
from pipeline.world.scene import COLOURS, Scene, random_scene
from pipeline.world.strict import judge_strictly

SIDE, FPS, LONG = 64, 8.0, 49
NEAR = 95.0
"""Largest distance of a pixel's colour from the object's, 8-bit levels."""


def psnr(ours: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio, dB."""
    error = np.mean((ours.astype(float) - truth) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def centres(video: np.ndarray, colour: str) -> np.ndarray:
    """(T, 2) x and y of the centre of a colour, pixels; NaN where it does not show."""
    away = np.linalg.norm(video.astype(float) - COLOURS[colour], axis=-1)
    weight = (away < NEAR).astype(float)
    total = weight.sum((1, 2))
    y, x = np.mgrid[: video.shape[1], : video.shape[2]]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.stack(
            [(weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total], axis=1
        )
    found[total < 8] = np.nan
    return found


def lengths(steps: np.ndarray) -> np.ndarray:
    """Lengths of vectors (N, 2)."""
    return np.hypot(steps[:, 0], steps[:, 1])


def scene_of(number: int) -> Scene:
    """A held-out scene with one object that shows for the whole length."""
    return random_scene(77_000_000 + number, split="heldout", max_objects=1, duration_s=LONG / FPS)


def shots(count: int) -> list[tuple[Scene, str, np.ndarray]]:
    """Scene, caption and truth of ``LONG`` frames; zooms, which would leave the world's sizes, are left out."""
    found = []
    number = 0
    while len(found) < count:
        scene = scene_of(number)
        number += 1
        if scene.camera.startswith("zoom"):
            continue
        truth = render(scene, width=SIDE, height=SIDE, fps=FPS, n_frames=LONG)
        found.append((scene, caption(scene, "dense"), truth))
    return found


def mean(values: list[float]) -> float:
    """Mean of what is there; NaN of nothing."""
    there = [v for v in values if np.isfinite(v)]
    return float(np.mean(there)) if there else float("nan")


class Bench:
    """Models, scenes and settings of a run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.models = VideoModels(
            dit=dit.load(args.dit), vae=vae.load(), text_encoder=pipeline.load_text_encoder()
        )
        self.config = SampleConfig(
            steps=args.steps, solver=args.solver, guidance=args.guidance, frames=17
        )
        self.shots = shots(args.scenes)
        self.found: dict[str, float] = {}

    def tell(self, name: str, value: float, unit: str = "") -> None:
        """Print a figure and keep it."""
        self.found[name] = value
        print(f"{name:<64}{value:>9.2f} {unit}", flush=True)

    def tell_means(self, rows: list[tuple[float, ...]], units: Mapping[str, str]) -> None:
        """The mean of each column of the rows, under its name and with its unit."""
        for (name, unit), values in zip(units.items(), zip(*rows, strict=True), strict=True):
            self.tell(name, mean(list(values)), unit)

    def tell_seams(self, what: str, rows: list[tuple[float, ...]]) -> None:
        """The means of what ``seam`` found."""
        names = ("step across the seam", "position beyond", "velocity beyond")
        self.tell_means(rows, {f"{what}: {name}, error": "px" for name in names})

    def through_vae(self, video: np.ndarray) -> np.ndarray:
        """The video encoded and decoded."""
        return self.models.decode(self.models.encode(padded(video, 4)))[: len(video)]

    def right(self, scene: Scene, video: np.ndarray) -> float:
        """Share of frames that the strict judge calls right, whatever the caption says of the start."""
        return float(judge_strictly(video, FPS, claims_of_scene(scene)).right_frames.mean())

    def first_frame(self) -> None:
        """Image to video: is the picture kept, and is what follows right?"""
        rows = []
        for i, (scene, text, truth) in enumerate(self.shots):
            made = dit.animate(truth[0], text, models=self.models, config=self.config, seed=i)
            passed = self.through_vae(truth[:17])
            rows.append(
                (
                    psnr(made[0], truth[0]), psnr(passed[0], truth[0]),
                    self.right(scene, made), self.right(scene, passed),
                )
            )  # fmt: skip
        self.tell_means(
            rows,
            {
                "animate: PSNR of the first frame": "dB",
                "  the picture through the VAE": "dB",
                "animate: frames right": "",
                "  truth through the VAE": "",
            },
        )

    def seam(self, made: np.ndarray, truth: np.ndarray, colour: str, at: int) -> tuple[float, ...]:
        """Errors at the seam before frame ``at``: step across it, position there, velocity over four frames beyond."""
        ours, true = centres(made, colour), centres(truth, colour)
        new = slice(at, at + 4)
        across = lengths((ours[at] - ours[at - 1] - true[at] + true[at - 1])[None])[0]
        place = lengths(ours[new] - true[new]).mean()
        speed = lengths(np.diff(ours[new], axis=0) - np.diff(true[new], axis=0)).mean()
        return float(across), float(place), float(speed)

    def seams(self) -> None:
        """Extension forward and backward: position and velocity at the seam, against the truth."""
        for context in (1, 2, 3):
            for backward in (False, True):
                rows = []
                for i, (scene, text, truth) in enumerate(self.shots):
                    colour = scene.objects[0].colour
                    if backward:
                        made = dit.extend(
                            truth[16:33], text, models=self.models, frames=8, config=self.config,
                            seed=i, context=context, backward=True,
                        )  # fmt: skip
                        # in reverse, so that the seam comes before what is new
                        rows.append(self.seam(made[::-1], truth[8:33][::-1], colour, 17))
                    else:
                        made = dit.extend(
                            truth[:17], text, models=self.models, frames=8, config=self.config,
                            seed=i, context=context,
                        )  # fmt: skip
                        rows.append(self.seam(made, truth[:25], colour, 17))
                way = "backward" if backward else "forward"
                self.tell_seams(f"extend {way}, context {context}", rows)
        rows = []
        for scene, _, truth in self.shots:
            passed = np.concatenate([truth[:17], self.through_vae(truth[:25])[17:]])
            rows.append(self.seam(passed, truth[:25], scene.objects[0].colour, 17))
        self.tell_seams("  truth through the VAE", rows)

    def extension(
        self, truth: np.ndarray, text: str, frames: int, *, seed: int = 0, carry: bool = True
    ) -> Extension:
        """The first window of a shot, extended."""
        return Extension(
            video=truth[:17], prompt=text, models=self.models, frames=frames, config=self.config, seed=seed,
            carry=carry,
        )  # fmt: skip

    def drift(self) -> None:
        """Five hops forward: what becomes of the ground's colour and of the frames, by way of handing on."""
        for carry in (True, False):
            ground: list[list[float]] = [[] for _ in range(5)]
            right: list[list[float]] = [[] for _ in range(5)]
            contrast: list[list[float]] = [[] for _ in range(5)]
            for i, (scene, text, truth) in enumerate(self.shots):
                hops = self.extension(truth, text, 60, seed=50 * i, carry=carry).forward()
                source = np.median(truth[:17].reshape(-1, 3), axis=0)
                spread = truth[:17].std()
                for hop, frames in enumerate(hops):
                    middle = np.median(frames.reshape(-1, 3), axis=0)
                    ground[hop].append(float(np.abs(middle - source).mean()))
                    contrast[hop].append(float(frames.std() / spread))
                    right[hop].append(self.right(scene, frames))
            way = "latents carried" if carry else "encoded again"
            for hop in range(5):
                self.tell(f"drift, {way}, hop {hop + 1}: median colour, levels", mean(ground[hop]))
                self.tell(f"  contrast over the source's, hop {hop + 1}", mean(contrast[hop]))
                self.tell(f"  frames right, hop {hop + 1}", mean(right[hop]))

    def loop(self) -> None:
        """Is the wrap from the last frame to the first as smooth as the video itself?"""
        rows = []
        for i, (scene, text, truth) in enumerate(self.shots):
            video = truth[:17]
            closed = dit.loop(video, text, models=self.models, frames=7, config=self.config, seed=i)
            inside = np.abs(np.diff(video.astype(float), axis=0)).mean()
            wrap = np.abs(closed[-1].astype(float) - closed[0]).mean()
            cut = np.abs(video[-1].astype(float) - video[0]).mean()
            where = centres(closed, scene.objects[0].colour)
            jump = lengths((where[0] - where[-1])[None])[0]
            cut_jump = lengths((where[0] - where[16])[None])[0]
            rows.append((wrap / inside, cut / inside, jump, cut_jump))
        self.tell_means(
            rows,
            {
                "loop: change at the wrap over that of a step": "",
                "  the video itself, cut to a loop": "",
                "loop: the object's step at the wrap": "px",
                "  the video itself, cut to a loop: step": "px",
            },
        )

    def connect(self) -> None:
        """Two parts of one shot, the seven frames between them left out: largest acceleration, and the truth."""
        rows = []
        for i, (scene, text, truth) in enumerate(self.shots):
            made = dit.connect(
                truth[:17], truth[24:41], text, models=self.models, frames=7, config=self.config,
                seed=i,
            )  # fmt: skip
            cut = np.concatenate([truth[:17], truth[24:41]])
            colour = scene.objects[0].colour
            bends = [
                float(np.nanmax(lengths(np.diff(centres(v, colour)[a:b], n=2, axis=0))))
                for v, a, b in ((made, 14, 27), (truth, 14, 27), (cut, 14, 20))
            ]
            rows.append((*bends, psnr(made[17:24], truth[17:24])))
        self.tell_means(
            rows,
            {
                "connect: largest acceleration": "px/frame^2",
                "  the shot itself": "px/frame^2",
                "  the two parts cut together": "px/frame^2",
                "connect: PSNR of the frames between": "dB",
            },
        )

    def edit(self) -> None:
        """Distance from the source by strength, and whether the object has the colour that is asked for."""
        strengths = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
        distance = np.zeros((len(self.shots), len(strengths)))
        turned = np.zeros_like(distance)
        for i, (scene, text, truth) in enumerate(self.shots):
            old = scene.objects[0].colour
            new = "blue" if old not in ("blue", "purple", "cyan") else "red"
            video = truth[:17]
            for j, strength in enumerate(strengths):
                made = dit.edit(
                    video, text.replace(f" {old} ", f" {new} "), models=self.models,
                    strength=strength, config=self.config, seed=i,
                )  # fmt: skip
                distance[i, j] = np.abs(made.astype(float) - video).mean()
                asked = np.isfinite(centres(made, new)[:, 0]).mean()
                turned[i, j] = asked > 0.9 and np.isnan(centres(made, old)[:, 0]).mean() > 0.9
        for j, strength in enumerate(strengths):
            self.tell(
                f"edit, strength {strength:g}: distance, levels", float(distance[:, j].mean())
            )
            self.tell("  videos whose object has the new colour alone", float(turned[:, j].mean()))
        rising = (np.diff(distance, axis=1) >= 0).mean()
        self.tell("edit: steps of strength at which the distance does not fall", float(rising))

    def mask(self) -> None:
        """A region of every frame, and a span: bits outside, and what is inside against the truth."""
        region = np.zeros((17, SIDE, SIDE), bool)
        region[:, 16:48, 16:48] = True
        span = np.zeros((17, SIDE, SIDE), bool)
        span[5:13] = True
        for name, mask in (("region", region), ("span", span)):
            for keep in ("clean", "noised"):
                rows = []
                for i, (scene, text, truth) in enumerate(self.shots):
                    video = truth[:17]
                    made = dit.inpaint(
                        video, text, mask, models=self.models, config=self.config, seed=i, keep=keep
                    )
                    rows.append(
                        (
                            float(np.array_equal(made[~mask], video[~mask])),
                            psnr(made[mask], video[mask]), self.right(scene, made),
                        )
                    )  # fmt: skip
                same, inside, right = (mean(list(v)) for v in zip(*rows, strict=True))
                self.tell(f"inpaint {name}, {keep}: videos with equal bits outside", same)
                self.tell("  PSNR inside against the truth", inside, "dB")
                self.tell("  frames right", right)

    def between(self) -> None:
        """Three frames between each two: against the truth, beside the cross-fade it starts from."""
        for strength in (0.4, 0.6, 0.8):
            rows = []
            for i, (_, text, truth) in enumerate(self.shots):
                made = dit.interpolate(
                    truth[:17:4], text, models=self.models, config=self.config, seed=i,
                    strength=strength,
                )  # fmt: skip
                rows.append(
                    (psnr(made, truth[:17]), psnr(cross_faded(truth[:17:4], 4), truth[:17]))
                )
            ours, faded = (mean(list(v)) for v in zip(*rows, strict=True))
            self.tell(f"interpolate, strength {strength:g}: PSNR", ours, "dB")
        self.tell("  cross-fade", faded, "dB")

    def long(self) -> None:
        """60 s by chained extension: memory by length, and the frames that are right, second by second."""
        scene, text, truth = next(
            shot for shot in shots(40) if shot[0].objects[0].motion in ("still", "bounce_h")
        )
        start, made, seconds = time.monotonic(), 0, []
        for frames in self.extension(truth, text, 480).forward():
            made += len(frames)
            seconds.append((made / FPS, self.right(scene, frames)))
            if made in (60, 120, 240, 480):
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                self.tell(f"long: peak memory after {made / FPS:g} s of video", peak, "MiB")
        for low, high in ((0, 7.5), (7.5, 15), (15, 30), (30, 60)):
            share = mean([right for at, right in seconds if low < at <= high])
            self.tell(f"long: frames right, {low:g} to {high:g} s", share)
        self.tell("long: seconds to make it", time.monotonic() - start, "s")

    def backward_drift(self) -> None:
        """Three hops backward, as ``drift``."""
        for carry in (True, False):
            right: list[list[float]] = [[] for _ in range(3)]
            for i, (scene, text, truth) in enumerate(self.shots):
                hops = self.extension(truth, text, 24, seed=50 * i, carry=carry).backward()
                for hop, frames in enumerate(hops):
                    right[hop].append(self.right(scene, frames))
            way = "latents carried" if carry else "encoded again"
            for hop in range(3):
                self.tell(f"backward, {way}, hop {hop + 1}: frames right", mean(right[hop]))


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parts = "first,seams,drift,back,loop,connect,edit,mask,between,long"
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--solver", default="euler")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--only", default=parts)
    parser.add_argument("--dit", default="embedded")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    bench = Bench(args)
    run: dict[str, Callable[[], None]] = {
        "first": bench.first_frame, "seams": bench.seams, "drift": bench.drift,
        "back": bench.backward_drift, "loop": bench.loop, "connect": bench.connect,
        "edit": bench.edit, "mask": bench.mask, "between": bench.between, "long": bench.long,
    }  # fmt: skip
    for name in args.only.split(","):
        run[name]()
        if args.json:
            args.json.write_text(json.dumps(bench.found, indent=1) + "\n")


if __name__ == "__main__":
    main()
