"""cosmos-framework: a JSONL of videos with one window each, the caption as its JSON object and as prose.

The names are those of its recipes: ``DATASET_PATH`` is the export. Its loader drops windows of fewer than 61 frames and
videos of more than 61 s.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.plan import Fit, Refusal, Shape
from pipeline.export.target import Export, File, Target, to_jsonl

LEAST_FRAMES, LONGEST_S = 61, 61.0
"""What its loader takes."""


def refuses(fit: Fit, shape: Shape) -> Refusal | None:
    """Windows and videos that the loader would drop."""
    if fit.n_frames < LEAST_FRAMES:
        return Refusal.TOO_SHORT
    return Refusal.TOO_LONG if fit.n_frames / fit.fps > LONGEST_S else None


def files(export: Export) -> Iterator[File]:
    """The table, with paths relative to it."""
    yield (
        "train/video_dataset_file.jsonl",
        to_jsonl(
            {
                "uuid": clip.name,
                "duration": clip.duration_s,
                "width": clip.width,
                "height": clip.height,
                "nb_frames": clip.n_frames,
                "framerate": clip.fps,
                "vision_path": clip.media.removeprefix("train/"),
                "t2w_windows": [
                    {
                        "start_frame": 0,
                        "end_frame": clip.n_frames - 1,
                        "temporal_interval": 1,
                        "caption_json": clip.structured,
                        "caption": clip.caption,
                    }
                ],
            }
            for clip in export.clips
        ),
    )


TARGET = Target(
    name="cosmos-framework",
    reads="NVIDIA/cosmos-framework cosmos_framework/data/generator/local_datasets/sft_dataset.py",
    media="train/videos/{name}.mp4",
    structured=True,
    images=False,
    refuses=refuses,
    files=files,
)
