"""What the scores cost, and what they say of real footage; part of ``benchmarks/scores.py``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import schema as s

BY_EYE = {
    "01_dog": "static",
    "03_blocks": "static",
    "05_default_juggle": "static",
    "0idSKtn42WY.2": "pan",
    "1rKiSD4A1K4.28": "pan",
    "2uHKKUBTWjY.1": "pan",
    "JuIOj-qy0ck.29": "zoom",
    "R_YVZHusX4w.6": "static",
    "SBCXZbzbKE0.3": "pan",
    "YI4dFTTlGa4.7": "handheld",
    "bedroom": "handheld",
    "man-skiing": "handheld",
    "nasa_13013": "static",
    "rabbit-watermelon": "static",
}
"""What the camera of a real clip does for most of its length, judged by looking."""


def cost() -> None:
    """Processor milliseconds of each score."""
    from pipeline.motion import camera_motion
    from pipeline.scores import colours, nsfw, text_area, watermark
    from pipeline.scores import pixels as scores
    from pipeline.video import letterbox

    rng = np.random.default_rng(0)
    grey = rng.random((129, 18, 32), np.float32)
    samples = rng.integers(0, 256, (8, 256, 456, 3), dtype=np.uint8)
    full = np.full((1080, 1920), 16, np.uint8)
    full[140:-140] = rng.integers(30, 235, (800, 1920), dtype=np.uint8)
    detector = text_area.TextDetector()
    work = {
        "camera steps, per frame (24 frames/s)": (
            lambda: camera_motion.camera_steps(grey[:-1], grey[1:]),
            128 * 2,
        ),
        "bars of a 1080p frame with bars, 4 a second": (lambda: letterbox.luma_bars(full), 1),
        "bars of one without": (lambda: letterbox.luma_bars(full[140:-140]), 1),
        "exposure, per clip": (lambda: scores.exposure_scores(samples), 1),
        "sharpness, per clip": (lambda: scores.blur_score(samples), 1),
        "watermark, per clip": (lambda: watermark.watermark_score(samples), 1),
        "text found and read, per clip (2 frames)": (
            lambda: text_area.find_text(detector, samples, 2),
            1,
        ),
        "main colours, per clip": (lambda: colours.main_colours(samples), 1),
    }
    try:
        network = nsfw.NsfwDetector()
        work["nsfw, per clip (8 frames)"] = (lambda: network(samples), 1)
    except ModuleNotFoundError:
        pass
    for name, (function, per) in work.items():
        function()
        times = []
        for _ in range(5):
            start = time.process_time()
            function()
            times.append((time.process_time() - start) / per * 1000)
        print(f"| {name} | {np.median(times):.3g} |")


def real(score: Callable[[Path], list[dict[str, Any]]], folder: Path) -> None:
    """Scores of real clips, and their camera beside what it does by eye."""
    rows: list[dict[str, Any]] = []
    agree = total = 0
    for path in sorted(folder.glob("*.mp4")):
        clips = score(path)
        rows += clips
        longest = max(clips, key=lambda row: row[s.END_S] - row[s.START_S])
        seen = BY_EYE.get(path.stem)
        if seen:
            total += 1
            agree += longest[s.CAMERA] == seen
        print(f"{path.stem}: camera {longest[s.CAMERA]}, by eye {seen}, jitter {longest[s.JITTER] or 0:.3f}, "
              f"text {longest[s.TEXT_AREA]:.3f}, mark {longest[s.WATERMARK]}, clips {len(clips)}")  # fmt: skip
    print(f"camera agrees with the eye on {agree} of {total}; {len(rows)} clips:")
    for column in (*(c for c in s.SCORE_COLUMNS if c not in s.WORD_SCORES), *s.CROP_COLUMNS):
        values = [row.get(column) for row in rows if row.get(column) is not None]
        if values:
            low, middle, high = np.percentile(values, [0, 50, 100])
            print(
                f"| `{column}` | {low:.3g} | {middle:.3g} | {high:.3g} | {len(rows) - len(values)} NULL |"
            )
    cropped = sum(
        row[s.CROP_W] not in (None, row[s.WIDTH]) or row[s.CROP_H] not in (None, row[s.HEIGHT])
        for row in rows
    )
    print(f"{cropped} of {len(rows)} cropped; none has bars")
