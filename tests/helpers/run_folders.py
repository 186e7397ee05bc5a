"""A whole run folder without Ray: real clips, every table, shards, and what trainings and people leave beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from jobs.caption.rows import write_part
from jobs.core.keys import config_key
from jobs.core.run import RunFolder, open_run
from jobs.core.stage import Stage
from jobs.ingest.given import PLACE
from jobs.ingest.index import DROPPED
from jobs.ingest.ledger import HIDDEN, STAMP, Ledger, commit_source, compile_sources
from jobs.ingest.stages import ClipParts
from jobs.select import command as select
from jobs.shards import pack
from pipeline import schema as s
from pipeline.config import PackConfig, SelectConfig
from pipeline.store.paths import Location
from pipeline.tables import captions_schema
from tests.helpers.shard_media import clip_bytes

FRAMES, HEIGHT, WIDTH = 9, 32, 48
KINDS = ("short", "dense")
CODECS = "tests.helpers.tiny_codecs"
SOURCES = ("harbour-at-dawn", "mill_Ünïque", "quay")
"""File names of the sources, without their ending."""


def make_run(
    folder: Path, raw: Path, sources: tuple[str, ...] = SOURCES, clips: int = 3, seed: int = 0
) -> RunFolder:
    """``clips`` clips of each of ``sources``, captioned and packed; the raw files are there, and are no videos."""
    raw.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder)
    for number, name in enumerate(sources):
        path = raw / f"{name}.mp4"
        path.write_text(f"the film {name} {seed}")
        _commit(ledger, path, number, clips, seed)
    ledger.compact()
    compile_sources(ledger, lambda record: None)
    for name, beside in (
        ("settings", {"key": "", "settings": ""}),
        ("total", {"sources": len(sources)}),
    ):
        (folder / HIDDEN / f"{name}.json").write_text(json.dumps(beside))  # as ingest leaves them
    n_clips = len(sources) * clips
    outputs = ["sources.parquet", "dropped.parquet", "clips", "manifest", "embeddings"]
    Stage(folder, "ingest", config_key("test")).finish({"outputs": outputs, "clips": n_clips})
    run = open_run(folder)
    select.run(SelectConfig(dedup_cosine=None), run)
    write_captions(run, seed)
    pack.run(PackConfig(), run)
    return run


def _commit(ledger: Ledger, path: Path, number: int, clips: int, seed: int) -> None:
    source = ingest_id(path)
    writer = ClipParts(ledger.folder / "clips", source, 1 << 30)
    rows = []
    for i in range(clips):
        start, end = i * 100, i * 100 + 90
        row: dict[str, Any] = {
            s.CLIP_ID: s.clip_id(source, start, end),
            s.SOURCE_ID: source,
            s.SOURCE_URI: str(path),
            s.START_PTS: start,
            s.END_PTS: end,
            s.TIME_BASE_NUM: 1,
            s.TIME_BASE_DEN: 80,
            s.START_S: start / 80,
            s.END_S: end / 80,
            s.SHOT: i,
            s.N_FRAMES: FRAMES,
            s.FPS: 8.0,
            s.WIDTH: WIDTH,
            s.HEIGHT: HEIGHT,
            s.MOTION_MEAN: 0.1 * (i + 1),
            s.LUMA_MEAN: 0.5,
            s.PHASH: 2**40 * (10 * number + i + 1 + 1000 * seed),
        }
        writer.add(
            {**row, s.VIDEO: clip_bytes(100 * seed + 10 * number + i, FRAMES, HEIGHT, WIDTH)}
        )
        row[PLACE] = i
        rows.append((row, np.eye(8, dtype=np.float16)[i].tobytes()))
    end_row = {
        s.SOURCE_ID: source,
        s.SOURCE_URI: str(path),
        s.OUTCOME: s.SourceOutcome.DONE.value,
        s.N_CLIPS: clips,
        s.DURATION_S: clips * 100 / 80,
        DROPPED: [[90 / 80, 100 / 80, "short"]],
        STAMP: "",
        "ranges": writer.commit(),
        "embedding_dim": 8,
    }
    commit_source(ledger, end_row, rows, ())


def ingest_id(path: Path) -> str:
    """The id that ingest gives a file."""
    from pipeline.source.listing import file_source_id

    return file_source_id(path)


def write_captions(run: RunFolder, seed: int = 0) -> None:
    """Two captions of every kept clip, each with words of its own."""
    rows = []
    for clip in run.kept_clips()[s.CLIP_ID].to_pylist():
        for kind in KINDS:
            rows.append(
                dict.fromkeys(captions_schema().names)
                | {
                    s.CLIP_ID: clip,
                    s.KIND: kind,
                    s.TEXT: f"a {kind} caption that nobody else has, word{clip[:8]}{seed}",
                    s.OUTCOME: s.CaptionOutcome.OK.value,
                    s.MODEL: "tester-1",
                    s.CHECKS: [],
                    s.REPAIRS: [],
                    s.HINTS: [],
                    s.FACTS: [],
                }
            )
    write_part(run.captions, rows)
    info = {"clips": len(rows) // 2, "rows": len(rows), "ok": len(rows), "outputs": ["captions"]}
    Stage(run.path, "caption", config_key("test")).finish(info)


def encode_run(run: RunFolder) -> None:
    """``latents/`` of the run, by models without weights."""
    from jobs.shards import encode
    from pipeline.config import EncodeConfig

    config = EncodeConfig(vae=f"{CODECS}:MeanVae", text_encoder=f"{CODECS}:ByteEncoder")
    encode.run(config, run.path, workers=1, device="cpu")


def train_run(run: RunFolder, out: Path, steps: int = 6) -> Path:
    """A tiny DiT trained on the run's latents."""
    from jobs.train import dit

    words = ["--width", "64", "--depth", "1", "--steps", str(steps), "--tokens-per-pack", "40"]
    rest = ["--held-out-share", "0.2", "--log-every", "1", "--sample-every", "0"]
    dit.main([str(run / "latents"), "--out", str(out), *words, *rest])
    return out


def tree(folder: Location | Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too, by its path."""
    root = Path(str(folder))
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
