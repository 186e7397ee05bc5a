"""A self-contained HTML contact sheet: a strip of frames and the captions of each clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.core.errors import UserError
from pipeline import schema as s
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, location, matching, parquet_input

STRIP_HEIGHT = 96
"""Height of a frame on the sheet, pixels."""
STRIP_WIDTH = 640
"""Widest strip, pixels; wide clips get lower frames."""
PICTURE_BYTES = 4_300_000
"""Base64 bytes of pictures on a sheet at most: the page stays under 5 MB."""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>filmstock: {{ name }}</title>
<style>
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1180px;padding:0 1rem;
color:#1b1b1b;background:#fafaf8}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(350px,1fr));gap:1rem}
.card{background:#fff;border:1px solid #e4e4e0;border-radius:6px;padding:.6rem;overflow:hidden}
.card img{max-width:100%;display:block;border-radius:3px}.card p{margin:.4rem 0 0;font-size:.88rem}
.dim{color:#666;font-size:.8rem}.bad{color:#a33}
</style>
<h1>{{ name }}</h1>
<p>{{ cards|length }} of {{ total }} clips, evenly spaced.
{%- if left_out %} {{ left_out }} more were left out to keep the page small.{% endif %}</p>
<div class="grid">{% for c in cards %}<div class="card">
{% if c.strip %}<img alt="frames of clip {{ c.id }}" src="data:image/jpeg;base64,{{ c.strip }}">
{% else %}<p class="bad">{{ c.error }}</p>{% endif %}
{% for kind, text in c.captions %}<p><b>{{ kind }}</b> {{ text }}</p>{% endfor %}
<p class="dim">{{ c.facts }}</p></div>{% endfor %}</div></html>
"""


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Clips that a sheet can show."""

    name: str
    """Title of the page."""
    root: Location
    """Folder that their shards are relative to."""
    rows: list[dict[str, Any]]
    """Manifest rows, with byte ranges."""
    captions: dict[str, dict[str, str]]
    """clip_id -> kind -> text."""


def write_sheet(
    path: Location, out: Location, *, clips: int = 48, frames: int = 4
) -> tuple[int, int]:
    """Write the contact sheet of the clips at ``path`` to ``out``; (clips shown, clips there)."""
    import jinja2

    if clips < 1 or not 1 <= frames <= 8:
        raise UserError(f"a sheet needs clips >= 1 and 1 to 8 frames, not {clips} and {frames}")
    found = find_clips(path)
    step = max(1, -(-len(found.rows) // clips))
    chosen = found.rows[::step]
    cards: list[dict[str, Any]] = []
    used = 0
    for row in chosen:
        card = _card(found, row, frames)
        used += len(card["strip"] or "")
        if used > PICTURE_BYTES:
            break
        cards.append(card)
    page = jinja2.Environment(autoescape=True).from_string(PAGE)
    left_out = len(chosen) - len(cards)
    text = page.render(name=found.name, cards=cards, total=len(found.rows), left_out=left_out)
    write_bytes(out, text.encode())
    return len(cards), len(found.rows)


def find_clips(path: Location) -> Clips:
    """Clips of a video file of ours, a shard folder or a run folder (its shards, else its clips)."""
    from pipeline.shards.layout import MANIFEST_SUFFIX, manifest_of

    if path.is_file() and not path.name.endswith(MANIFEST_SUFFIX):
        return _file_clips(path)
    folder = location(str(path).removesuffix(MANIFEST_SUFFIX))
    for root in (folder, folder / "shards"):
        if manifest_of(root).exists():
            return _shard_clips(root, folder.name)
    if (folder / "manifest").is_dir() and (folder / "clips").is_dir():
        return _run_clips(folder)
    parts = matching(folder)
    if len(parts) == 1:
        return _file_clips(parts[0])
    raise UserError(
        f"{path} holds no clips to show; give a run folder, shards/, or a file of clips"
    )


def _shard_clips(root: Location, name: str) -> Clips:
    from pipeline.shards.read import open_manifest

    rows = open_manifest(root).table.to_pylist()
    return Clips(name=name, root=root, rows=rows, captions=_columns_to_captions(rows))


def _run_clips(folder: Location) -> Clips:
    from pipeline.shards.read import open_table

    rows = open_table(folder / "manifest").sort_by(s.CLIP_ID).to_pylist()
    captions: dict[str, dict[str, str]] = {}
    if any((folder / "captions").glob("part-*.parquet")):
        for row in open_table(folder / "captions", [s.CLIP_ID, s.KIND, s.TEXT]).to_pylist():
            if row[s.TEXT]:
                captions.setdefault(row[s.CLIP_ID], {})[row[s.KIND]] = row[s.TEXT]
    return Clips(name=folder.name, root=folder / "clips", rows=rows, captions=captions)


def _file_clips(path: Location) -> Clips:
    import pyarrow.parquet as pq

    from pipeline.shards.layout import VIDEO_LEAF
    from pipeline.shards.pages import cell_ranges
    from pipeline.shards.read import open_table

    if s.VIDEO not in pq.read_schema(parquet_input(path)).names:
        raise UserError(f"{path} has no {s.VIDEO!r} column; a contact sheet needs clips")
    rows = open_table(path).to_pylist()
    for row, (offset, length) in zip(rows, cell_ranges(path, VIDEO_LEAF), strict=True):
        row.update({s.SHARD: path.name, s.BYTE_OFFSET: offset, s.BYTE_LENGTH: length})
    captions = _columns_to_captions(rows)
    return Clips(name=path.name, root=path.parent, rows=rows, captions=captions)


def _columns_to_captions(rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    names = {kind: s.caption_column(kind) for kind in s.CAPTION_KINDS}
    return {
        row[s.CLIP_ID]: {kind: row[name] for kind, name in names.items() if row.get(name)}
        for row in rows
    }


def _card(found: Clips, row: dict[str, Any], frames: int) -> dict[str, Any]:
    strip, error = None, ""
    try:
        strip = _strip(found, row, frames)
    except (ValueError, OSError) as reason:  # the sheet shows what is wrong with a clip
        error = str(reason)
    captions = found.captions.get(row[s.CLIP_ID], {})
    facts = [row[s.CLIP_ID], f"{row[s.WIDTH]}x{row[s.HEIGHT]}", f"{row[s.N_FRAMES]} frames"]
    facts.append(f"{row[s.FPS]:g} fps")
    if row.get(s.MOTION_MEAN) is not None:
        facts.append(f"motion {row[s.MOTION_MEAN]:.4f}")
    if row.get(s.SOURCE_URI):
        facts.append(Path(row[s.SOURCE_URI]).name)
    return {
        "id": row[s.CLIP_ID],
        "strip": strip,
        "error": error,
        "captions": sorted(captions.items(), reverse=True),
        "facts": " · ".join(facts),
    }


def _strip(found: Clips, row: dict[str, Any], frames: int) -> str:
    """Frames side by side as a base64 JPEG."""
    from pipeline.shards.ranges import read_clip
    from pipeline.video.decode import decode_clip, sample_indices
    from pipeline.video.sheets import jpeg_base64, side_by_side

    indices = sample_indices(row[s.N_FRAMES], frames)
    height = min(STRIP_HEIGHT, STRIP_WIDTH * row[s.HEIGHT] // (row[s.WIDTH] * len(indices)))
    height = max(8, height)
    size = (max(8, round(row[s.WIDTH] * height / row[s.HEIGHT])), height)
    data = read_clip(found.root, row, check=bool(row.get(s.VIDEO_XXH3)))
    pixels, _ = decode_clip(data, indices=indices, size=size)
    return jpeg_base64(side_by_side(pixels), quality=76)
