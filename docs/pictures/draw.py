"""``make pictures``: every picture of README and docs, drawn from the folder that ``make demo`` made.

    python docs/pictures/draw.py runs/demo

The screenshot of the report needs a headless Chromium on PATH; where there is none it is skipped, and a line says so.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from pipeline import schema as s
from pipeline.video.decode import decode_clip

HERE = Path(__file__).resolve().parent
LIMIT = 3 << 20
"""All pictures together, bytes."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REPORT_SIZE = (1200, 1500)
"""Part of the report that is shown, pixels from its top left corner."""
SHEET_CLIPS, SHEET_FRAMES, SHEET_HEIGHT = 8, 4, 96
"""Kept clips on the contact sheet, frames of each, and their height in pixels."""
SAMPLE_WIDTH = 192
"""Width of a generated video in the animation, pixels; it is made 128 wide."""


def main(argv: list[str]) -> int:
    """Draw all of them; exit code 2 where the demo has not run or the pictures are too large."""
    demo = Path(argv[0]) if argv else Path("runs/demo")
    if not (demo / "set" / "report.html").is_file():
        print(f"no demo in {demo}; run `make demo` first", file=sys.stderr)
        return 2
    jobs: dict[str, Callable[[Path, Path], bool]] = {
        "flow.svg": draw_flow,
        "report.png": draw_report,
        "contact-sheet.png": draw_contact_sheet,
        "samples.webp": draw_samples,
    }
    for name, draw in jobs.items():
        if draw(demo, HERE / name):
            print(f"{HERE / name}: {(HERE / name).stat().st_size >> 10} kB")
    size = sum(path.stat().st_size for path in HERE.iterdir() if path.suffix in PICTURES)
    print(f"all pictures: {size >> 10} kB")
    if size > LIMIT:
        print(f"the pictures take {size} bytes, more than {LIMIT}", file=sys.stderr)
        return 2
    return 0


PICTURES = (".svg", ".png", ".webp")


# The flow diagram: boxes are folders, arrows are commands, figures are the demo's own.

BOX, GAP, ROW, TOP = (116, 52), 72, 122, 40


def draw_flow(demo: Path, out: Path) -> bool:
    """The data flow in two rows, with what the demo came to under each folder."""
    figures = demo_figures(demo)
    first = [
        ("raw videos", f"{figures['sources']} files", "ingest"),
        ("clips", f"{figures['clips']} clips", "select"),
        ("selection", f"{figures['kept']} kept", "caption"),
        ("captions", f"{figures['captions']} captions", "pack"),
        ("shards", f"{figures['minutes']:.1f} minutes", ""),
    ]
    second = [
        ("latents", f"{figures['latents']} clips", "train-dit"),
        ("checkpoints", f"{figures['steps']} steps", "sample"),
        ("videos", f"{figures['samples']} prompts", ""),
    ]
    width = len(first) * BOX[0] + (len(first) - 1) * GAP + 2 * TOP
    height = ROW + BOX[1] + 2 * TOP + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="14" text-anchor="middle">',
        "<title>The data flow: each arrow is a command, each box a folder</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#455a64"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
    ]
    for row, boxes in enumerate((first, second)):
        for column, (name, figure, command) in enumerate(boxes):
            x, y = TOP + column * (BOX[0] + GAP), TOP + row * ROW
            parts += box(x, y, name, figure)
            if command:
                parts += arrow(x + BOX[0], y + BOX[1] // 2, GAP, command)
    x, y = TOP + (len(first) - 1) * (BOX[0] + GAP) + BOX[0] // 2, TOP + BOX[1]
    left, low = TOP + BOX[0] // 2, TOP + ROW
    middle = y + 40
    parts.append(
        f'<path d="M{x} {y + 16} V{middle} H{left} V{low - 3}" fill="none" stroke="#455a64" stroke-width="1.5" '
        'marker-end="url(#tip)"/>'
    )
    parts.append(f'<text x="{(x + left) // 2}" y="{middle - 6}" fill="#1565c0">encode</text>')
    parts.append("</svg>")
    out.write_text("\n".join(parts) + "\n")
    return True


def box(x: int, y: int, name: str, figure: str) -> list[str]:
    """One folder: its name, and below it a figure of the demo."""
    center = x + BOX[0] // 2
    return [
        f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="6" fill="#eceff1" stroke="#90a4ae"/>',
        f'<text x="{center}" y="{y + 31}" fill="#263238" font-weight="bold">{escape(name)}</text>',
        f'<text x="{center}" y="{y + BOX[1] + 14}" fill="#607d8b" font-size="12">{escape(figure)}</text>',
    ]


def arrow(x: int, y: int, length: int, command: str) -> list[str]:
    """One command, from a folder to the next."""
    return [
        f'<path d="M{x + 4} {y} H{x + length - 4}" stroke="#455a64" stroke-width="1.5" marker-end="url(#tip)"/>',
        f'<text x="{x + length // 2}" y="{y - 8}" fill="#1565c0">{escape(command)}</text>',
    ]


def demo_figures(demo: Path) -> dict[str, Any]:
    """Counts of what lies in the demo's folders."""
    data = demo / "set"
    selection = pq.read_table(data / "selection.parquet", columns=[s.DECISION])
    captions = [pq.read_metadata(path).num_rows for path in data.glob("captions/part-*.parquet")]
    shards = pq.read_table(data / "shards.manifest.parquet").to_pylist()
    latents = pq.read_table(data / "latents" / "manifest.parquet", columns=[s.CLIP_ID])
    metrics = [
        json.loads(line) for line in (demo / "dit" / "metrics.jsonl").read_text().splitlines()
    ]
    return {
        "sources": pq.read_metadata(data / "sources.parquet").num_rows,
        "clips": selection.num_rows,
        "kept": selection.column(s.DECISION).to_pylist().count("keep"),
        "captions": sum(captions),
        "minutes": sum(row[s.END_S] - row[s.START_S] for row in shards) / 60,
        "latents": len(set(latents.column(s.CLIP_ID).to_pylist())),
        "steps": max(entry["step"] for entry in metrics if "step" in entry),
        "samples": len(list((demo / "samples").glob("*.mp4"))),
    }


def draw_report(demo: Path, out: Path) -> bool:
    """The top of ``report.html``, as Chromium shows it."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print(
            f"{out.name}: skipped, no Chromium on PATH ({', '.join(BROWSERS)}); the old picture stays"
        )
        return False
    with tempfile.TemporaryDirectory() as scratch:
        shot = Path(scratch) / "report.png"
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={scratch}", f"--screenshot={shot}",
                f"--window-size={REPORT_SIZE[0]},{REPORT_SIZE[1]}",
                (demo / "set" / "report.html").resolve().as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        save_png(Image.open(shot).convert("RGB"), out)
    return True


def draw_contact_sheet(demo: Path, out: Path) -> bool:
    """Kept clips from the demo's shards, a few frames of each, under them the short caption."""
    shards = sorted((demo / "set" / "shards").glob("part-*.parquet"))
    table = pq.read_table(shards, columns=[s.VIDEO, s.CAPTION_SHORT])
    every = max(1, table.num_rows // SHEET_CLIPS)
    rows = table.take(list(range(0, table.num_rows, every))[:SHEET_CLIPS]).to_pylist()
    font = ImageFont.load_default(size=15)
    strips = [strip(row, font) for row in rows]
    columns = 2
    width = max(picture.width for picture in strips)
    height = max(picture.height for picture in strips)
    sheet = Image.new(
        "RGB", (columns * width + 8, -(-len(strips) // columns) * (height + 8)), "white"
    )
    for index, picture in enumerate(strips):
        sheet.paste(picture, ((index % columns) * (width + 8), (index // columns) * (height + 8)))
    save_png(sheet, out)
    return True


def strip(row: dict[str, Any], font: Any) -> Image.Image:
    """A few frames of one clip side by side, its caption below."""
    video = row[s.VIDEO]
    frames, _ = decode_clip(video["bytes"] if isinstance(video, dict) else video)
    picks = np.linspace(0, len(frames) - 1, SHEET_FRAMES).round().astype(int)
    pictures = [Image.fromarray(frames[index]) for index in picks]
    wide = round(pictures[0].width * SHEET_HEIGHT / pictures[0].height)
    wide = min(wide, SHEET_HEIGHT * 3 // 2)
    out = Image.new("RGB", (SHEET_FRAMES * (SHEET_HEIGHT * 3 // 2 + 2), SHEET_HEIGHT + 22), "white")
    for index, picture in enumerate(pictures):
        picture = picture.resize(
            (wide, round(wide * picture.height / picture.width)), Image.Resampling.LANCZOS
        )
        out.paste(picture, (index * (wide + 2), 0))
    ImageDraw.Draw(out).text(
        (2, SHEET_HEIGHT + 2), row[s.CAPTION_SHORT] or "", fill="#263238", font=font
    )
    return out


def draw_samples(demo: Path, out: Path) -> bool:
    """The generated videos side by side, animated, at their own rate."""
    videos = [decode_clip(path.read_bytes()) for path in sorted((demo / "samples").glob("*.mp4"))]
    length = min(len(frames) for frames, _ in videos)
    height, width = videos[0][0].shape[1:3]
    size = (SAMPLE_WIDTH, round(SAMPLE_WIDTH * height / width))
    pts = videos[0][1]
    milliseconds = round(1000 * float(pts[-1] - pts[0]) / (len(pts) - 1))
    pages = []
    for index in range(length):
        page = Image.new("RGB", (len(videos) * (SAMPLE_WIDTH + 8) - 8, size[1]), "white")
        for column, (frames, _) in enumerate(videos):
            tile = Image.fromarray(frames[index]).resize(size, Image.Resampling.BICUBIC)
            page.paste(tile, (column * (SAMPLE_WIDTH + 8), 0))
        pages.append(page)
    pages[0].save(
        out,
        save_all=True,
        append_images=pages[1:],
        duration=milliseconds,
        loop=0,
        quality=80,
        method=6,
    )
    return True


def save_png(picture: Image.Image, out: Path) -> None:
    """As a PNG of 256 colours, which takes a third of the bytes and cannot be told by eye."""
    buffer = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    out.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
