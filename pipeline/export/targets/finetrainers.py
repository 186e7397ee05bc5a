"""finetrainers: videos beside ``metadata.jsonl``, and ``dataset.json`` with the buckets that occur.

A file called ``training.json`` in that folder would be taken for the split ``train``, and the videos for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json, to_jsonl


def files(export: Export) -> Iterator[File]:
    """``metadata.jsonl`` at the top, which its loader looks for, and the dataset's JSON."""
    rows = ({"file_name": clip.media, "caption": clip.caption} for clip in export.clips)
    yield "metadata.jsonl", to_jsonl(rows)
    dataset = {
        "data_root": export.root,
        "dataset_type": "video",
        "video_resolution_buckets": [[f, height, width] for width, height, f in export.buckets],
        "reshape_mode": "bicubic",
        "remove_common_llm_caption_prefixes": False,
    }
    yield "dataset.json", to_json({"datasets": [dataset]})


TARGET = Target(
    name="finetrainers",
    reads="a-r-r-o-w/finetrainers finetrainers/data/dataset.py",
    media="{name}.mp4",
    images=False,
    files=files,
)
