"""VideoX-Fun: a JSON list of files, texts and types, and the options of its training scripts.

Its stride is 1, since the clips are at the model's rate; its default of 4 would speed motion up. A clip that is shorter
than ``video_sample_n_frames`` is taken whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json


def files(export: Export) -> Iterator[File]:
    """The list, and a line of options."""
    rows = [
        {
            "file_path": clip.media,
            "text": clip.caption,
            "type": "video",
            "width": clip.width,
            "height": clip.height,
        }
        for clip in export.clips
    ]
    yield "metadata.json", to_json(rows)
    side = round((export.largest[0] * export.largest[1]) ** 0.5)
    yield (
        "options.txt",
        f"--train_data_dir={export.root} --train_data_meta={export.root}/metadata.json "
        f"--video_sample_n_frames={max(export.frames)} --video_sample_stride=1 "
        f"--video_sample_size={side} --enable_bucket\n",
    )


TARGET = Target(
    name="videox-fun",
    reads="aigc-apps/VideoX-Fun videox_fun/data/dataset_image_video.py",
    images=False,
    files=files,
)
