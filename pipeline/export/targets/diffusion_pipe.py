"""diffusion-pipe: a flat folder of videos and ``captions.json``, and a TOML with buckets of aspects and of frames.

It brings every video to its model's rate by itself, puts it into the longest frame bucket that it fills and skips what
fills none; buckets with less than a batch are dropped whole. ``size_buckets`` would name exact shapes, but it matches
them by position in a list of distinct aspects (commit 8f83dbf), so several lengths of one aspect go astray.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.export.target import Export, File, Target, to_json, to_toml


def files(export: Export) -> Iterator[File]:
    """Captions of every clip, and the dataset's TOML."""
    names = {clip.media.rpartition("/")[2]: list(clip.captions) for clip in export.clips}
    yield "videos/captions.json", to_json(names)
    settings: dict[str, Any] = {
        "resolutions": [list(export.largest)],
        "enable_ar_bucket": True,
        "frame_buckets": export.frames,
    }
    if export.profile is None:
        aspects = [clip.width / clip.height for clip in export.clips]
        settings |= {"min_ar": min(aspects), "max_ar": max(aspects), "num_ar_buckets": 7}
    else:
        settings["ar_buckets"] = [list(size) for size in sorted({c.bucket for c in export.clips})]
    settings["directory"] = [{"path": f"{export.root}/videos", "num_repeats": 1}]
    yield "dataset.toml", to_toml(settings)


TARGET = Target(
    name="diffusion-pipe",
    reads="tdrussell/diffusion-pipe utils/dataset.py",
    many_captions=True,
    audio=True,
    images=False,
    drops_small_buckets=True,
    files=files,
)
