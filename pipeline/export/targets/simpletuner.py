"""SimpleTuner: a JSONL table with captions and shapes, and ``multidatabackend.json`` with its Parquet backend.

A row needs its count of frames, or the clip is skipped. Buckets go by resolution and frames, so that one folder holds
clips of several lengths. With ``--caption mix`` a list of captions is one caption drawn each time.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json, to_jsonl


def files(export: Export) -> Iterator[File]:
    """The table in the folder of the videos, and the backends."""
    yield (
        "videos/captions.jsonl",
        to_jsonl(
            {
                "id": clip.media.rpartition("/")[2],
                "caption": list(clip.captions) if len(clip.captions) > 1 else clip.caption,
                "width": clip.width,
                "height": clip.height,
                "num_frames": clip.n_frames,
                "fps": clip.fps,
            }
            for clip in export.clips
        ),
    )
    area = export.largest[0] * export.largest[1]
    step = export.profile.frame_step if export.profile else 1
    video = {
        "id": "filmstock-videos",
        "type": "local",
        "dataset_type": "video",
        "instance_data_dir": f"{export.root}/videos",
        "cache_dir_vae": f"{export.root}/cache/vae",
        "resolution": round(area**0.5),
        "resolution_type": "pixel_area",
        "crop": False,
        "caption_strategy": "parquet",
        "metadata_backend": "parquet",
        "parquet": {
            "path": f"{export.root}/videos/captions.jsonl",
            "filename_column": "id",
            "caption_column": "caption",
            "width_column": "width",
            "height_column": "height",
            "num_frames_column": "num_frames",
            "fps_column": "fps",
            "identifier_includes_extension": True,
        },
        "video": {
            "bucket_strategy": "resolution_frames",
            "frame_interval": step,
            "min_frames": min(export.frames),
            "max_frames": max(export.frames),
            "is_i2v": False,
        },
    }
    text = {
        "id": "filmstock-text",
        "type": "local",
        "dataset_type": "text_embeds",
        "default": True,
        "cache_dir": f"{export.root}/cache/text",
    }
    yield "multidatabackend.json", to_json([video, text])


TARGET = Target(
    name="simpletuner",
    reads="bghira/SimpleTuner simpletuner/helpers/metadata/backends/parquet.py",
    many_captions=True,
    images=False,
    files=files,
)
