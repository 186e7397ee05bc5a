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
        .from_string(TEMPLATE)
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


TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>filmstock: {{ name }}</title>
<style>
 body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1180px;padding:0 1rem;color:#1b1b1b;background:#fafaf8}
 h1{font-size:1.5rem} h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
 table{border-collapse:collapse} td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
 td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
 .grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(350px,1fr));gap:1rem}
 .card{background:#fff;border:1px solid #e4e4e0;border-radius:6px;padding:.5rem;overflow:hidden}
 .card img{width:100%;display:block;border-radius:3px} .card p{margin:.35rem 0 0;font-size:.86rem}
 .dim{color:#777;font-size:.8rem} .gap{background:#eee;color:#a33;padding:1.5rem;text-align:center}
 .bar{height:.8rem;background:#4470b8;border-radius:2px} pre{background:#f0f0ec;padding:1rem;overflow:auto;font-size:.82rem}
 .hist{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:1rem} .bad{color:#a33}
</style>
<h1>{{ name }}</h1>
<p>{{ sources|length }} inputs ({% for k, n in outcomes.items() %}{{ n }} {{ k }}{{ ", " if not loop.last }}{% endfor %}),
 {{ "%.3f"|format(hours_in) }} hours of footage; {{ n_kept }} clips kept, {{ "%.3f"|format(hours_kept) }} hours.</p>
{% if funnel %}<h2>Funnel</h2><table><tr><th>after</th><th class="n">clips left</th><th></th></tr>
{% for step, n in funnel %}<tr><td>{{ step }}</td><td class="n">{{ n }}</td>
<td style="width:420px"><div class="bar" style="width:{{ (100 * n / (funnel[0][1] or 1))|round(1) }}%"></div></td></tr>{% endfor %}
</table>{% endif %}
<h2>Inputs</h2><table><tr><th>input</th><th>outcome</th><th class="n">clips</th><th class="n">seconds</th><th>why</th></tr>
{% for r in sources %}<tr><td>{{ r[columns.SOURCE_URI].split("/")[-1] }}</td><td>{{ r[columns.OUTCOME] }}</td>
<td class="n">{{ r[columns.N_CLIPS] if r[columns.N_CLIPS] is not none }}</td>
<td class="n">{{ "%.1f"|format(r[columns.DURATION_S]) if r[columns.DURATION_S] is not none }}</td>
<td class="bad">{% if r[columns.ERROR_TYPE] %}{{ r[columns.ERROR_STAGE] }} / {{ r[columns.ERROR_TYPE] }}: {{ r[columns.ERROR_MESSAGE] }}{% endif %}</td></tr>{% endfor %}</table>
{% if caption_outcomes %}<h2>Captions</h2><table><tr><th>kind</th><th>outcome</th><th class="n">rows</th></tr>
{% for (kind, outcome), n in caption_outcomes.items()|sort %}<tr><td>{{ kind }}</td><td>{{ outcome }}</td><td class="n">{{ n }}</td></tr>{% endfor %}</table>{% endif %}
<h2>Scores</h2><p class="dim">grey: all clips, blue: kept; bar heights by square root</p><div class="hist">
{% for h in histograms %}<div><svg viewBox="0 0 200 42" width="100%">
{% for y, hh in h.all %}<rect x="{{ loop.index0 * 5 }}" y="{{ y }}" width="4.4" height="{{ hh }}" fill="#d0d0cc"/>{% endfor %}
{% for y, hh in h.kept %}<rect x="{{ loop.index0 * 5 }}" y="{{ y }}" width="4.4" height="{{ hh }}" fill="#4470b8"/>{% endfor %}</svg>
<div class="dim"><b>{{ h.name }}</b> {{ h.low }} … {{ h.high }}, median {{ h.median }}{% if h.missing %}, {{ h.missing }} not measured{% endif %}</div></div>{% endfor %}</div>
{% macro card(c) %}<div class="card">{% if c.strip %}<img src="data:image/jpeg;base64,{{ c.strip }}" alt="">{% else %}<div class="gap">bytes unreadable</div>{% endif %}
{% for kind, text, outcome in c.captions %}<p><b>{{ kind }}</b>{% if outcome != "ok" %} <span class="bad">{{ outcome }}</span>{% endif %} {{ text or "" }}</p>{% endfor %}
<p class="dim">{{ c.where }} · {{ c.id }}{% if c.motion is not none %} · motion {{ "%.4f"|format(c.motion) }}{% endif %}{% if c.luma is not none %} · luma {{ "%.2f"|format(c.luma) }}{% endif %}</p></div>{% endmacro %}
<h2>Kept ({{ kept|length }} of {{ n_kept }} shown)</h2><div class="grid">{% for c in kept %}{{ card(c) }}{% endfor %}</div>
{% for reason, (n, cards) in rejected.items() %}<h2>Rejected: {{ reason }} ({{ n }})</h2><div class="grid">{% for c in cards %}{{ card(c) }}{% endfor %}</div>{% endfor %}
{% if recipe %}<h2>Recipe</h2><pre>{{ recipe }}</pre>{% endif %}
</html>
"""
