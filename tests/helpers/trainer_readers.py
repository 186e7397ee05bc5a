"""Readers of what trainers read, by the contracts of their loaders: each gives file name -> (captions, frames)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import av

Read = dict[str, tuple[list[str], int]]


def decoded(path: Path) -> int:
    """Frames of a file, decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def diffusion_pipe(root: Path) -> Read:
    """Flat folder, captions.json of lists; the longest frame bucket that a clip fills, none for a video is a loss."""
    settings = tomllib.loads((root / "dataset.toml").read_text())
    buckets = settings["frame_buckets"]
    assert len(settings["resolutions"][0]) == 2 and settings["enable_ar_bucket"] is True
    found = {}
    for directory in settings["directory"]:
        folder = Path(directory["path"])
        captions = json.loads((folder / "captions.json").read_text())
        for path in sorted(folder.glob("*.mp4")):
            assert isinstance(captions[path.name], list)
            frames = decoded(path)
            assert max(b for b in buckets if b <= frames) == frames > 1
            found[path.stem] = (captions[path.name], frames)
    return found


MUSUBI_GENERAL = {
    "caption_extension", "batch_size", "num_repeats", "enable_bucket", "bucket_no_upscale", "resolution",
}  # fmt: skip
MUSUBI_VIDEO = MUSUBI_GENERAL | {
    "video_directory", "video_jsonl_file", "control_directory", "cache_directory", "target_frames",
    "frame_extraction", "frame_stride", "frame_sample", "max_frames", "source_fps",
}  # fmt: skip


def musubi_tuner(root: Path) -> Read:
    """Known keys only; JSONL of video_path and caption; ``full`` takes 4n+1 frames up to max_frames."""
    settings = tomllib.loads((root / "dataset.toml").read_text())
    assert set(settings) == {"general", "datasets"} and set(settings["general"]) <= MUSUBI_GENERAL
    found, caches = {}, set()
    for part in settings["datasets"]:
        assert set(part) <= MUSUBI_VIDEO and part["frame_extraction"] == "full"
        caches.add(part["cache_directory"])
        for line in Path(part["video_jsonl_file"]).read_text().splitlines():
            row = json.loads(line)
            assert set(row) == {"video_path", "caption"}
            path = Path(row["video_path"])
            frames = decoded(path)
            assert frames <= part["max_frames"] and (frames - 1) % 4 == 0
            found[path.stem] = ([row["caption"]], frames)
    assert len(caches) == len(settings["datasets"])
    return found


def videofolder(root: Path) -> Read:
    """The loader of Hugging Face datasets itself."""
    import datasets

    rows = datasets.load_dataset(
        "videofolder", data_dir=str(root), split="train", cache_dir=str(root.parent / "cache")
    ).cast_column("video", datasets.Video(decode=False))
    assert {"caption", "captions", "fps"} <= set(rows.column_names)
    return {
        Path(row["video"]["path"]).stem: (
            list(row["captions"]),
            decoded(Path(row["video"]["path"])),
        )
        for row in rows
    }
