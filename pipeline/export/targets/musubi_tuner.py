"""musubi-tuner: a JSONL of videos and captions, and a TOML; a cache folder for each size.

``frame_extraction = "full"`` takes each clip once, at its own count of frames. Without ``source_fps`` it takes every
frame of a file, whatever the file's rate: the clips must be at the model's rate already, which ``--model`` sees to.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_jsonl, to_toml


def files(export: Export) -> Iterator[File]:
    """A JSONL for each size, for a dataset of musubi-tuner has one resolution, and the TOML that names them."""
    datasets = []
    for size in sorted({clip.bucket for clip in export.clips}):
        name = f"{size[0]}x{size[1]}"
        clips = [clip for clip in export.clips if clip.bucket == size]
        rows = [{"video_path": export.path(clip), "caption": clip.caption} for clip in clips]
        yield f"videos_{name}.jsonl", to_jsonl(rows)
        datasets.append(
            {
                "resolution": list(size),
                "video_jsonl_file": f"{export.root}/videos_{name}.jsonl",
                "cache_directory": f"{export.root}/cache/{name}",
                "frame_extraction": "full",
                "max_frames": max(clip.n_frames for clip in clips),
            }
        )
    general = {
        "caption_extension": ".txt",
        "batch_size": export.batch,
        "enable_bucket": True,
        "bucket_no_upscale": False,
        "num_repeats": 1,
    }
    yield "dataset.toml", to_toml({"general": general, "datasets": datasets})


TARGET = Target(
    name="musubi-tuner",
    reads="kohya-ss/musubi-tuner src/musubi_tuner/dataset",
    images=False,
    files=files,
)
