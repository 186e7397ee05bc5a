"""DiffSynth-Studio: ``metadata.csv`` with paths relative to its folder, and the options of its training scripts.

It reads frames as they come, whatever the file's rate: clips must be at the model's rate, which ``--model`` sees to.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_csv


def files(export: Export) -> Iterator[File]:
    """The table, and a line of options for ``examples/*/model_training/train.py``."""
    rows = ({"video": clip.media, "prompt": clip.caption} for clip in export.clips)
    yield "metadata.csv", to_csv(rows)
    pixels = export.largest[0] * export.largest[1]
    yield (
        "options.txt",
        f"--dataset_base_path {export.root} --dataset_metadata_path {export.root}/metadata.csv "
        f"--data_file_keys video --max_pixels {pixels} --num_frames {max(export.frames)}\n",
    )


TARGET = Target(
    name="diffsynth-studio",
    reads="modelscope/DiffSynth-Studio diffsynth/core/data/unified_dataset.py",
    images=False,
    files=files,
)
