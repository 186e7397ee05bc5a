"""VideoFolder of Hugging Face datasets: ``load_dataset("videofolder", data_dir=...)``, and the viewer of the hub."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_jsonl


def files(export: Export) -> Iterator[File]:
    """``metadata.jsonl`` beside the videos."""
    yield (
        "train/metadata.jsonl",
        to_jsonl(
            {
                "file_name": clip.media.removeprefix("train/"),
                "caption": clip.caption,
                "captions": list(clip.captions),
                "num_frames": clip.n_frames,
                "fps": clip.fps,
                "width": clip.width,
                "height": clip.height,
                "duration": clip.duration_s,
            }
            for clip in export.clips
        ),
    )


TARGET = Target(
    name="videofolder",
    reads="huggingface/datasets packaged_modules/videofolder",
    media="train/{name}.mp4",
    many_captions=True,
    audio=True,
    files=files,
)
