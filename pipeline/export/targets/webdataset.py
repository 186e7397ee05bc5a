"""WebDataset: tar files of ``KEY.mp4``, ``KEY.txt`` and ``KEY.json``, and the list of them.

The JSON has captions and shape; a tar file holds about 256 MB of clips.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Export, File, Target, to_json


def files(export: Export) -> Iterator[File]:
    """``index.json``: tar files with their clips, for loaders that divide them."""
    counts: dict[str, int] = {}
    for clip in export.clips:
        tar = clip.media.partition("/")[0]
        counts[tar] = counts.get(tar, 0) + 1
    shards = [{"url": tar, "nsamples": count} for tar, count in sorted(counts.items())]
    yield "index.json", to_json({"shardlist": shards})


TARGET = Target(
    name="webdataset",
    reads="webdataset/webdataset WebDataset",
    tar="train-{group}.tar",
    media="{name}.mp4",
    sidecars=("{name}.json", "{name}.txt"),
    many_captions=True,
    audio=True,
    files=files,
)
