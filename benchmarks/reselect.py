"""How long a million clips take to be decided again, with a DuckDB query over the same files as the peer.

``python benchmarks/reselect.py`` writes a run folder of a million made-up scores (no video at all; 2 % of the
clips repeat another's bytes, 2 % look like another), then times ``filmstock select`` on it in a process of its own, as
people run it: predicates, exact and perceptual duplicates, a keep-rate target, a cap per source. The peer reads
the same Parquet files and counts what the predicates alone would keep. Wall and processor seconds are both printed:
they agree on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

RECIPE = """
[select]
dedup_phash_bits = 4

[select.where]
static = "motion_mean > 0.02"
shaking = "motion_mean < 0.95"
dark = "luma_mean > 0.05"
flat = "luma_std > 0.02"
text = "blur < 0.9 OR concept_text < 0.5"
blurred = "blur > 0.02 OR concept_blur < 0.5"
"""
FULL = """
[select.best.plain]
by = "aesthetic"
keep = 0.8

[select.balance.crowded]
group = "source_id"
cap = 40
"""
PEER = """
SELECT count(*) FROM read_parquet('{}/manifest/part-*.parquet')
WHERE error IS NULL AND motion_mean > 0.02 AND motion_mean < 0.95 AND luma_mean > 0.05 AND luma_std > 0.02
AND (blur < 0.9 OR concept_text < 0.5) AND (blur > 0.02 OR concept_blur < 0.5)
"""


def write_manifest(folder: Path, rows: int, part_rows: int = 100_000) -> None:
    """A manifest of ``rows`` clips with random scores, in parts, as ingest lays them out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline import schema as s
    from pipeline.tables import manifest_schema

    kind = manifest_schema(("text", "blur"))
    (folder / "manifest").mkdir(parents=True)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, rows, dtype=np.uint64)
    digests = [f"{a:016x}{b:016x}" for a, b in rng.integers(0, 2**63, (rows, 2)).tolist()]
    copies = rng.integers(0, rows, (4, rows // 50))
    flips = np.uint64(1) << rng.integers(0, 64, (3, rows // 50), dtype=np.uint64)
    hashes[copies[0]] = hashes[copies[1]] ^ np.bitwise_xor.reduce(flips, axis=0)
    words = rng.integers(0, 2**64, (rows, 9), dtype=np.uint64)
    words[copies[0]] = words[copies[1]]
    looks = ["1" + b64encode(row).decode() for row in words.view("V72")[:, 0].tolist()]
    for copy, original in copies[2:].T.tolist():
        digests[copy] = digests[original]
    for part, start in enumerate(range(0, rows, part_rows)):
        n = min(part_rows, rows - start)
        source = [f"{i // 60:016x}" for i in range(start, start + n)]
        sizes = rng.integers(0, 3, n)
        columns: dict[str, Any] = {
            s.CLIP_ID: [rng.bytes(10).hex() for _ in range(n)],
            s.SOURCE_ID: source,
            s.SOURCE_URI: [f"/footage/{name}.mp4" for name in source],
            s.START_S: np.arange(n) * 5.0,
            s.END_S: np.arange(n) * 5.0 + rng.uniform(1, 10, n),
            s.WIDTH: np.array([1280, 1920, 640], np.int32)[sizes],
            s.HEIGHT: np.array([720, 1080, 360], np.int32)[sizes],
            s.SHOT: (np.arange(start, start + n) % 60).astype(np.int32),
            s.PHASH: hashes[start : start + n],
            s.LOOK: looks[start : start + n],
            s.VIDEO_XXH3: digests[start : start + n],
        }
        for name in kind.names:
            if name in s.WORD_SCORES:
                columns[name] = rng.choice(s.CAMERAS, n)
            elif name in s.SCORE_COLUMNS or name.startswith(s.CONCEPT_PREFIX):
                columns[name] = rng.random(n, np.float32)
            elif name not in columns:
                columns[name] = pa.nulls(n, kind.field(name).type)
        table = pa.table({name: columns[name] for name in kind.names}, schema=kind)
        pq.write_table(table, folder / "manifest" / f"part-{part:05d}.parquet")


def run(command: list[str]) -> dict[str, float]:
    """Wall seconds, processor seconds and peak memory of a process (memory: of the largest one so far)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(used, 2),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        write_manifest(folder, args.rows)
        off = RECIPE.replace("[select]", "[select]\ndedup_exact = false\ndedup_phash = false")
        recipes = {"everything": RECIPE + FULL, "duplicates": RECIPE, "predicates": off}
        peer = f"import duckdb; print(duckdb.sql({PEER.format(folder)!r}).fetchall())"
        os.chdir(root)
        for _ in range(args.repeat):
            print(
                json.dumps({"run": "duckdb, predicates", **run([sys.executable, "-c", peer])}),
                flush=True,
            )
            for name, text in recipes.items():
                recipe = Path(temporary) / f"{name}.toml"
                recipe.write_text(text)
                command = [sys.executable, "-m", "jobs.cli", "select", str(folder)]
                figures = run([*command, "--recipe", str(recipe)])
                line = (folder / "metrics.jsonl").read_text().splitlines()[-1]
                kept = json.loads(line)["funnel"]["kept"]
                print(json.dumps({"run": f"select, {name}", **figures, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
