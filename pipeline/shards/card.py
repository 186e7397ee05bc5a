"""The card of a shard folder, for people: what the columns hold and how one clip is read by its byte range."""

from __future__ import annotations

CARD = """---
task_categories:
- text-to-video
size_categories:
- {category}
---

# Video clips with captions

{clips} clips, {megabytes:.1f} MB of H.264 MP4, written by filmstock.

| file | what |
|---|---|
| `shards/part-*.parquet` | one row per clip: `video` (bytes and a file name), captions, shape, scores, provenance |
| `shards.manifest.parquet` | the same columns without the bytes, and where the bytes lie |

`(shard, byte_offset, byte_length)` of a manifest row is the byte range of one MP4 file inside a part:

```python
import pyarrow.parquet as pq

row = pq.read_table("shards.manifest.parquet").to_pylist()[0]
with open("shards/" + row["shard"], "rb") as part:
    part.seek(row["byte_offset"])
    mp4 = part.read(row["byte_length"])
```
"""

CATEGORIES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


def dataset_card(clips: int, n_bytes: int) -> str:
    """Text of the card for ``clips`` clips of ``n_bytes`` bytes of video together."""
    category = next((name for limit, name in CATEGORIES if clips < limit), "1M<n<10M")
    return CARD.format(category=category, clips=clips, megabytes=n_bytes / 1e6)
