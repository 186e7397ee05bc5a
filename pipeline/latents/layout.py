"""What a folder of latents holds, and the one place that knows it.

::

    latents/
      part-*.parquet         a row a clip: the posterior in bfloat16
      texts/part-*.parquet   a row a caption: its token features; clips with the same caption share it
      clips.arrow            a row a clip, sorted by id: where its posterior lies, its shape, its captions
      captions.arrow         a row a clip and kind: where the text features and the text lie
      manifest.parquet       the commit record, written last: which clip shows which caption
      settings.json          what the encoding was asked for

Payload columns are uncompressed, so that a cell is one byte range of its part. The two Arrow files are mapped into
memory: all processes of a node share the same pages, and opening reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_NAME, VERSION_KEY
from pipeline.shards.read import check_version
from pipeline.store.paths import Location, location, parquet_input, typed

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT_KEY = "latents_layout"
"""Schema metadata: which layout a folder has."""
LAYOUT = "2"
"""This layout. Layout 1, without the key, had a row for each clip and kind, each with its own copy of the posterior."""
TEXTS = "texts"
"""Folder of the text features."""
CLIPS_INDEX = "clips.arrow"
CAPTIONS_INDEX = "captions.arrow"
SETTINGS_NAME = "settings.json"

VAE_ID = "vae_id"
TEXT_ENCODER_ID = "text_encoder_id"
TEXT_DIM = "text_dim"
CHANNEL_MEAN = "latent_mean"
CHANNEL_STD = "latent_std"
POSTERIOR_KEPT = "posterior"
"""``full``: mean and log-variance; ``mean``: the mean alone."""
TEXT_STORAGE = "text_storage"
"""``bf16`` or ``fp8``, see ``codec``."""
CLIP_KEYS = (VAE_ID, CHANNEL_MEAN, CHANNEL_STD, POSTERIOR_KEPT)
"""Metadata that all parts of clips share: what made the latents, and the VAE's statistics by channel (JSON)."""
TEXT_KEYS = (TEXT_ENCODER_ID, TEXT_DIM, TEXT_STORAGE)
"""Metadata that all parts of texts share."""
METADATA_KEYS = (VAE_ID, CHANNEL_MEAN, CHANNEL_STD, TEXT_ENCODER_ID, TEXT_DIM)
"""What a writer must say; the rest has defaults."""
SHARDS_HASH = "shards_hash"
"""Metadata of the manifest: hash of the shards that the last encoding was brought in line with."""
ROWS_HASH = "rows_hash"
"""Metadata of the manifest and of the index: hash of all ids and keys, the identity of the data."""
KINDS = "kinds"
"""Metadata of the index: kinds of captions in the order of the bits of ``caption_mask``, JSON."""


def latents_root(folder: str | Location) -> Location:
    """The latents folder: ``folder`` itself, or ``folder/latents`` of a run folder."""
    root = location(folder)
    if not root.exists():
        raise ValueError(f"{root} does not exist; give a run folder or a folder of latents")
    nested = root / "latents"
    return nested if nested.is_dir() and not any(root.glob("part-*.parquet")) else root


def checked(metadata: Mapping[str, str]) -> dict[str, str]:
    """``metadata`` with the versions and defaults; ValueError when a key is lacking."""
    missing = [key for key in METADATA_KEYS if key not in metadata]
    if missing:
        raise ValueError(f"latents need {', '.join(missing)} in their metadata")
    versions = {VERSION_KEY: s.SCHEMA_VERSION, LAYOUT_KEY: LAYOUT}
    return {**versions, POSTERIOR_KEPT: "full", TEXT_STORAGE: "bf16", **metadata}


def metadata_of(schema: pa.Schema) -> dict[str, str]:
    """Schema metadata as text."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def committed(root: Location) -> dict[str, str]:
    """Metadata of a finished encoding.

    Raises:
        ValueError: there is none, it was interrupted, or it has another layout or schema version; the message says
            what to run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not (root / MANIFEST_NAME).exists():
        if any(root.glob("part-*.parquet")):
            raise ValueError(
                f"{root} has parts but no {MANIFEST_NAME}: encoding was interrupted; "
                "run `filmstock encode` again, it goes on where it stopped"
            )
        raise ValueError(f"{root} holds no latents; run `filmstock encode` first")
    try:
        schema = pq.read_schema(parquet_input(root / MANIFEST_NAME))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{root / MANIFEST_NAME} is damaged ({error}); delete it and run `filmstock encode` again"
        ) from None
    if s.CACHE_KEY not in schema.names:
        raise ValueError(
            f"{root} holds shards, not latents; run `filmstock encode {typed(root)}` first"
        )
    metadata = metadata_of(schema)
    check_version(schema, root / MANIFEST_NAME)
    if metadata.get(LAYOUT_KEY) != LAYOUT:
        raise ValueError(
            f"{root} holds latents of layout {metadata.get(LAYOUT_KEY, '1')} (a row for each caption), this filmstock "
            f"reads layout {LAYOUT} (a row a clip); renew them with `filmstock encode {typed(root.parent)}`"
        )
    return metadata


def check_ours(folder: Location) -> None:
    """ValueError where the finished latents in ``folder`` are of another schema version: encoding would undo them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / MANIFEST_NAME
    try:
        schema = pq.read_schema(parquet_input(path)) if path.exists() else None
    except (pa.ArrowException, OSError):
        return  # damaged, and made anew
    if schema is not None:
        check_version(schema, path)


def is_latents(folder: str | Location) -> bool:
    """Whether ``folder`` itself holds finished latents, of whatever layout."""
    import pyarrow.parquet as pq

    manifest = location(folder) / MANIFEST_NAME
    return manifest.is_file() and s.CACHE_KEY in pq.read_schema(parquet_input(manifest)).names
