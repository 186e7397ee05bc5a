"""Rows of ``latents/``: opened once, then fetched one at a time from memory or by byte range.

Parts that together stay under ``MEMORY_BYTES`` are read into memory; larger sets are left on disk
and each row costs three small ``pread`` calls.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_NAME, manifest_of
from pipeline.shards.pages import cell_ranges
from pipeline.shards.ranges import ClipError, ShardFiles
from pipeline.shards.read import open_manifest
from pipeline.store.paths import Location, location, parquet_input
from pipeline.tables import latents_schema

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MEMORY_BYTES = 2 << 30
"""Latents up to this many bytes are held in memory."""

PAYLOAD = (s.LATENT_MEAN, s.LATENT_LOGVAR, s.TEXT_FEATURES)
"""Columns of float16 bytes; all others are scalars and always in memory."""

VAE_ID = "vae_id"
TEXT_ENCODER_ID = "text_encoder_id"
TEXT_DIM = "text_dim"
CHANNEL_MEAN = "latent_mean"
CHANNEL_STD = "latent_std"
METADATA_KEYS = (VAE_ID, TEXT_ENCODER_ID, TEXT_DIM, CHANNEL_MEAN, CHANNEL_STD)
"""Schema metadata of every part: what made the latents, and the VAE's per-channel statistics (JSON)."""
SHARDS_HASH = "shards_hash"
"""Schema metadata of the manifest: hash of the shards that the last encoding was brought in line with."""


class LatentStore:
    """All rows of a latents folder, sorted by (clip_id, kind)."""

    def __init__(self, folder: str | Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.root = latents_root(folder)
        self.paths = committed_parts(self.root)
        for path in self.paths:
            if not path.exists():
                raise ValueError(f"{path} is missing; run `filmstock encode` again to make it anew")
        self.files = ShardFiles(self.root)
        self.metadata = _common_metadata(self.paths)
        self.text_dim = int(self.metadata[TEXT_DIM])
        self.channel_mean: list[float] = json.loads(self.metadata[CHANNEL_MEAN])
        self.channel_std: list[float] = json.loads(self.metadata[CHANNEL_STD])

        size = sum(_payload_bytes(path) for path in self.paths)
        self.in_memory = size <= memory_bytes
        scalars = [name for name in latents_schema().names if name not in PAYLOAD]
        tables, self._cells, self._ranges = [], [], []
        for number, path in enumerate(self.paths):
            columns = scalars + list(PAYLOAD if self.in_memory else ())
            try:
                table = pq.read_table(
                    parquet_input(path),
                    columns=columns,
                    page_checksum_verification=True,
                    partitioning=None,
                )
            except (pa.ArrowException, OSError) as error:
                raise ValueError(
                    f"{path} is damaged ({error}); delete it and run `filmstock encode` again"
                ) from None
            if self.in_memory:
                self._cells.append({name: table[name].combine_chunks() for name in PAYLOAD})
            else:
                self._ranges.append({name: cell_ranges(path, name) for name in PAYLOAD})
            where = {"part": np.full(len(table), number), "part_row": np.arange(len(table))}
            table = table.select(scalars)
            for name, values in where.items():
                table = table.append_column(name, pa.array(values, pa.int64()))
            tables.append(table)
        table = pa.concat_tables(tables).sort_by([(s.CLIP_ID, "ascending"), (s.KIND, "ascending")])
        self.rows: list[dict[str, Any]] = table.to_pylist()
        self.hash = _rows_hash(self.rows)
        log.info(
            "latents: %d rows, %.0f MB, %s",
            len(self.rows),
            size / 1e6,
            "held in memory" if self.in_memory else "read by range",
        )

    def __len__(self) -> int:
        return len(self.rows)

    def payload(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(mean (C,T,H,W), logvar (C,T,H,W), text features (L, text_dim)) of row ``index``, float16."""
        row = self.rows[index]
        shape = tuple(row[s.LATENT_SHAPE])
        shapes = (shape, shape, (row[s.TEXT_LEN], self.text_dim))
        arrays = []
        for name, want in zip(PAYLOAD, shapes, strict=True):
            data = self._bytes(row["part"], row["part_row"], name)
            if len(data) != 2 * int(np.prod(want)):
                raise ClipError(
                    "truncated",
                    f"{name} of clip {row[s.CLIP_ID]} has {len(data)} bytes, not {want}",
                )
            arrays.append(np.frombuffer(data, np.float16).reshape(want))
        if not all(np.isfinite(array).all() for array in arrays):
            raise ClipError("decode", f"latents of clip {row[s.CLIP_ID]} hold NaN or infinity")
        return arrays[0], arrays[1], arrays[2]

    def item(self, index: int) -> dict[str, Any]:
        """Row ``index`` for training: float32 tensors and its scalars."""
        import torch

        row = self.rows[index]
        tensors = [torch.from_numpy(array.astype(np.float32)) for array in self.payload(index)]
        item: dict[str, Any] = dict(zip(PAYLOAD, tensors, strict=True))
        names = (s.CLIP_ID, s.KIND, s.CAPTION, s.FPS, s.N_FRAMES, s.WIDTH, s.HEIGHT)
        item.update({name: row[name] for name in names})
        return item

    def channel_stats(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean, std), each (C,1,1,1): ``(latent - mean) / std`` has unit scale."""
        import torch

        mean, std = torch.tensor(self.channel_mean), torch.tensor(self.channel_std)
        return mean.view(-1, 1, 1, 1), std.view(-1, 1, 1, 1)

    def _bytes(self, part: int, row: int, name: str) -> Any:
        if self.in_memory:
            return self._cells[part][name][row].as_buffer()
        offset, length = self._ranges[part][name][row]
        if length == 0:
            return b""
        return self.files.read(self.paths[part].name, offset, length)


def latents_root(folder: str | Path) -> Location:
    """The latents folder: ``folder`` itself, or ``folder/latents`` of a run folder."""
    root = location(folder)
    if not root.exists():
        raise ValueError(f"{root} does not exist; give a run folder or a folder of latents")
    nested = root / "latents"
    return nested if nested.is_dir() and not any(root.glob("part-*.parquet")) else root


def refuse_stale(folder: str | Path) -> None:
    """ValueError when the shards beside ``folder`` are not those that its latents were encoded from."""
    import pyarrow.parquet as pq

    root = latents_root(folder)
    shards = root.parent / "shards"
    if not ((root / MANIFEST_NAME).exists() and manifest_of(shards).exists()):
        return
    table = pq.read_table(parquet_input(root / MANIFEST_NAME))
    metadata = table.schema.metadata or {}
    then = metadata.get(SHARDS_HASH.encode(), b"").decode()
    manifest = open_manifest(shards)
    if then in ("", manifest.hash):
        return
    clips = set(manifest.table[s.CLIP_ID].to_pylist())
    encoded = set(table[s.CLIP_ID].to_pylist())
    raise ValueError(
        f"{root} is stale: it was encoded from other clips or captions than {shards} holds now "
        f"({then[:12]} then, {manifest.hash[:12]} now; {len(clips - encoded)} clips without latents, "
        f"{len(encoded - clips)} latents without a clip); run `filmstock encode {root.parent}` again, "
        "it renews what changed"
    )


def committed_parts(root: Location) -> list[Location]:
    """Parts that the manifest names, in name order; ValueError when there is no finished encoding."""
    import pyarrow.parquet as pq

    if not (root / MANIFEST_NAME).exists():
        if any(root.glob("part-*.parquet")):
            raise ValueError(
                f"{root} has parts but no {MANIFEST_NAME}: encoding was interrupted; "
                "run `filmstock encode` again, it goes on where it stopped"
            )
        raise ValueError(f"{root} holds no latents; run `filmstock encode` first")
    table = pq.read_table(parquet_input(root / MANIFEST_NAME))
    if s.CACHE_KEY not in table.column_names:
        raise ValueError(f"{root} holds shards, not latents; run `filmstock encode {root}` first")
    if not len(table):
        raise ValueError(f"{root} holds no clip at all; run `filmstock encode` on shards that do")
    return [root / name for name in sorted(set(table[s.SHARD].to_pylist()))]


def _common_metadata(paths: list[Location]) -> dict[str, str]:
    import pyarrow.parquet as pq

    common: dict[str, str] = {}
    for path in paths:
        raw: Mapping[bytes, bytes] = pq.read_schema(parquet_input(path)).metadata or {}
        found = {key: raw.get(key.encode(), b"").decode() for key in METADATA_KEYS}
        missing = [key for key, value in found.items() if not value]
        if missing:
            raise ValueError(f"{path} lacks {', '.join(missing)} in its metadata: not our latents")
        if common and found != common:
            wrong = [key for key in METADATA_KEYS if found[key] != common[key]]
            raise ValueError(
                f"{path} was made with another {', '.join(wrong)} than {paths[0].name}; "
                "run `filmstock encode` again to renew what is stale"
            )
        common = found
    return common


def _payload_bytes(path: Location) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet_input(path)) as file:
        meta = file.metadata
    groups = [meta.row_group(g) for g in range(meta.num_row_groups)]
    columns = [g.column(i) for g in groups for i in range(g.num_columns)]
    return sum(c.total_uncompressed_size for c in columns if c.path_in_schema in PAYLOAD)


def _rows_hash(rows: list[dict[str, Any]]) -> str:
    digest = xxhash.xxh3_128()
    for row in rows:
        digest.update(repr((row[s.CLIP_ID], row[s.KIND], row[s.CACHE_KEY])).encode())
    return digest.hexdigest()
