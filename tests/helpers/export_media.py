"""Shards for exports: counter videos of several rates, lengths and shapes, with captions of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import schema as s
from pipeline.shards.write import ShardWriter
from pipeline.tables import shards_schema
from tests.helpers.counter_media import counter_frame, write_video

DENSE = (
    "A large red circle moves slowly to the right, starting on the left. "
    "The background is plain green. The camera is static. The light is even."
)
"""A dense caption in the world's wording: a structured one can be taken from it."""
PROFILE = """
fps = 16
frame_step = 4
frames = [17, 33]
divisor = 16
sizes = [[160, 96], [96, 160]]
text_tokens = 64
audio = true
"""
"""A model of counter videos: 16 frames a second, 17 or 33 frames, 160x96."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One counter clip."""

    name: str
    n_frames: int = 41
    fps: int = 16
    size: tuple[int, int] = (160, 96)
    sound: bool = False
    pts: tuple[int, ...] = ()
    """Timestamps in 1/600 s, for a rate that varies."""
    captions: tuple[str, ...] = ("short", "dense", "structured")

    @property
    def duration_s(self) -> float:
        """Seconds shown; a variable rate's last frame lasts as long as the one before."""
        if self.pts:
            return (2 * self.pts[-1] - self.pts[-2]) / 600
        return self.n_frames / self.fps


CLIPS = (
    Made(name="exact33", n_frames=33),
    Made(name="fast25", n_frames=60, fps=25, sound=True),
    Made(name="tall", n_frames=60, fps=30, size=(96, 160)),
    Made(name="varying", n_frames=30, pts=tuple(i * 25 + (i % 3) * 10 for i in range(30))),
    Made(name="slow8", n_frames=24, fps=8),
    Made(name="still", n_frames=1),
    Made(name="brief", n_frames=8),
    Made(name="unsaid", n_frames=40, captions=("short",)),
    Made(name="wide", n_frames=40, size=(256, 48)),
)
"""Four clips that fit ``PROFILE``, and one of each kind that does not."""


@cache
def video_bytes(made: Made) -> bytes:
    """The MP4 file of a clip."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        frames = [counter_frame(i, made.size) for i in range(made.n_frames)]
        if made.pts:
            write_video(path, frames, pts=made.pts, time_base=Fraction(1, 600))
        else:
            write_video(path, frames, rate=Fraction(made.fps), audio=made.sound)
        return path.read_bytes()


def export_rows(clips: tuple[Made, ...] = CLIPS) -> list[dict[str, Any]]:
    """Rows of shards."""
    texts = {
        s.CAPTION_SHORT: "A red circle moves right.",
        s.CAPTION_DENSE: DENSE,
        s.CAPTION_STRUCTURED: '{"subjects":[{"name":"circle","appearance":"large red",'
        '"action":"moves right"}],"camera":"is static"}',
    }
    rows = []
    for i, made in enumerate(clips):
        have = {
            name: text
            for name, text in texts.items()
            if name.removeprefix("caption_") in made.captions
        }
        rows.append(
            {
                s.CLIP_ID: made.name,
                s.VIDEO: video_bytes(made),
                s.N_FRAMES: made.n_frames,
                s.FPS: made.n_frames / made.duration_s,
                s.WIDTH: made.size[0],
                s.HEIGHT: made.size[1],
                s.START_S: 0.0,
                s.END_S: made.duration_s,
                s.SPLIT: "validation" if i == 3 else "train",
                **have,
            }
        )
    return rows


def export_shards(folder: Path, clips: tuple[Made, ...] = CLIPS) -> Path:
    """Finished shards of ``clips``; returns their folder."""
    with ShardWriter(folder / "shards", shards_schema(), shard_bytes=60_000) as writer:
        for row in export_rows(clips):
            writer.add(row)
    return folder / "shards"


def write_profile(folder: Path, text: str = PROFILE) -> Path:
    """A profile file."""
    path = folder / "counter.toml"
    path.write_text(text)
    return path
