"""``report.html`` of a curation run: one self-contained page with the funnel, scores, pictures and failures.

Built from the run's tables alone, so it can be remade at any time; a clip whose bytes cannot be read is shown as a
gap, never skipped. Pictures are JPEG strips inside the page, limited in number so that it stays a few megabytes.

    write_report("runs/demo")
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.runfolder import write_bytes
from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa

STRIP_FRAMES = 4
"""Frames shown of a clip."""
STRIP_HEIGHT = 90
"""Height of a frame on the page, pixels."""
KEPT_SHOWN = 60
"""Kept clips shown at most, evenly spaced over the set."""
REJECTED_SHOWN = 6
"""Rejected clips shown at most per reason."""
BINS = 40
TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(folder: Path | str) -> Path:
    """Write ``folder/report.html`` from the tables that exist and return its path."""
    import jinja2

    folder = Path(folder)
    manifest = _rows(folder / "manifest")
    selection = {row[s.CLIP_ID]: row for row in _rows(folder / "selection.parquet")}
    sources = _rows(folder / "sources.parquet")
    captions: dict[str, dict[str, dict[str, Any]]] = {}
    for row in _rows(folder / "captions"):
        captions.setdefault(row[s.CLIP_ID], {})[row[s.KIND]] = row
    kept = [r for r in manifest if _decision(selection, r) == s.Decision.KEEP]
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for row in manifest:
        verdict = selection.get(row[s.CLIP_ID])
        if verdict is not None and verdict[s.DECISION] != s.Decision.KEEP:
            for reason in verdict[s.REASONS] or []:
                by_reason.setdefault(reason, []).append(row)
    step = max(1, -(-len(kept) // KEPT_SHOWN))
    recipe = folder / "recipe.toml"
    page = (
        jinja2.Environment(autoescape=True)
        .from_string(TEMPLATE.read_text(encoding="utf-8"))
        .render(
            name=folder.name,
            sources=sources,
            outcomes=Counter(row[s.OUTCOME] for row in sources),
            hours_in=sum(row[s.DURATION_S] or 0 for row in sources) / 3600,
            funnel=_funnel(folder),
            histograms=_histograms(manifest, kept),
            kept=[_card(folder, row, captions) for row in kept[::step]],
            n_kept=len(kept),
            hours_kept=sum(row[s.END_S] - row[s.START_S] for row in kept) / 3600,
            rejected={
                reason: (len(rows), [_card(folder, row, captions) for row in rows[:REJECTED_SHOWN]])
                for reason, rows in sorted(by_reason.items(), key=lambda item: -len(item[1]))
            },
            caption_outcomes=Counter(
                (kind, row[s.OUTCOME]) for rows in captions.values() for kind, row in rows.items()
            ),
            recipe=recipe.read_text() if recipe.is_file() else "",
            columns=s,
        )
    )
    target = folder / "report.html"
    write_bytes(target, page.encode())
    return target


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a table file or folder, [] when it has not been written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [path] if path.is_file() else sorted(path.glob("part-*.parquet"))
    tables: list[pa.Table] = [pq.ParquetFile(part).read() for part in parts]
    if not tables:
        return []
    table = pa.concat_tables(tables, promote_options="default")
    if s.VIDEO in table.column_names:
        table = table.drop_columns([s.VIDEO])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _decision(selection: dict[str, dict[str, Any]], row: dict[str, Any]) -> str | None:
    verdict = selection.get(row[s.CLIP_ID])
    return None if verdict is None else str(verdict[s.DECISION])


def _funnel(folder: Path) -> list[tuple[str, int]]:
    """Steps of the last selection with the clips left after each, from ``metrics.jsonl``."""
    path = folder / "metrics.jsonl"
    last: dict[str, int] = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # a line cut short by a kill
                continue
            if entry.get("stage") == "select" and "funnel" in entry:
                last = entry["funnel"]
    return list(last.items())


def _histograms(manifest: list[dict[str, Any]], kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per score: SVG polylines of all clips and of the kept ones over the same bins."""
    names = [n for n in (manifest[0] if manifest else {}) if _is_score(n)]
    out = []
    for name in names:
        values = np.array([r[name] for r in manifest if r[name] is not None], float)
        if values.size < 2:
            continue
        low, high = float(values.min()), float(values.max())
        if high <= low:
            continue
        edges = np.linspace(low, high, BINS + 1)
        chosen = np.array([r[name] for r in kept if r.get(name) is not None], float)
        everything, _ = np.histogram(values, edges)
        keep, _ = np.histogram(chosen, edges)
        top = max(1, int(everything.max()))
        out.append(
            {
                "name": name,
                "low": f"{low:.4g}",
                "high": f"{high:.4g}",
                "median": f"{float(np.median(values)):.4g}",
                "missing": len(manifest) - values.size,
                "all": _bars(everything, top),
                "kept": _bars(keep, top),
            }
        )
    return out


def _is_score(name: str) -> bool:
    return name in s.SCORE_COLUMNS or name.startswith(s.CONCEPT_PREFIX)


def _bars(counts: np.ndarray, top: int) -> list[tuple[float, float]]:
    """(y, height) of each bar in a box of height 40; counts are drawn by square root, so rare bins show."""
    heights = np.sqrt(counts / top) * 40
    return [(round(40 - h, 1), round(float(h), 1)) for h in heights]


def _card(
    folder: Path, row: dict[str, Any], captions: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, Any]:
    return {
        "id": row[s.CLIP_ID],
        "where": f"{Path(row[s.SOURCE_URI]).name}  {row[s.START_S]:.2f}–{row[s.END_S]:.2f} s",
        "strip": strip(folder, row),
        "captions": [
            (kind, r[s.TEXT], r[s.OUTCOME]) for kind, r in captions.get(row[s.CLIP_ID], {}).items()
        ],
        "motion": row[s.MOTION_MEAN],
        "luma": row[s.LUMA_MEAN],
    }


def strip(folder: Path, row: dict[str, Any]) -> str | None:
    """A clip's frames side by side as a base64 JPEG, None when its bytes cannot be read or decoded."""
    from PIL import Image

    from pipeline.shards.read import ClipError, read_clip
    from pipeline.video.decode import decode_clip, sample_indices
    from pipeline.video.probe import MediaError

    size = (max(2, round(row[s.WIDTH] * STRIP_HEIGHT / row[s.HEIGHT])), STRIP_HEIGHT)
    try:
        data = read_clip(folder / "clips", row)
        indices = sample_indices(row[s.N_FRAMES], min(STRIP_FRAMES, row[s.N_FRAMES]))
        frames, _ = decode_clip(data, indices=indices, size=size)
    except (ClipError, MediaError, ValueError, OSError):
        return None
    image = Image.fromarray(np.concatenate(list(frames), axis=1))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=78)
    return base64.b64encode(buffer.getvalue()).decode()
