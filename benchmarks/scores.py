"""Every score against the truth of the synthetic world, its independence of codecs, its cost, and real footage.

``python -m benchmarks.scores --scenes 60`` renders held-out scenes, degrades copies of them in known ways, encodes all
of it, and scores it as ``filmstock ingest`` does. AUC: the chance that a clip with the defect scores worse than one
without (0.5 is a coin, 1.0 never wrong). ``--codecs 6`` clips are also encoded four ways at two qualities. With
``FILMSTOCK_TESTDATA`` set, the scores of its real clips follow, beside what their camera does by eye.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import scores_media as media
from benchmarks import scores_real
from pipeline import schema as s


class Scorer:
    """Scores frames or files as ingest does, bars kept, whole files as one clip where they are one shot."""

    def __init__(self, folder: Path) -> None:
        from jobs.ingest.score_frames import FrameScorer
        from pipeline.config import IngestConfig
        from pipeline.scores.nsfw import check_installed

        try:
            check_installed()
            nsfw = True
        except ModuleNotFoundError:
            nsfw = False
        self.config = IngestConfig(min_clip_s=0.4, max_clip_s=60, crop_bars=False, nsfw=nsfw)
        self.networks = FrameScorer(self.config)
        self.folder = folder

    def frames(
        self, frames: np.ndarray, codec: str = "h264", poor: bool = False, networks: bool = False
    ) -> dict[str, Any]:
        """Scores of the longest clip of a video of these frames; those of networks only on request."""
        suffix, data = media.encode(frames, codec, poor)
        path = self.folder / f"clip.{suffix}"
        path.write_bytes(data)
        return max(self.file(path, networks), key=lambda row: row[s.N_FRAMES])

    def file(self, path: Path, networks: bool = True) -> list[dict[str, Any]]:
        """Scores of every clip of a file."""
        from pipeline.source.clips import ClipRecord, clip_source

        rows = []
        for item in clip_source(str(path), self.config, 8):
            if isinstance(item, ClipRecord):
                row: dict[str, Any] = dict(item.row)
                if networks:
                    self.networks.score(row, item.samples)
                rows.append(row)
        return rows


def auc(bad: list[Any], good: list[Any]) -> str:
    """Chance that a value of ``bad`` is above one of ``good``, and how many of either were not measured."""
    a = np.array([value for value in bad if value is not None], float)
    b = np.array([value for value in good if value is not None], float)
    if not len(a) or not len(b):
        return "not measured"
    area = (a[:, None] > b).mean() + (a[:, None] == b).mean() / 2
    missing = len(bad) + len(good) - len(a) - len(b)
    return f"AUC {area:.3f}" + (f", {missing} of {len(bad) + len(good)} NULL" if missing else "")


def negated(values: list[Any]) -> list[Any]:
    return [None if value is None else -value for value in values]


def table(rows: list[tuple[str, str, str]]) -> None:
    """Print (score, truth, figure) lines."""
    for name, truth, figure in rows:
        print(f"| `{name}` | {truth} | {figure} |")


def world(scorer: Scorer, scenes: int) -> None:
    """Scores of scenes and of degraded copies against their truth."""
    kinds = ("static", "shaking", "blurred", "text", "black")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    cameras: Counter[tuple[str, str | None]] = Counter()
    for number in range(scenes):
        scene, size = media.a_scene(number)
        frames = media.frames_of(scene, size)
        row = scorer.frames(frames, networks=True)
        found["clean"].append(row)
        camera_errors(scene, size, row, cameras, errors)
        luma = frames @ np.array([0.2126, 0.7152, 0.0722]) / 255
        errors[s.LUMA_MEAN].append(abs(row[s.LUMA_MEAN] - luma.mean()))
        for kind in kinds:
            found[kind].append(
                scorer.frames(media.frames_of(scene, size, kind), networks=kind == "text")
            )
        found["tremor"].append(scorer.frames(media.shake(frames, 0.02, number)))
        found["soft"].append(scorer.frames(media.soften(frames)))
        for name, exposed in media.exposures(frames):
            row = scorer.frames(exposed)
            column = s.OVEREXPOSED if name == "bright" else s.UNDEREXPOSED
            light = exposed @ np.array([0.2126, 0.7152, 0.0722]) / 255
            truth = light >= 0.98 if name == "bright" else light <= 0.02
            errors[column].append(abs(row[column] - truth.mean()))
        line, covered = media.stamp(
            frames, "A line of words", opacity=1, height=0.07, corner=number % 4
        )
        row = scorer.frames(line, networks=True)
        found["line"].append(row)
        errors[s.TEXT_AREA].append(row[s.TEXT_AREA] / covered)
        boxed, box = media.barred(frames, number)
        row = scorer.frames(boxed)
        edges = [row[name] for name in s.CROP_COLUMNS]
        errors["crop"].append(float(np.abs(np.array(edges) - box).max()))
        marks(scorer, media.moving_frames(number), found)

    def of(kind: str, column: str) -> list[Any]:
        return [row[column] for row in found[kind]]

    def higher(kind: str, column: str, than: str = "clean") -> str:
        return auc(of(kind, column), of(than, column))

    def lower(kind: str, column: str) -> str:
        return auc(negated(of(kind, column)), negated(of("clean", column)))

    seen = [row for row in found["clean"] if row[s.CROP_W] is not None]
    false_crops = sum(
        (row[s.CROP_W], row[s.CROP_H]) != (row[s.WIDTH], row[s.HEIGHT]) for row in seen
    )
    rates = {
        name: f"median error {np.median(errors[name]):.0%} of {len(errors[name])}"
        for name in (s.CAMERA_PAN, s.CAMERA_TILT, s.CAMERA_ZOOM)
        if errors[name]
    }
    right = sum(n for (truth, said), n in cameras.items() if truth == said)
    told = sum(n for (_, said), n in cameras.items() if said)
    table(
        [
            (s.MOTION_MEAN, "one frame held", lower("static", s.MOTION_MEAN)),
            (s.STATIC_SHARE, "one frame held", higher("static", s.STATIC_SHARE)),
            (s.JITTER, "jumps at every frame", higher("shaking", s.JITTER)),
            (s.JITTER, "tremor of 2 % of the side", higher("tremor", s.JITTER)),
            (
                s.CAMERA,
                "static, pan, tilt, zoom",
                f"{right} of {told} right, {sum(cameras.values()) - told} NULL",
            ),
            *((name, "speed", figure) for name, figure in rates.items()),
            (s.LUMA_MEAN, "pixels", f"mean error {np.mean(errors[s.LUMA_MEAN]):.4f}"),
            (s.LUMA_MEAN, "black", lower("black", s.LUMA_MEAN)),
            (s.OVEREXPOSED, "brighter by 1.7", f"mean error {np.mean(errors[s.OVEREXPOSED]):.4f}"),
            (s.UNDEREXPOSED, "darker", f"mean error {np.mean(errors[s.UNDEREXPOSED]):.4f}"),
            (s.BLUR, "blurred by 1/12 of the side", lower("blurred", s.BLUR)),
            (
                s.BLUR,
                "softened by 3x3, beside itself",
                paired(of("soft", s.BLUR), of("clean", s.BLUR)),
            ),
            (
                "crop_*",
                "bars of 4 to 46 px",
                f"{np.mean(np.array(errors['crop']) == 0):.1%} exact, worst {max(errors['crop']):.0f} px",
            ),
            ("crop_*", "no bars", f"{false_crops} of {len(seen)} cropped"),
            (s.TEXT_AREA, "covered by text", higher("text", s.TEXT_AREA)),
            (s.TEXT_AREA, "one line of 7 %", higher("line", s.TEXT_AREA)),
            (
                s.TEXT_AREA,
                "its area",
                f"median {np.median(errors[s.TEXT_AREA]):.2f} of the true one",
            ),
            *(
                (
                    s.WATERMARK,
                    f"moving, {kind}",
                    higher(kind, s.WATERMARK, "unmarked"),
                )
                for kind in sorted(found)
                if kind.startswith("mark")
            ),
            (s.WATERMARK, "moving, unmarked", share_above(of("unmarked", s.WATERMARK), 0.5)),
            (s.NSFW, "none here is", share_above(of("clean", s.NSFW), 0.5)),
        ]
    )
    print(
        "\ncamera, true and found:",
        ", ".join(f"{a} as {b} {n}" for (a, b), n in sorted(cameras.items(), key=str)),
    )


def paired(worse: list[Any], better: list[Any]) -> str:
    """Share of pairs in which the worse copy scores lower."""
    pairs = [(a, b) for a, b in zip(worse, better, strict=True) if None not in (a, b)]
    return f"lower in {np.mean([a < b for a, b in pairs]):.1%} of {len(pairs)}"


def share_above(values: list[Any], bound: float) -> str:
    """How many of the measured values are above ``bound``."""
    known = [value for value in values if value is not None]
    return f"{sum(value > bound for value in known)} of {len(known)} above {bound:g}, {len(values) - len(known)} NULL"


def marks(scorer: Scorer, frames: np.ndarray, found: dict[str, list[dict[str, Any]]]) -> None:
    """Watermark scores of a clip with and without marks; the text is the same."""
    found["unmarked"].append(scorer.frames(frames))
    number = len(found["unmarked"])
    for opacity, height in ((0.25, 0.06), (0.5, 0.06), (0.5, 0.12), (1.0, 0.06)):
        stamped, _ = media.stamp(
            frames, "FILMTV", opacity=opacity, height=height, corner=number % 5
        )
        found[f"mark of {height:.0%} at {opacity:.0%}"].append(scorer.frames(stamped))


def camera_errors(
    scene: Any,
    size: tuple[int, int],
    row: dict[str, Any],
    cameras: Counter[tuple[str, str | None]],
    errors: dict[str, list[float]],
) -> None:
    """Count the class, and the relative error of the speed where the class is right."""
    kind, _, way = scene.camera.partition("_")
    cameras[(kind, row[s.CAMERA])] += 1
    if kind == "static" or row[s.CAMERA] != kind:
        return
    column = {"pan": s.CAMERA_PAN, "tilt": s.CAMERA_TILT, "zoom": s.CAMERA_ZOOM}[kind]
    truth = scene.camera_speed * (1 if way in ("right", "up", "in") else -1)
    if kind != "zoom":
        truth *= min(size) / np.hypot(*size)
    errors[column].append(abs(row[column] - truth) / abs(truth))


def codecs(scorer: Scorer, clips: int) -> None:
    """How far a score differs between encodings of the same clip: (largest - smallest) / mean, median over clips."""
    spread: dict[str, list[float]] = defaultdict(list)
    columns = (s.MOTION_MEAN, s.JITTER, s.LUMA_MEAN, s.BLUR)
    for number in range(clips):
        frames = media.shake(media.moving_frames(number), 0.02, number)
        for poor in (False, True):
            rows = [scorer.frames(frames, codec, poor) for codec in media.CODECS]
            for column in columns:
                values = [row[column] for row in rows if row[column] is not None]
                if len(values) == len(rows):
                    name = f"{column}, {'poor' if poor else 'good'}"
                    spread[name].append((max(values) - min(values)) / abs(np.mean(values)))
    for name, values in sorted(spread.items()):
        print(f"| `{name}` | {np.median(values):.1%} | {max(values):.1%} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=60, help="scenes of the world (default 60)")
    parser.add_argument("--codecs", type=int, default=6, help="clips encoded four ways (default 6)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scorer = Scorer(Path(temporary))
        print("\n| cost | ms |\n|---|---|")
        scores_real.cost()
        if data := os.environ.get("FILMSTOCK_TESTDATA"):
            print("\nreal footage")
            scores_real.real(scorer.file, Path(data) / "videos")
        print("\n| score | truth | figure |\n|---|---|---|")
        world(scorer, args.scenes)
        print("\n| score, quality | median spread over four codecs | largest |\n|---|---|---|")
        codecs(scorer, args.codecs)


if __name__ == "__main__":
    main()
