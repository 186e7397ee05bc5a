"""``filmstock captions-report DIR``: an audit of a run's captions on one self-contained page.

What DALL-E 3 names as its reason for mixing in other captions, a captioner's habits of length, opening and wording, is
counted here; beside it how captions ended, what the checks found, and the worst grounded ones next to their frames.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro

from jobs.caption import truth
from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.run import RunFolder, open_run
from jobs.edits.apply import BY_HAND
from jobs.report.data import read_run
from jobs.report.page import TEMPLATE, write_smaller
from jobs.report.pictures import StillCache
from pipeline import schema as s
from pipeline.store.paths import Location, typed

REPORT = "captions.html"
WORST_SHOWN = 24
OPENINGS_SHOWN = 12
BINS = 24
FRAMES, BOX = 4, (110, 110)
TEXT_SHOWN = 700
"""Characters shown of a caption at most."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Write captions.html of a run folder: lengths, openings, outcomes, vocabulary, worst-grounded captions."""

    folder: tyro.conf.Positional[Folder]
    """Run folder that `filmstock caption` was run on."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "captions-report")
    say(f"captions-report: {write_report(open_run(args.folder))}")
    return EXIT_OK


def write_report(folder: RunFolder) -> Location:
    """Write ``folder/captions.html`` and return its path; UserError when there are no captions."""
    import jinja2

    run = read_run(folder)
    if run.captions is None:
        raise UserError(f"{folder} has no captions; run filmstock caption {typed(folder)} first")
    clips = run.described()
    rows = sorted((row for row in run.captions.to_pylist() if row[s.CLIP_ID] in clips), key=key_of)
    packed = as_packed(rows, {clip: run.corrected[clip] for clip in clips & run.corrected.keys()})
    said = {key_of(row): truth.text_hash(row[s.TEXT] or "") for row in packed}
    checked = {
        key_of(row): row
        for row in truth.truth_rows(folder.path)
        if said.get(key_of(row)) == row[s.TEXT_HASH]
    }
    good = readable(packed)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        TEMPLATE.with_name("captions.html.j2").read_text(encoding="utf-8")
    )
    tables = {
        "name": folder.path.name or str(folder),
        "style": page_style(),
        "facts": facts(rows, checked, corrections(packed)),
        **endings(rows),
        "faults": faults(packed, checked),
        "lengths": [(kind, *histogram(texts)) for kind, texts in good.items()],
        "openings": [(kind, openings(texts)) for kind, texts in good.items()],
        "growth": [(kind, *growth(texts)) for kind, texts in good.items()],
    }
    stills = StillCache(run)
    return write_smaller(
        folder / REPORT,
        (
            template.render(**tables, worst=worst(stills, packed, checked, shown))
            for shown in (WORST_SHOWN, WORST_SHOWN // 2, WORST_SHOWN // 4, 0)
        ),
    )


def key_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """(clip_id, kind)."""
    return row[s.CLIP_ID], row[s.KIND]


def as_packed(
    rows: list[dict[str, Any]], corrected: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """The captions with what people put in their place, which ended well and has no fault of the reply."""
    hand = {(clip, kind): text for clip, texts in corrected.items() for kind, text in texts.items()}
    found = {key_of(row): row for row in rows}
    for (clip, kind), text in hand.items():
        found[clip, kind] = {
            **dict.fromkeys((s.RAW_TEXT, s.CHECKS, s.ERROR_MESSAGE)),
            s.CLIP_ID: clip,
            s.KIND: kind,
            s.TEXT: text,
            s.OUTCOME: s.CaptionOutcome.OK,
            s.MODEL: BY_HAND,
        }
    return [found[key] for key in sorted(found)]


def corrections(packed: list[dict[str, Any]]) -> int:
    """How many captions people put in place of others."""
    return sum(row[s.MODEL] == BY_HAND for row in packed)


def page_style() -> Any:
    """The style sheet of ``report.html``, so that both pages look alike."""
    from markupsafe import Markup

    text = TEMPLATE.read_text(encoding="utf-8")
    return Markup(text.partition("<style>")[2].partition("</style>")[0])


def readable(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """kind -> texts of the captions that ended well, structured ones rendered, in order of clip id."""
    from captioner.ask.structured import parse
    from captioner.render import plain

    found: dict[str, list[str]] = {}
    for row in rows:
        if row[s.OUTCOME] == s.CaptionOutcome.OK and row[s.TEXT]:
            text = plain(parse(row[s.TEXT])) if row[s.KIND] == "structured" else row[s.TEXT]
            found.setdefault(row[s.KIND], []).append(text)
    return {kind: found[kind] for kind in s.CAPTION_KINDS if kind in found}


def words_of(text: str) -> list[str]:
    """Lower-case words."""
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())


def facts(
    rows: list[dict[str, Any]], checked: dict[Any, dict[str, Any]], by_hand: int = 0
) -> list[tuple[str, str]]:
    """The numbers at the top; ``by_hand`` captions were corrected."""
    scores = [row[s.TRUTH_MIN] for row in checked.values() if row[s.TRUTH_MIN] is not None]
    ok = sum(row[s.OUTCOME] == s.CaptionOutcome.OK for row in rows)
    out = [
        ("clips", f"{len({row[s.CLIP_ID] for row in rows}):,}"),
        ("captions", f"{len(rows):,}"),
        ("ended well", f"{100 * ok / max(1, len(rows)):.1f} %"),
        ("models", ", ".join(sorted({str(row[s.MODEL]) for row in rows}))[:60]),
    ]
    if by_hand:
        out.append(("corrected by hand", f"{by_hand:,}"))
    if scores:
        out.append(("worst assertion, median", f"{np.median(scores):.2f}"))
    return out


def endings(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The table of outcomes by kind."""
    counts = Counter((row[s.KIND], row[s.OUTCOME]) for row in rows)
    outcomes = [str(o) for o in s.CaptionOutcome if any(outcome == o for _, outcome in counts)]
    kinds = [kind for kind in s.CAPTION_KINDS if any(kind == k for k, _ in counts)]
    ends = [
        (kind, [counts[kind, o] for o in outcomes], sum(counts[kind, o] for o in outcomes))
        for kind in kinds
    ]
    return {"outcomes": outcomes, "ends": ends}


def faults(
    rows: list[dict[str, Any]], checked: dict[Any, dict[str, Any]]
) -> list[tuple[str, int, str]]:
    """(fault, captions with it, one of them), most frequent first, of replies and of truth checks."""
    counts: Counter[str] = Counter()
    example: dict[str, str] = {}
    for row in rows:
        more = checked.get((row[s.CLIP_ID], row[s.KIND]), {}).get(s.CHECKS) or []
        for name in dict.fromkeys([*(row[s.CHECKS] or []), *more]):
            counts[name] += 1
            example.setdefault(name, (row[s.TEXT] or row[s.ERROR_MESSAGE] or "")[:240])
    return [(name, count, example[name]) for name, count in counts.most_common()]


def histogram(texts: list[str]) -> tuple[str, int, int, int]:
    """(drawing, least, median, most) of the numbers of words."""
    lengths = np.array([len(words_of(text)) for text in texts])
    low, high = int(lengths.min()), int(lengths.max())
    bins = max(1, min(BINS, high - low + 1))
    counts, _ = np.histogram(lengths, bins=bins, range=(low - 0.5, high + 0.5))
    width = 300 / bins
    bars = "".join(
        f'<rect class="kept" x="{i * width:.1f}" y="{90 - 88 * n / counts.max():.1f}" '
        f'width="{max(1.0, width - 1):.1f}" height="{88 * n / counts.max():.1f}"/>'
        for i, n in enumerate(counts)
        if n
    )
    svg = f'<svg viewBox="0 0 300 90" role="img" aria-label="word counts">{bars}</svg>'
    return svg, low, int(np.median(lengths)), high


def openings(texts: list[str]) -> list[tuple[str, str, float]]:
    """(first three words, share, width of its bar in percent) of the most frequent openings."""
    counts = Counter(" ".join(words_of(text)[:3]) for text in texts)
    most = counts.most_common(OPENINGS_SHOWN)
    return [
        (words, f"{100 * n / len(texts):.1f} %", round(100 * n / most[0][1], 1))
        for words, n in most
    ]


def growth(texts: list[str]) -> tuple[str, int, int]:
    """(drawing, words, captions): different words after each caption."""
    seen: set[str] = set()
    counts = [0]
    for text in texts:
        seen.update(words_of(text))
        counts.append(len(seen))
    picked = np.unique(np.linspace(0, len(counts) - 1, 120).round().astype(int))
    top = max(1, counts[-1])
    points = " ".join(
        f"{300 * i / (len(counts) - 1):.1f},{89 - 86 * counts[i] / top:.1f}" for i in picked
    )
    line = f'<polyline points="{points}" fill="none" stroke="var(--accent)" stroke-width="2"/>'
    svg = f'<svg viewBox="0 0 300 90" role="img" aria-label="vocabulary">{line}</svg>'
    return svg, counts[-1], len(texts)


def worst(
    stills: StillCache, rows: list[dict[str, Any]], checked: dict[Any, dict[str, Any]], shown: int
) -> list[dict[str, Any]]:
    """Captions with the least ``truth_min``, one per clip, beside frames of their clips."""
    from pipeline.video.decode import sample_indices

    at = {clip: i for i, clip in enumerate(stills.run.column(s.CLIP_ID))}
    texts = {(row[s.CLIP_ID], row[s.KIND]): row[s.TEXT] for row in rows}
    scored = sorted(
        (row[s.TRUTH_MIN], key)
        for key, row in checked.items()
        if row[s.TRUTH_MIN] is not None and key in texts and key[0] in at
    )
    cards: list[dict[str, Any]] = []
    done: set[str] = set()
    for score, (clip, kind) in scored:
        if len(cards) == shown:
            break
        if clip in done:
            continue
        done.add(clip)
        row = checked[clip, kind]
        frames = sample_indices(stills.run.row(at[clip])[s.N_FRAMES], FRAMES)
        cards.append(
            {
                "src": stills.take(at[clip], frames, BOX),
                "clip": clip,
                "kind": kind,
                "assertion": row[s.WORST_ASSERTION],
                "text": (texts[clip, kind] or "")[:TEXT_SHOWN],
                "score": f"{score:.2f}",
                "checks": ", ".join(row[s.CHECKS]),
            }
        )
    return cards
