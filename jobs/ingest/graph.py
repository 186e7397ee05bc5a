"""The Ray Data pipeline of ingest, for one window of sources, and the Ray tasks that name sources by their content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobs.core.ray_runtime import gpu_share
from jobs.ingest.given import GIVEN, GivenSources
from jobs.ingest.ledger import STAMP
from jobs.ingest.plan import Named, Source, name_contents
from jobs.ingest.score_frames import FrameScorer, wanted
from jobs.ingest.stages import (
    BODY,
    EMBEDDING,
    END,
    KIND,
    ORDER,
    Embedder,
    Splitter,
)
from jobs.ingest.windows import Row
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.store.paths import Location

if TYPE_CHECKING:
    import ray.data

BATCH = 4
"""Clips scored and embedded together."""
SPLITTER_CPUS, SCORER_CPUS, EMBEDDER_CPUS = 0.4, 0.1, 0.1
"""Shares of a core by which Ray counts the workers: two windows that overlap must find room side by side, and all
kinds of workers on what is left when half of the nodes are lost."""


def splitters_of() -> int:
    """How many sources are split at once: one for every core of the cluster."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", os.cpu_count() or 1)))


def naming_task(uris: list[str]) -> Callable[[], list[Named]]:
    """Start to name sources by their content, somewhere on the cluster; call the result to wait for the ids."""
    import ray

    task = ray.remote(name_contents).options(num_cpus=0, scheduling_strategy="SPREAD")
    waiting = task.remote(uris)
    return lambda: ray.get(waiting)


def execute(
    folder: Location,
    config: IngestConfig,
    openclip: OpenClipConfig,
    window: list[tuple[Source, str]],
    given: GivenSources | None = None,
) -> Iterator[Row]:
    """Rows of the sources of one window, in any order; the end of each with the stamp of its file."""
    stamps = {source.order: source.stamp for source, _ in window}
    for batch in dataset(folder, config, openclip, rows_of(window, given)).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    ):
        columns = (batch[name].to_pylist() for name in (KIND, ORDER, BODY, EMBEDDING))
        for kind, order, body, vector in zip(*columns, strict=True):
            end = {STAMP: stamps.pop(order)} if kind == END else {}
            yield Row(kind, order, json.loads(body) | end, vector)


def rows_of(window: list[tuple[Source, str]], given: GivenSources | None) -> list[dict[str, Any]]:
    """A row a source of a window; its URI goes through Ray as bytes, for Arrow's text takes only names in UTF-8."""
    rows: list[dict[str, Any]] = [
        {ORDER: source.order, s.SOURCE_URI: os.fsencode(source.uri), s.SOURCE_ID: content}
        for source, content in window
    ]
    if given is not None:
        for row, (source, _) in zip(rows, window, strict=True):
            row[GIVEN] = given.payload(source.uri)
    return rows


def dataset(
    folder: Location, config: IngestConfig, openclip: OpenClipConfig, rows: list[dict[str, Any]]
) -> ray.data.Dataset:
    """The pipeline: a splitter for every core that the cluster has by now, a scorer and an embedder for every eight.
    A block is one source, so that none waits for another."""
    import ray

    splitters = splitters_of()
    split = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Splitter,
        fn_constructor_args=(str(folder.absolute()), config, openclip.frames),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(splitters, len(rows))),
        num_cpus=SPLITTER_CPUS,
    )
    if wanted(config):
        split = split.map_batches(
            FrameScorer,
            fn_constructor_args=(config,),
            batch_size=BATCH,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=max(1, splitters // 8)),
            num_cpus=SCORER_CPUS,
        )
    gpus = gpu_share(openclip.gpus)
    return split.map_batches(
        Embedder,
        fn_constructor_args=(openclip, config.scorers, "cuda" if gpus else "cpu"),
        batch_size=BATCH,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=max(1, splitters // 8)),
        num_cpus=EMBEDDER_CPUS,
        num_gpus=gpus,
    )
