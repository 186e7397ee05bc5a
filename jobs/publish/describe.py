"""What a published dataset says of itself: the card that people read, and Croissant metadata that programs read."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.publish.licences import Licence
from pipeline import schema as s
from pipeline.shards.card import CATEGORIES

SAMPLES = 5
"""Captions shown in the card."""
SHEET = "samples.png"
KINDS = {"int": "sc:Integer", "uint": "sc:Integer", "float": "sc:Float", "double": "sc:Float"}
"""Start of an Arrow type's name -> type of Croissant; any other is text."""
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that Croissant 1.0 prescribes."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What only its publisher knows of a dataset."""

    title: str
    """Its name, for people."""
    licence: Licence
    """Licence of the dataset as a whole."""
    sources: str = ""
    """Where the footage is from and under which terms."""
    summary: str = ""
    """A few sentences on what it is."""


def dataset_card(
    about: About,
    rows: list[dict[str, Any]],
    columns: Mapping[str, str],
    funnel: Mapping[str, int],
    made: Mapping[str, str],
) -> str:
    """Text of the card. ``rows`` of the shards' manifest, ``columns`` name -> Arrow type, ``funnel`` step -> clips."""
    hours = sum(row[s.END_S] - row[s.START_S] for row in rows) / 3600
    size = next((name for limit, name in CATEGORIES if len(rows) < limit), "1M<n<10M")
    licence = {
        "license": about.licence.kind,
        "license_name": about.licence.name,
        "license_link": about.licence.link,
    }
    head = [
        "---",
        *(f"{key}: {value}" for key, value in licence.items() if value),
        f"pretty_name: {json.dumps(about.title)}",
        "task_categories:",
        "- text-to-video",
        "size_categories:",
        f"- {size}",
        "tags:",
        "- video",
        "- filmstock",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: shards/*.parquet",
        "---",
    ]
    sources = len({row.get(s.SOURCE_ID) for row in rows})
    parts = [
        f"# {about.title}",
        about.summary
        or "Video clips with captions, one shot each, cut and described by filmstock.",
        table(
            ("", ""),
            [
                ("clips", f"{len(rows):,}"),
                ("hours", f"{hours:.2f}"),
                ("sources", f"{sources:,}"),
                ("seconds a clip", spread([row[s.END_S] - row[s.START_S] for row in rows])),
                ("frames a second", spread([row[s.FPS] for row in rows])),
                ("sizes", most([f"{row[s.WIDTH]}x{row[s.HEIGHT]}" for row in rows])),
                ("bytes of video", f"{sum(row[s.BYTE_LENGTH] for row in rows):,}"),
            ],
        ),
        "## Licence",
        f"The dataset is published under {about.licence.told}"
        + (f", which is at {about.licence.link}." if about.licence.link else "."),
        about.sources or "Its publisher says nothing on the terms of the footage.",
        "## Samples",
        f"![Frames of some clips]({SHEET})",
        *samples(rows),
        "## How clips were chosen",
        table(("step", "clips"), [(k, f"{v:,}") for k, v in funnel.items()])
        if funnel
        else "Every clip is in it.",
        "## Captions",
        table(("kind", "clips with one", "median words"), caption_rows(rows)),
        "## Columns",
        table(("column", "type"), list(columns.items())),
        "NULL means not measured. `(shard, byte_offset, byte_length)` of a row of `shards.manifest.parquet` is the "
        "byte range of one MP4 file in a shard.",
        "## Made by",
        table(("", ""), list(made.items())),
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(parts) + "\n"


def table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def plain(text: str) -> str:
    """A text that breaks neither a table nor a page."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def spread(values: list[float]) -> str:
    """``1.0 to 9.8, median 4.2``."""
    if not values:
        return "none"
    return f"{min(values):.3g} to {max(values):.3g}, median {statistics.median(values):.3g}"


def most(values: list[str]) -> str:
    """The most frequent values."""
    return ", ".join(f"{value} ({count:,})" for value, count in Counter(values).most_common(4))


def caption_rows(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Kind, clips with a caption of it, and median words."""
    found: list[tuple[str, ...]] = []
    for kind in s.CAPTION_KINDS:
        texts = [text for row in rows if (text := row.get(s.caption_column(kind)))]
        if texts:
            words = statistics.median(len(text.split()) for text in texts)
            found.append((kind, f"{len(texts):,}", f"{words:g}"))
    return found


def samples(rows: list[dict[str, Any]]) -> list[str]:
    """A few captions, evenly spread, as quotations."""
    shown = []
    for row in chosen(rows):
        text = next((t for kind in s.PROSE_KINDS if (t := row.get(s.caption_column(kind)))), "")
        shown.append(f"> {plain(text)[:600]}")
    return shown


def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that stand for the dataset: evenly spread."""
    count = min(SAMPLES, len(rows))
    return [rows[(2 * k + 1) * len(rows) // (2 * count)] for k in range(count)]


def croissant(
    about: About,
    repository: str,
    url: str,
    columns: Mapping[str, str],
    hashes: Mapping[str, str],
    published: str,
) -> bytes:
    """Croissant 1.0 metadata (MLCommons) as JSON-LD. ``hashes``: path -> sha256 of a file; ``published``: a date."""
    base = f"{url}/datasets/{repository}"
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": "repo",
            "name": "repo",
            "description": "The repository on the hub.",
            "contentUrl": base,
            "encodingFormat": "git+https",
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        },
        {
            "@type": "cr:FileSet",
            "@id": "shards",
            "name": "shards",
            "description": "Parquet files with a row for each clip.",
            "containedIn": {"@id": "repo"},
            "encodingFormat": "application/x-parquet",
            "includes": "shards/*.parquet",
        },
    ]
    for path, digest in sorted(hashes.items()):
        if not path.startswith("shards/") and path.endswith(".parquet"):
            files.append(
                {
                    "@type": "cr:FileObject",
                    "@id": path,
                    "name": path,
                    "description": "The same rows without the bytes of the videos.",
                    "contentUrl": f"{base}/resolve/main/{path}",
                    "encodingFormat": "application/x-parquet",
                    "sha256": digest,
                }
            )
    fields = [field_of(name, kind) for name, kind in columns.items()]
    body = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": repository.rpartition("/")[2],
        "description": about.summary or f"{about.title}: video clips with captions.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": about.licence.where,
        "url": base,
        "version": "1.0.0",
        "datePublished": published,
        "creator": {"@type": "sc:Organization", "name": repository.partition("/")[0]},
        "distribution": files,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "clips",
                "name": "clips",
                "description": "One record for each clip.",
                "field": fields,
            }
        ],
    }
    return (json.dumps(body, indent=2) + "\n").encode()


def field_of(name: str, kind: str) -> dict[str, Any]:
    """One column as a field of Croissant."""
    inner = kind.partition("<")[2] if kind.startswith("list") else kind
    word = next((v for k, v in KINDS.items() if inner.split(": ")[-1].startswith(k)), "sc:Text")
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"clips/{name}",
        "name": name,
        "description": f"Column {name}, {kind}.",
        "dataType": "sc:VideoObject" if name == s.VIDEO else word,
        "source": {"fileSet": {"@id": "shards"}, "extract": {"column": name}},
    }
    return field | ({"repeated": True} if kind.startswith("list") else {})
