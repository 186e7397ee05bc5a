"""What of the clips will be encoded: sizes, frames and seconds, said before the work, with how to change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import schema as s

if TYPE_CHECKING:
    from jobs.shards.encode_chunk import Task
    from pipeline.config import EncodeConfig
    from pipeline.contracts import Vae

SIZES_SHOWN = 3
"""Pairs of sizes named, the most frequent first."""


def view_lines(tasks: Sequence[Task], config: EncodeConfig) -> list[str]:
    """Lines on what the VAE will see of the clips: ``24 clips, 1280x720 as 80x48 (20), ...`` and ``41 of 96 s``."""
    sizes = Counter(
        (task.source[s.WIDTH], task.source[s.HEIGHT], task.shape[2], task.shape[1])
        for task in tasks
    )
    told = [
        f"{w}x{h} as {x}x{y} ({n})" if (w, h) != (x, y) else f"{w}x{h} whole ({n})"
        for (w, h, x, y), n in sizes.most_common(SIZES_SHOWN)
    ]
    if len(sizes) > SIZES_SHOWN:
        told.append(f"{len(sizes) - SIZES_SHOWN} more sizes")
    native = sum(task.source[s.N_FRAMES] / task.source[s.FPS] for task in tasks)
    used = sum(
        min(task.shape[0] / config.fps, task.source[s.N_FRAMES] / task.source[s.FPS])
        for task in tasks
    )
    frames = Counter(task.shape[0] for task in tasks)
    most = max(frames)
    span = f"{min(frames)} to {most}" if len(frames) > 1 else str(most)
    lines = [
        f"{len(tasks)} clips, {', '.join(told)}",
        f"{span} frames of each at {config.fps:g} a second: {used:.1f} of {native:.1f} s ({share(used, native)})",
    ]
    if used < 0.99 * native or any((w, h) != (x, y) for w, h, x, y in sizes):
        lines.append(
            f"--max-pixels {config.max_pixels}, --max-frames {config.max_frames} and --fps {config.fps:g} set that; "
            "larger values see more and take longer"
        )
    return lines


def memory_lines(vae: Vae, tasks: Sequence[Task]) -> list[str]:
    """A line where a VAE needs more memory for a longer clip."""
    if getattr(vae, "in_pieces", True):
        return []
    most = max(task.shape[0] for task in tasks)
    return [
        f"this VAE takes a clip whole: its memory grows with the clip, up to {most} frames here; --max-frames bounds it"
    ]


def share(part: float, whole: float) -> str:
    """A share in per cent."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
