"""LTX-2's trainer: a JSONL of videos and captions, and the command that encodes it with the buckets that occur.

Several buckets make its trainer use batches of one; ``--frames`` and one size give one bucket.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_jsonl


def files(export: Export) -> Iterator[File]:
    """The table, with paths relative to it, and ``preprocess.sh``."""
    rows = ({"video": clip.media, "caption": clip.caption} for clip in export.clips)
    yield "dataset.jsonl", to_jsonl(rows)
    buckets = ";".join(f"{width}x{height}x{frames}" for width, height, frames in export.buckets)
    audio = "" if export.audio else " \\\n    --skip-audio"
    yield (
        "preprocess.sh",
        "#!/bin/sh\n# From packages/ltx-trainer, with MODEL and TEXT_ENCODER set to their paths.\n"
        f'exec uv run python scripts/process_dataset.py "{export.root}/dataset.jsonl" \\\n'
        f'    --resolution-buckets "{buckets}" \\\n'
        f'    --model-path "$MODEL" --text-encoder-path "$TEXT_ENCODER"{audio}\n',
    )


TARGET = Target(
    name="ltx-2",
    reads="Lightricks/LTX-2 packages/ltx-trainer/scripts/process_dataset.py",
    audio=True,
    images=False,
    files=files,
)
