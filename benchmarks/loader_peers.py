"""The loaders that ``benchmarks/loader.py`` compares: how each writes the clips, and how each reads a shuffled epoch.

Every reader yields lists of (clip_id, payload), payload being what ``use`` makes of the MP4 bytes, in batches of
``BATCH``. Peers are used as their documentation says, with their own shuffling and torch's DataLoader (or their own).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH = 8
SHARD_BYTES = 64 << 20
BUFFER = 1000
"""Clips in a shuffle buffer, where a loader has one (the documented default of datasets)."""
Use = Callable[[bytes], Any]
Clip = dict[str, Any]


def write_ours(folder: Path, clips: list[Clip]) -> None:
    from pipeline import schema as s
    from pipeline.shards.write import ShardWriter
    from pipeline.tables import shards_schema

    with ShardWriter(folder, shards_schema(), shard_bytes=SHARD_BYTES) as writer:
        for clip in clips:
            writer.add(clip["row"] | {s.CLIP_ID: clip["id"], s.VIDEO: clip["mp4"]})


def read_ours(folder: str, workers: int, use: Use) -> Iterator[list]:
    from pipeline import schema as s
    from pipeline.loader.api import VideoBatches, with_workers

    class Encoded(VideoBatches):
        """The loader with ``use`` in place of its own decoding; hashes are checked as ever."""

        def _frames(self, index: int) -> Any:
            return use(self.manifest.read(index, check=self.check))

    loader = Encoded(folder, samples_per_step=BATCH, same_shape=False)
    for step, _ in zip(
        with_workers(loader, workers), range(loader.steps.steps_in(0)), strict=False
    ):
        yield [(unit[s.CLIP_ID], unit["frames"]) for unit in step.units]


def write_webdataset(folder: Path, clips: list[Clip]) -> None:
    import webdataset as wds

    folder.mkdir(parents=True)
    with wds.ShardWriter(
        f"{folder}/%05d.tar", maxsize=SHARD_BYTES, maxcount=10**9, verbose=0
    ) as sink:
        for clip in clips:
            sink.write({"__key__": clip["id"], "mp4": clip["mp4"]})


def read_webdataset(folder: str, workers: int, use: Use) -> Iterator[list]:
    import webdataset as wds

    urls = _files(folder, "*.tar")
    if "://" in folder:  # as its documentation has it: a program that writes the shard to a pipe
        urls = [f"pipe:curl -sf {url}" for url in urls]
    dataset = (
        wds.WebDataset(urls, shardshuffle=len(urls), seed=0)
        .shuffle(BUFFER)
        .to_tuple("__key__", "mp4")
        .map_tuple(lambda key: key, use)
        .batched(BATCH, collation_fn=list)
    )
    yield from wds.WebLoader(dataset, batch_size=None, num_workers=workers)


def write_litdata(folder: Path, clips: list[Clip]) -> None:
    from litdata.streaming.writer import BinaryWriter

    folder.mkdir(parents=True)
    writer = BinaryWriter(str(folder), chunk_bytes=SHARD_BYTES)
    for index, clip in enumerate(clips):
        writer[index] = {"id": clip["id"], "mp4": clip["mp4"]}
    writer.done()
    writer.merge()


def read_litdata(folder: str, workers: int, use: Use) -> Iterator[list]:
    from litdata import StreamingDataLoader, StreamingDataset

    options: dict[str, Any] = {}
    if "://" in folder:
        from litdata.streaming import downloader

        downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # the server here has no TLS
        keys = ("endpoint_url", "aws_access_key_id", "aws_secret_access_key")
        options = {
            "cache_dir": os.environ["LOADER_CACHE"],
            "storage_options": {
                key: os.environ[key.upper() if key[:3] == "aws" else "AWS_ENDPOINT_URL"]
                for key in keys
            },
        }
    dataset = StreamingDataset(
        folder,
        shuffle=True,
        seed=0,
        transform=lambda item: (item["id"], use(item["mp4"])),
        **options,
    )
    yield from StreamingDataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=list)


def write_mosaic(folder: Path, clips: list[Clip]) -> None:
    _mosaic()
    from streaming import MDSWriter

    columns = {"id": "str", "mp4": "bytes"}
    with MDSWriter(out=str(folder), columns=columns, size_limit=SHARD_BYTES) as writer:
        for clip in clips:
            writer.write({"id": clip["id"], "mp4": clip["mp4"]})


def read_mosaic(folder: str, workers: int, use: Use) -> Iterator[list]:
    _mosaic()
    from streaming import StreamingDataLoader, StreamingDataset

    class Clips(StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            item = super().__getitem__(at)
            return item["id"], use(item["mp4"])

    place: dict[str, Any] = {"local": folder}
    if "://" in folder:
        os.environ["S3_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"]
        place = {"remote": folder, "local": os.environ["LOADER_CACHE"]}
    dataset = Clips(**place, shuffle=True, shuffle_seed=0, batch_size=BATCH, num_canonical_nodes=1)
    yield from StreamingDataLoader(dataset, batch_size=BATCH, num_workers=workers, collate_fn=list)


def _mosaic() -> None:
    """mosaicml-streaming imports torchvision, which a CPU torch needs help with."""
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()


def read_datasets_streaming(folder: str, workers: int, use: Use) -> Iterator[list]:
    import datasets

    clips = datasets.load_dataset(
        "parquet", data_files=_files(folder, "part-*.parquet"), streaming=True, split="train"
    )
    clips = clips.cast_column("video", datasets.Video(decode=False)).select_columns(
        ["clip_id", "video"]
    )
    clips = clips.shuffle(seed=0, buffer_size=BUFFER)
    yield from _torch_batches(clips, workers, use)


def read_datasets_map(folder: str, workers: int, use: Use) -> Iterator[list]:
    import datasets

    cache = os.environ["LOADER_CACHE"]
    clips = datasets.load_dataset(
        "parquet", data_files=_files(folder, "part-*.parquet"), split="train", cache_dir=cache
    )
    clips = clips.cast_column("video", datasets.Video(decode=False)).select_columns(
        ["clip_id", "video"]
    )
    yield from _torch_batches(clips, workers, use, shuffle=True)


def _files(folder: str, pattern: str) -> list[str]:
    """Data files of a folder; those of an S3 one as plain URLs, which a loopback server lets anyone read."""
    if "://" not in folder:
        return sorted(str(path) for path in Path(folder).glob(pattern))
    from pipeline.store.paths import ObjectPath, matching

    plain = folder.replace("s3://", os.environ["AWS_ENDPOINT_URL"] + "/")
    return [f"{plain}/{path.name}" for path in matching(ObjectPath(folder), pattern)]


def _torch_batches(clips: Any, workers: int, use: Use, **options: Any) -> Iterator[list]:
    from torch.utils.data import DataLoader

    def collate(rows: list[dict[str, Any]]) -> list:
        return [(row["clip_id"], use(row["video"]["bytes"])) for row in rows]

    yield from DataLoader(
        clips, batch_size=BATCH, num_workers=workers, collate_fn=collate, **options
    )


WRITERS = {
    "filmstock": write_ours,
    "webdataset": write_webdataset,
    "litdata": write_litdata,
    "mosaicml": write_mosaic,
}
READERS: dict[str, tuple[str, Callable[[str, int, Use], Iterator[list]]]] = {
    "filmstock": ("filmstock", read_ours),
    "webdataset": ("webdataset", read_webdataset),
    "litdata": ("litdata", read_litdata),
    "mosaicml": ("mosaicml", read_mosaic),
    "datasets, streaming": ("filmstock", read_datasets_streaming),
    "datasets, map": ("filmstock", read_datasets_map),
}
"""Name -> (whose files, reader). datasets reads the same Parquet files as filmstock."""
