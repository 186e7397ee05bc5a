"""Open-Sora: a CSV of paths, texts and shapes, and a config whose buckets hold every clip.

A bucket takes clips of at least 0.8 of its pixels and its count of frames; smaller ones would be dropped in silence. So
its side is that of the smallest clip. It picks every second frame of clips above ``fps_max``.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_csv


def files(export: Export) -> Iterator[File]:
    """The table and the config."""
    yield (
        "train.csv",
        to_csv(
            {
                "path": export.path(clip),
                "text": clip.caption,
                "num_frames": clip.n_frames,
                "height": clip.height,
                "width": clip.width,
                "aspect_ratio": clip.height / clip.width,
                "resolution": clip.height * clip.width,
                "fps": clip.fps,
            }
            for clip in export.clips
        ),
    )
    areas = [min(c.width * c.height, c.bucket[0] * c.bucket[1]) for c in export.clips]
    side = int(min(areas) ** 0.5)
    buckets = {f"{side}px": {frames: (1.0, export.batch) for frames in export.frames}}
    yield (
        "dataset.py",
        '"""Dataset of an Open-Sora config: ``_base_ = ["dataset.py"]`` in your own."""\n\n'
        f"dataset = dict(\n    type='video_text',\n    transform_name='resize_crop',\n"
        f"    data_path={export.root + '/train.csv'!r},\n    fps_max={fps_max(export)},\n)\n"
        f"bucket_config = {buckets!r}\n",
    )


def fps_max(export: Export) -> int:
    """A whole rate that no clip is above."""
    return -int(-max(clip.fps for clip in export.clips) // 1)


TARGET = Target(
    name="open-sora",
    reads="hpcaitech/Open-Sora opensora/datasets",
    images=False,
    files=files,
)
