"""How large ``report.html`` gets and how long it takes, for runs of any number of clips.

The run is made up: real clips of noise (the worst case for JPEG), few of them encoded and many rows pointing at each,
random scores, many quarantined sources with long messages, duplicates, captions.

    python benchmarks/report_size.py --clips 66 10000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jobs.core.run import open_run
from jobs.core.stage import log_metrics, mark_done
from jobs.report.page import write_report
from pipeline import schema as s
from pipeline.select.select import select_clips
from pipeline.store.atomic import write_bytes
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, manifest_schema, sources_schema

FPS = 12.0
CLIPS_PER_SOURCE = 10
LOOK = "1" + b64encode(bytes(72)).decode()
"""The look of every clip."""
KINDS = ("cut", "cut", "cut", "fade", "dissolve", "wipe", "split")
RECIPE = f"""[select]
dedup_exact = false  # the rows share a few files
dedup_phash_bits = 8
[select.where]
static = "{s.MOTION_MEAN} > 0.05"
shaking = "{s.MOTION_MEAN} < 0.9"
text = "{s.BLUR} IS NULL OR {s.BLUR} < 0.9 OR {s.CONCEPT_PREFIX}text < 0.5"
[select.best.sharp]
by = "{s.BLUR}"
keep = 0.9
"""


def make_run(
    folder: Path, clips: int, *, files: int = 12, size: tuple[int, int] = (320, 180)
) -> Path:
    """A run folder of ``clips`` rows over ``files`` encoded clips of (width, height) noise."""
    import pyarrow as pa

    from jobs.core.recipe import load_recipe
    from pipeline.shards.part import video_hash
    from pipeline.video.encode import encode_mp4

    rng = np.random.default_rng(0)
    width, height = size
    blobs = [
        encode_mp4(rng.integers(0, 256, (8, height, width, 3), dtype=np.uint8), FPS, crf=30)
        for _ in range(files)
    ]
    shard = "part-00.parquet"  # only byte ranges of it are read
    write_bytes(folder / "clips" / shard, b"".join(blobs))
    starts = np.cumsum([0, *map(len, blobs)]).tolist()
    rows: list[dict[str, Any]] = []
    for i in range(clips):
        number, place = divmod(i, CLIPS_PER_SOURCE)
        source = f"{number:016x}"
        last = place == CLIPS_PER_SOURCE - 1 or i == clips - 1
        scores: dict[str, Any] = {name: rng.random() for name in s.SCORE_COLUMNS}
        scores[s.CAMERA] = s.CAMERAS[i % len(s.CAMERAS)]
        rows.append(
            {
                s.CLIP_ID: s.clip_id(source, place * 8, place * 8 + 8),
                s.SOURCE_ID: source,
                s.SOURCE_URI: f"raw/{number:06}.mp4",
                s.START_PTS: place * 8,
                s.END_PTS: place * 8 + 8,
                s.TIME_BASE_NUM: 1,
                s.TIME_BASE_DEN: 12,
                s.START_S: place * 8 / FPS,
                s.END_S: (place + 1) * 8 / FPS,
                s.TRANSITION_IN: KINDS[(i - 1) % len(KINDS)] if place else "start",
                s.TRANSITION_OUT: "end" if last else KINDS[i % len(KINDS)],
                s.N_FRAMES: 8,
                s.FPS: FPS,
                s.WIDTH: width,
                s.HEIGHT: height,
                **scores,
                s.CONCEPT_PREFIX + "text": float(rng.random()),
                s.PHASH: int(rng.integers(0, 1 << 63)) if i % 9 else 7,
                s.LOOK: LOOK,
                s.SHARD: shard,
                s.BYTE_OFFSET: starts[i % files],
                s.BYTE_LENGTH: len(blobs[i % files]),
                s.VIDEO_XXH3: video_hash(blobs[i % files]),
                s.ERROR: "clip: embed: the model gave NaN" if i % 97 == 13 else None,
            }
        )
    schema = manifest_schema(("text",))
    manifest = pa.table({n: [row.get(n) for row in rows] for n in schema.names}, schema=schema)
    write_table(folder / "manifest" / "part-00.parquet", manifest)
    write_bytes(folder / "recipe.toml", RECIPE.encode())
    selection = select_clips(manifest, load_recipe(folder / "recipe.toml").select)
    write_table(folder / "selection.parquet", selection.table)
    _write_sources(folder, clips)
    _write_captions(folder, selection.table)
    funnel = {row.step: row.clips for row in selection.funnel}
    log_metrics(folder, "select", {"funnel": funnel})
    made = {"command": "filmstock curate raw --out run", "versions": {"python": "3"}}
    mark_done(folder, "curate", "key", made)
    return folder


def _write_sources(folder: Path, clips: int) -> None:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for number in range(-(-clips // CLIPS_PER_SOURCE)):
        n = min(CLIPS_PER_SOURCE, clips - number * CLIPS_PER_SOURCE)
        rows.append(
            {
                s.SOURCE_ID: f"{number:016x}", s.SOURCE_URI: f"raw/{number:06}.mp4",
                s.OUTCOME: str(s.SourceOutcome.DONE), s.N_CLIPS: n, s.DURATION_S: n * 8 / FPS,
            }
        )  # fmt: skip
        if number % 5 == 2:
            rows.append(
                {
                    s.SOURCE_ID: f"{number:015x}x", s.SOURCE_URI: f"raw/broken-{number:06}.mp4",
                    s.OUTCOME: str(s.SourceOutcome.QUARANTINED), s.ERROR_STAGE: "open",
                    s.ERROR_TYPE: f"invalid_{number % 100}", s.ERROR_MESSAGE: "<b>moov</b> " * 200,
                }
            )  # fmt: skip
    schema = sources_schema()
    columns = {n: [row.get(n) for row in rows] for n in schema.names}
    write_table(folder / "sources.parquet", pa.table(columns, schema=schema))


def _write_captions(folder: Path, selection: Any) -> None:
    import pyarrow as pa

    rows = []
    for row in selection.to_pylist():
        if row[s.DECISION] == s.Decision.KEEP:
            for kind in ("short", "dense"):
                failed = int(row[s.CLIP_ID][:4], 16) % 50 == 0
                outcome = s.CaptionOutcome.TRUNCATED if failed else s.CaptionOutcome.OK
                text = f"a {kind} caption that goes on for a while " * (1 if kind == "short" else 6)
                rows.append(
                    {s.CLIP_ID: row[s.CLIP_ID], s.KIND: kind, s.TEXT: text, s.OUTCOME: str(outcome)}
                )
    schema = captions_schema()
    columns = {n: [row.get(n) for row in rows] for n in schema.names}
    write_table(folder / "captions" / "part-00.parquet", pa.table(columns, schema=schema))


def main() -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[66, 10_000])
    args = parser.parse_args()
    for clips in args.clips:
        with tempfile.TemporaryDirectory() as name:
            folder = make_run(Path(name) / "run", clips)
            start = time.perf_counter()
            page = write_report(open_run(folder))
            seconds = time.perf_counter() - start
            pictures = page.read_text().count("data:image/jpeg")
            print(
                f"{clips:>9,} clips  {page.stat().st_size:>9,} bytes  {pictures} pictures  {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
