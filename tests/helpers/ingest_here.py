"""The stages of ingest in this process, in the place of Ray: seconds less for every test that needs no cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.core import ray_runtime
from jobs.ingest import graph
from jobs.ingest.given import GivenSources, read_payload
from jobs.ingest.ledger import STAMP
from jobs.ingest.plan import name_contents
from jobs.ingest.stages import BODY, EMBEDDING, END, KIND, SAMPLES, SHAPE, Embedder, Splitter
from jobs.ingest.windows import Row
from pipeline.config import IngestConfig, OpenClipConfig


def ingest_here(
    monkeypatch: pytest.MonkeyPatch, instead: Callable[..., Iterator[Row]] | None = None
) -> None:
    """Let ``run_files`` execute its windows in this process, or have ``instead`` give their rows."""
    monkeypatch.setattr(graph, "execute", instead or execute)
    monkeypatch.setattr(graph, "splitters_of", lambda: 1)
    monkeypatch.setattr(graph, "naming_task", lambda uris: lambda: name_contents(uris))
    monkeypatch.setattr(ray_runtime, "start_ray", lambda **_: None)


def execute(
    folder: Path,
    config: IngestConfig,
    openclip: OpenClipConfig,
    window: list[tuple[Any, str]],
    given: GivenSources | None = None,
) -> Iterator[Row]:
    """``graph.execute`` without Ray and without the search for text."""
    splitter, embedder = Splitter(str(folder), config, openclip.frames), Embedder(openclip)
    try:
        for source, content in window:
            told = read_payload(given.payload(source.uri)) if given is not None else None
            for row in splitter.split(source.order, source.uri, content, told):
                kinds = {
                    KIND: pa.string(),
                    BODY: pa.string(),
                    SAMPLES: pa.binary(),
                    SHAPE: pa.string(),
                }
                table = pa.table({k: pa.array(row[k], kind) for k, kind in kinds.items()})
                table = table.append_column("order", pa.array([source.order], pa.int64()))
                done = embedder(table)
                end = {STAMP: source.stamp} if row[KIND] == [END] else {}
                body = json.loads(done[BODY][0].as_py()) | end
                yield Row(row[KIND][0], source.order, body, done[EMBEDDING][0].as_py())
    finally:
        splitter.sandbox.close()
