"""Shot boundaries against exact or hand-made labels, beside PySceneDetect; and speed as a share of bare decoding.

    FILMSTOCK_TESTDATA=... python -m benchmarks.shots --real test.mp4 --speed

A cut is found within 2 frames of the first frame of its new shot; a gradual transition by one boundary inside its mixed
frames or within 2 of them; every other boundary is false. The composites are those of ``FILMSTOCK_TESTDATA/shots/dev``
(or of --truth FILE, beside its videos); the labels of the real edit are ``benchmarks/labels/music_video.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.analysis import analyse
from pipeline.shot_list import list_shots
from pipeline.video.cut import read_frames
from pipeline.video.probe import open_media, pick_stream

LABELS = Path(__file__).resolve().parent / "labels" / "music_video.json"
TOLERANCE = 2
"""Frames by which a boundary may be off."""
Detector = Callable[[Path], list[int]]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Boundaries found, missed and false of some files."""

    right: int
    """Labelled boundaries that were found."""
    missed: tuple[str, ...]
    """Those that were not, as ``file:frame`` or ``file:first-last``."""
    false: tuple[str, ...]
    """Boundaries that are none, as ``file:frame``."""
    minutes: float
    """Length of the files, minutes."""

    @property
    def precision(self) -> float:
        """Share of the boundaries reported that are right."""
        return self.right / max(1, self.right + len(self.false))

    @property
    def recall(self) -> float:
        """Share of the labelled boundaries that were found."""
        return self.right / max(1, self.right + len(self.missed))

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.right / max(1, 2 * self.right + len(self.false) + len(self.missed))


def score(truth: dict[str, dict[str, Any]], found: dict[str, list[int]]) -> Score:
    """Match boundaries to labels, each at most once; ``either`` spans count for nothing.

    ``truth``: file -> fps, frames, cuts [frame], gradual [[first, last]], and perhaps either [[first, last]].
    """
    right, minutes = 0, 0.0
    missed: list[str] = []
    false: list[str] = []
    for name, labels in truth.items():
        minutes += labels["frames"] / labels["fps"] / 60
        left = sorted(found.get(name, []))
        spans = [(cut, cut) for cut in labels["cuts"]]
        spans += [(first, last + 1) for first, last in labels["gradual"]]
        for first, last in spans:
            near = [at for at in left if first - TOLERANCE <= at <= last + TOLERANCE]
            if near:
                left.remove(min(near, key=lambda at: abs(at - (first + last) / 2)))
                right += 1
            else:
                missed.append(f"{name}:{first}" + (f"-{last - 1}" if last > first else ""))
        free = labels.get("either", [])
        false += [
            f"{name}:{at}"
            for at in left
            if not any(first - TOLERANCE <= at <= last + TOLERANCE for first, last in free)
        ]
    return Score(right=right, missed=tuple(missed), false=tuple(false), minutes=minutes)


def filmstock(path: Path) -> list[int]:
    """Boundaries by our detector."""
    *_, found = list_shots(str(path))
    assert found is not None
    return found.boundaries


def adaptive(path: Path) -> list[int]:
    """Boundaries by PySceneDetect's AdaptiveDetector at its defaults."""
    from scenedetect import AdaptiveDetector, detect

    return [scene[0].frame_num for scene in detect(str(path), AdaptiveDetector())[1:]]


def adaptive_short(path: Path) -> list[int]:
    """The same with shots of 3 frames allowed (its default is 15)."""
    from scenedetect import AdaptiveDetector, detect

    return [
        scene[0].frame_num for scene in detect(str(path), AdaptiveDetector(min_scene_len=3))[1:]
    ]


def detectors() -> dict[str, Detector]:
    """Every detector that is installed."""
    found: dict[str, Detector] = {"filmstock": filmstock}
    if importlib.util.find_spec("scenedetect"):
        found |= {"Adaptive": adaptive, "Adaptive, 3 frames": adaptive_short}
    return found


def bare_decode(path: Path) -> int:
    """Decode every frame on one thread and do nothing with it; the number of frames."""
    with open_media(path) as container:
        return sum(1 for _ in read_frames(pick_stream(container, path), path))


def speed(path: Path, rounds: int) -> dict[str, float]:
    """Frames per CPU second of bare decoding and of our pass, taken in turns; medians."""
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    n = bare_decode(path)
    for _ in range(rounds):
        start = time.process_time()
        bare_decode(path)
        middle = time.process_time()
        for _ in analyse(path, scores=False):
            pass
        times["bare"].append(middle - start)
        times["ours"].append(time.process_time() - middle)
    bare, ours = (sorted(each)[rounds // 2] for each in times.values())
    return {"bare_fps": n / bare, "ours_fps": n / ours, "share": bare / ours}


def real_truth(path: Path) -> dict[str, dict[str, Any]]:
    """Labels of the real edit, if this is the file they were made on."""
    labels = json.loads(LABELS.read_text())
    if hashlib.sha256(path.read_bytes()).hexdigest() != labels["sha256"]:
        raise SystemExit(f"{path} is not the labelled file (see {LABELS.parent.name}/README.md)")
    return {path.name: labels}


def report(title: str, folder: Path, truth: dict[str, dict[str, Any]], lists: bool) -> dict:
    """Print one line per detector; the figures as a dict."""
    results = {}
    for name, detector in detectors().items():
        got = score(truth, {file: detector(folder / file) for file in truth})
        results[name] = asdict(got)
        print(
            f"{title:<12} {name:<20} F1 {got.f1:.3f}  precision {got.precision:.3f}  recall {got.recall:.3f}  "
            f"false a minute {len(got.false) / got.minutes:.2f}  ({got.right} right, {len(got.missed)} missed, "
            f"{len(got.false)} false)",
            flush=True,
        )
        if lists and name == "filmstock":
            print("  missed:", *got.missed)
            print("  false:", *got.false)
    return results


def main() -> None:
    """Print the table, and the same as JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, help="truth.json beside its videos")
    parser.add_argument("--real", type=Path, help="the music video the labels were made on")
    parser.add_argument("--lists", action="store_true", help="name what we miss and make up")
    parser.add_argument("--speed", action="store_true", help="time the first composite")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    data = os.environ.get("FILMSTOCK_TESTDATA")
    truth_file = args.truth or (Path(data) / "shots" / "dev" / "truth.json" if data else None)
    results: dict[str, Any] = {}
    if truth_file is not None:
        truth = json.loads(truth_file.read_text())
        results["composites"] = report("composites", truth_file.parent, truth, args.lists)
        if args.speed:
            results["speed"] = speed(truth_file.parent / next(iter(truth)), args.rounds)
            print("speed", {key: round(value, 3) for key, value in results["speed"].items()})
    if args.real is not None:
        results["real"] = report("real edit", args.real.parent, real_truth(args.real), args.lists)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
