"""How close the steps of ingest come to the limit of their libraries: bare decoding and encoding of the same clips.

    python benchmarks/ingest.py --rounds 3 FILE...

Without files it films one minute of the synthetic world. Steps, each including those above it: *decode* (PyAV, one
thread, frames thrown away), *split* (the low-resolution pass and the transitions), *cut* (that, and every clip as
H.264 with its scores, as ingest's workers do it). *limit* is bare decoding plus bare encoding, without looking at a
frame. The peers: PySceneDetect's AdaptiveDetector at its defaults, which finds cuts only; the same with its own
``split_video_ffmpeg``; and FFmpeg by itself, its scene score for the cuts and its segment muxer for the clips. Both
encode as our clips are encoded, on one thread.

Steps are interleaved, and figures are medians of the rounds in processor seconds, those of child processes included:
they do not depend on what else the machine does, as seconds of a clock would. Start-up is not counted, nor are Ray and
CLIP: ``ingest_command.py`` measures the whole command, ``ingest_memory.py`` its memory.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# as in ingest's decoding child (video/isolate.py): numpy's second thread spends its time waiting for the first
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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
    from pipeline.motion.analysis import analyse

    *_, analysis = analyse(path)
    assert analysis is not None
    analysis.transitions()


def cut(path: Path) -> None:
    """Everything that a worker does with a source: split, cut, encode, score."""
    from pipeline.config import IngestConfig
    from pipeline.source.clips import clip_source

    for _ in clip_source(str(path), IngestConfig(), 8):
        pass


def scenedetect(path: Path) -> None:
    """The peer finds its cuts."""
    from scenedetect import AdaptiveDetector, detect

    detect(str(path), AdaptiveDetector())


def scenedetect_split(path: Path) -> None:
    """The peer finds its cuts and has FFmpeg cut the clips."""
    import imageio_ffmpeg
    from scenedetect import AdaptiveDetector, detect, split_video_ffmpeg

    with tempfile.TemporaryDirectory() as folder:
        # it calls whatever `ffmpeg` is on PATH
        (Path(folder) / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        before, os.environ["PATH"] = os.environ["PATH"], folder + os.pathsep + os.environ["PATH"]
        try:
            scenes = detect(str(path), AdaptiveDetector(), start_in_scene=True)
            failed = split_video_ffmpeg(
                str(path), scenes, folder, arg_override="-map 0:v:0 " + " ".join(encoder_args())
            )
            if failed or len(list(Path(folder).glob("*.mp4"))) != len(scenes):
                raise RuntimeError(f"split_video_ffmpeg left clips out of {path}")
        finally:
            os.environ["PATH"] = before


def ffmpeg_split(path: Path) -> None:
    """FFmpeg alone: one pass for the cuts, one for the clips."""
    import imageio_ffmpeg

    start = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-threads", "1", "-i", str(path)]
    look = ["-an", "-vf", "select='gt(scene,0.3)',showinfo", "-f", "null", "-"]
    told = subprocess.run([*start, *look], check=True, capture_output=True, text=True).stderr
    cuts = re.findall(r"showinfo.* pts_time:([\d.]+)", told)
    with tempfile.TemporaryDirectory() as folder:
        pieces = [
            "-force_key_frames",
            ",".join(cuts),
            "-f",
            "segment",
            "-segment_times",
            ",".join(cuts),
        ]
        options = [*encoder_args(), *(pieces if cuts else [])]
        command = [*start, *options, str(Path(folder) / "clip-%05d.mp4")]
        subprocess.run(command, check=True, capture_output=True)


def encoder_args() -> list[str]:
    """FFmpeg's options for clips like ours."""
    from pipeline.config import IngestConfig
    from pipeline.video.encode import PRESET

    quality = ["-crf", str(IngestConfig().crf), "-preset", PRESET]
    return ["-c:v", "libx264", *quality, "-threads", "1", "-an"]


def spent_s() -> float:
    """Processor seconds of this process and of the children it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


STEPS: dict[str, Callable[[Path], None]] = {
    "decode": decode,
    "split": split,
    "cut": cut,
    "limit": transcode,
    "scenedetect": scenedetect,
    "scenedetect+split": scenedetect_split,
    "ffmpeg scene+segment": ffmpeg_split,
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
                began = spent_s()
                for path in files:
                    step(path)
                spent[name].append(spent_s() - began)
        seconds = {name: statistics.median(values) for name, values in spent.items()}
    limits = dict.fromkeys(STEPS, "limit") | {"split": "decode", "scenedetect": "decode"}
    print(f"{len(files)} files, {60 * hours:.2f} minutes of video, median of {args.rounds} rounds")
    print(f"{'step':<22}{'cpu s':>8}{'hours/core-hour':>17}   share of")
    for name, used in seconds.items():
        share = (
            "" if name in limits.values() else f"{seconds[limits[name]] / used:.2f} {limits[name]}"
        )
        print(f"{name:<22}{used:>8.2f}{3600 * hours / used:>17.1f}   {share}")


if __name__ == "__main__":
    main()
