"""How close the steps of ingest come to the limit of their libraries: bare decoding and encoding of the same clips.

    python benchmarks/ingest.py --rounds 3 FILE...

Without files it films one minute of the synthetic world. Steps, each including those above it: *decode* (PyAV, one
thread, frames thrown away), *split* (the low-resolution pass and the transitions), *cut* (that, and every clip as
H.264 with its scores, as ingest's workers do it). *limit* is bare decoding plus bare encoding, without looking at a
frame. The peer is PySceneDetect's AdaptiveDetector at its defaults, which finds cuts only.

Steps are interleaved, and figures are medians of the rounds in processor seconds: these do not depend on what else the
machine does, as seconds of a clock would. Start-up is not counted, nor are Ray and CLIP.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def decode(path: Path) -> None:
    """Every frame, one thread."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def transcode(path: Path) -> None:
    """Every frame decoded and encoded again by the encoder that clips get, at the clips' settings."""
    import av

    from pipeline.config import IngestConfig
    from pipeline.video.encode import ClipEncoder, rational_fps

    config = IngestConfig()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        scale = min(1.0, config.height / stream.height) if config.height else 1.0
        width, height = (int(side * scale) // 2 * 2 for side in (stream.width, stream.height))
        rate = rational_fps(stream.average_rate)
        encoder = ClipEncoder(width, height, rate, crf=config.crf)
        scaler = av.video.reformatter.VideoReformatter()
        for index, frame in enumerate(container.decode(stream)):
            small = scaler.reformat(frame, width, height, "yuv420p", threads=1)
            encoder.add(small, pts=index, duration=1)
        encoder.finish()


def split(path: Path) -> None:
    """The low-resolution pass, and the transitions found in it."""
    from pipeline.analysis import analyse
    from pipeline.shots import find_transitions

    *_, analysis = analyse(path)
    assert analysis is not None
    find_transitions(analysis)


def cut(path: Path) -> None:
    """Everything that a worker does with a source: split, cut, encode, score."""
    from pipeline.clipping import clip_source
    from pipeline.config import IngestConfig

    for _ in clip_source(str(path), IngestConfig(), 8):
        pass


def scenedetect(path: Path) -> None:
    """The peer finds its cuts."""
    from scenedetect import AdaptiveDetector, detect

    detect(str(path), AdaptiveDetector())


STEPS: dict[str, Callable[[Path], None]] = {
    "decode": decode,
    "split": split,
    "cut": cut,
    "limit": transcode,
    "scenedetect": scenedetect,
}


def length_s(path: Path) -> float:
    """Seconds of video in a file."""
    from pipeline.video.probe import probe

    return float(probe(str(path)).duration_s)


def film(folder: Path) -> list[Path]:
    """A minute of footage to measure on."""
    command = [sys.executable, "-m", "jobs.cli", "film", str(folder), "--minutes", "1"]
    subprocess.run([*command, "--files", "2"], check=True, capture_output=True)
    return sorted(folder.glob("*.mp4"))[:1]  # the last one is corrupt on purpose


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="videos to measure on")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = args.files or film(Path(folder))
        hours = sum(map(length_s, files)) / 3600
        spent: dict[str, list[float]] = {name: [] for name in STEPS}
        for step in STEPS.values():  # imports and first calls
            step(files[0])
        for _ in range(args.rounds):
            for name, step in STEPS.items():
                began = time.process_time()
                for path in files:
                    step(path)
                spent[name].append(time.process_time() - began)
        seconds = {name: statistics.median(values) for name, values in spent.items()}
    limits = {"split": "decode", "scenedetect": "decode", "cut": "limit"}
    print(f"{len(files)} files, {60 * hours:.2f} minutes of video, median of {args.rounds} rounds")
    print(f"{'step':<18}{'cpu s':>8}{'hours/core-hour':>17}   share of")
    for name, spent_s in seconds.items():
        limit = limits.get(name)
        share = f"{seconds[limit] / spent_s:.2f} {limit}" if limit else ""
        print(f"{name:<18}{spent_s:>8.2f}{3600 * hours / spent_s:>17.1f}   {share}")


if __name__ == "__main__":
    main()
