"""What encode says before it begins: sizes, frames, seconds, and the options that set them."""

from __future__ import annotations

from types import SimpleNamespace

from jobs.shards.encode_chunk import Task
from jobs.shards.encode_view import memory_lines, view_lines
from pipeline import schema as s
from pipeline.config import EncodeConfig


def task(width: int, height: int, frames: int, shape: tuple[int, int, int]) -> Task:
    source = {s.WIDTH: width, s.HEIGHT: height, s.N_FRAMES: frames, s.FPS: 25.0}
    return Task(clip_id="a", source=source, shape=shape, captions={}, key="k")


def test_what_is_shrunk_and_left_unseen_is_said() -> None:
    tasks = [
        task(1280, 720, 100, (17, 48, 80)),
        task(1280, 720, 100, (17, 48, 80)),
        task(64, 64, 25, (5, 64, 64)),
    ]
    lines = view_lines(tasks, EncodeConfig())
    assert lines[0] == "3 clips, 1280x720 as 80x48 (2), 64x64 whole (1)"
    assert lines[1] == "5 to 17 frames of each at 8 a second: 4.9 of 9.0 s (54 %)"
    assert lines[2].startswith("--max-pixels 4096, --max-frames 17 and --fps 8 set that")


def test_a_vae_whose_memory_grows_says_so() -> None:
    tasks = [task(64, 64, 25, (9, 64, 64)), task(64, 64, 25, (17, 64, 64))]
    whole, pieces = SimpleNamespace(in_pieces=False), SimpleNamespace(in_pieces=True)
    assert memory_lines(pieces, tasks) == memory_lines(SimpleNamespace(), tasks) == []  # type: ignore[arg-type]
    (line,) = memory_lines(whole, tasks)  # type: ignore[arg-type]
    assert "up to 17 frames here; --max-frames bounds it" in line


def test_nothing_is_advised_where_all_is_seen() -> None:
    lines = view_lines([task(64, 64, 25, (9, 64, 64))], EncodeConfig())
    assert lines == [
        "1 clips, 64x64 whole (1)",
        "9 frames of each at 8 a second: 1.0 of 1.0 s (100 %)",
    ]
