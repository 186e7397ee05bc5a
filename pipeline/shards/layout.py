"""How a video table lies in a Parquet file: column form, metadata, schemas.

In memory ``video`` is a binary column. In the file it is ``struct<bytes: binary, path: string>``,
the one form ``datasets.load_dataset("parquet")`` recognises as its Video feature (5.2.0 reads flat
binary as plain binary, whatever the metadata says). The leaf ``video.bytes`` is UNCOMPRESSED,
PLAIN, without dictionary or statistics, one value per data page: a cell lies in the file exactly
as given, and (shard, byte_offset, byte_length) is one range read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline import schema as s
from pipeline.store.paths import Location

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_NAME = "manifest.parquet"
"""Name of the manifest in a folder of latents."""
MANIFEST_SUFFIX = ".manifest.parquet"
"""What the manifest beside a folder of shards is named after it, see ``manifest_of``."""
CARD_SUFFIX = ".README.md"
VERSION_KEY = "filmstock.schema_version"
VIDEO_LEAF = s.VIDEO + ".bytes"
VIDEO_PATH_LEAF = s.VIDEO + ".path"


def manifest_of(shards: Location) -> Location:
    """The manifest of a folder of shards: ``DIR/shards.manifest.parquet`` for ``DIR/shards``.

    It lies beside the folder, which so holds clips and nothing else: pandas, polars, DuckDB, pyarrow and Hugging Face
    take every file of a folder for data, the last two hidden ones apart.
    """
    folder = shards.absolute()
    return folder.parent / f"{folder.name}{MANIFEST_SUFFIX}"


def card_of(shards: Location) -> Location:
    """The card of a folder of shards: what to name README.md where the folder is published."""
    folder = shards.absolute()
    return folder.parent / f"{folder.name}{CARD_SUFFIX}"


def manifest_schema_of(schema: pa.Schema) -> pa.Schema:
    """Schema of the manifest beside shards of ``schema``: no bytes, but their range and hash."""
    import pyarrow as pa

    fields = [field for field in schema if field.name != s.VIDEO]
    extra = [(s.SHARD, pa.string()), (s.BYTE_OFFSET, pa.int64())]
    extra += [(s.BYTE_LENGTH, pa.int64()), (s.VIDEO_XXH3, pa.string())]
    return pa.schema(fields + [pa.field(name, dtype) for name, dtype in extra])


def file_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` as it lies in the file: ``video`` becomes ``struct<bytes, path>``."""
    import pyarrow as pa

    nested = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return schema.set(schema.get_field_index(s.VIDEO), pa.field(s.VIDEO, nested))


def nest_video(table: pa.Table) -> pa.Table:
    """``table`` with binary ``video`` as ``struct<bytes, path>``; path is ``<clip_id>.mp4``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    video = table[s.VIDEO].combine_chunks()
    if s.CLIP_ID in table.schema.names:
        path = pc.binary_join_element_wise(table[s.CLIP_ID].combine_chunks(), ".mp4", "")
    else:
        path = pa.nulls(len(table), pa.string())
    nested = pa.StructArray.from_arrays([video, path], ["bytes", "path"])
    return table.set_column(table.schema.get_field_index(s.VIDEO), s.VIDEO, nested)


def huggingface_features(schema: pa.Schema) -> str:
    """Value of the ``huggingface`` metadata key: Features of ``schema``, ``video`` as Video."""
    features = {field.name: _feature(field.name, field.type) for field in schema}
    return json.dumps({"info": {"features": features}})


def _feature(name: str, dtype: pa.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if name == s.VIDEO:
        return {"_type": "Video"}
    if pa.types.is_fixed_size_list(dtype):
        item = _feature("", dtype.value_type)
        return {"_type": "List", "feature": item, "length": dtype.list_size}
    if pa.types.is_list(dtype):
        return {"_type": "List", "feature": _feature("", dtype.value_type)}
    spelled = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return {"_type": "Value", "dtype": spelled.get(str(dtype), str(dtype))}


def file_metadata(schema: pa.Schema, metadata: Mapping[str, str]) -> dict[str, str]:
    """Schema metadata of a file: features, schema version, and what the caller adds."""
    return {
        "huggingface": huggingface_features(schema),
        VERSION_KEY: s.SCHEMA_VERSION,
        **metadata,
    }
