"""Are latents those of the shards beside them?"""

from __future__ import annotations

from pathlib import Path

from pipeline import schema as s
from pipeline.latents.layout import SHARDS_HASH, committed, latents_root
from pipeline.shards.layout import MANIFEST_NAME, manifest_of
from pipeline.shards.read import open_manifest
from pipeline.store.paths import parquet_input, typed


def refuse_stale(folder: str | Path) -> None:
    """ValueError when the shards beside ``folder`` are not those that its latents were encoded from."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    root = latents_root(folder)
    shards = root.parent / "shards"
    if not ((root / MANIFEST_NAME).exists() and manifest_of(shards).exists()):
        return
    then = committed(root).get(SHARDS_HASH, "")
    manifest = open_manifest(shards)
    if then in ("", manifest.hash):
        return
    table = pq.read_table(parquet_input(root / MANIFEST_NAME), columns=[s.CLIP_ID])
    clips = pc.unique(manifest.table[s.CLIP_ID])
    encoded = pc.unique(table[s.CLIP_ID])
    lacking = pc.sum(pc.invert(pc.is_in(clips, value_set=encoded))).as_py() or 0
    extra = pc.sum(pc.invert(pc.is_in(encoded, value_set=clips))).as_py() or 0
    raise ValueError(
        f"{root} is stale: it was encoded from other clips or captions than {shards} holds now "
        f"({then[:12]} then, {manifest.hash[:12]} now; {lacking} clips without latents, "
        f"{extra} latents without a clip); run `filmstock encode {typed(root.parent)}` again, "
        "it renews what changed"
    )
