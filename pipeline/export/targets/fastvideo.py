"""FastVideo: ``videos/`` and ``videos2caption.json``, which its encoding step reads.

It counts frames as ``ceil(fps * duration)``, so a duration that is rounded up would promise a frame that is not there;
ours are rounded down. Rows without frames, rate or size are dropped by its validator.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json


def files(export: Export) -> Iterator[File]:
    """The list, and ``merge.txt``, which names the folder and the list for its older scripts."""
    yield (
        "videos2caption.json",
        to_json(
            [
                {
                    "path": clip.media.rpartition("/")[2],
                    "cap": list(clip.captions),
                    "fps": clip.fps,
                    "num_frames": clip.n_frames,
                    "duration": clip.duration_s,
                    "resolution": {"width": clip.width, "height": clip.height},
                }
                for clip in export.clips
            ]
        ),
    )
    yield "merge.txt", f"{export.root}/videos,{export.root}/videos2caption.json\n"
    width, height = export.largest
    yield (
        "options.txt",
        f"--preprocess.dataset_type merged --preprocess.dataset_path {export.root} "
        f"--preprocess.max_height {height} --preprocess.max_width {width} "
        f"--preprocess.num_frames {max(export.frames)} --preprocess.train_fps {round(export.fps)}\n",
    )


TARGET = Target(
    name="fastvideo",
    reads="hao-ai-lab/FastVideo fastvideo/workflow/preprocess",
    many_captions=True,
    audio=True,
    images=False,
    files=files,
)
