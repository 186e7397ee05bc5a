"""A stage of a folder: what it was last finished with, whether it has anything to do, and its figures.

    stage = open_stage(run, "pack", settings, inputs=("manifest", "selection.parquet", "captions"))
    if result := stage.finished(PackResult):
        return result
    with stage.working():
        ...
        stage.log(figures)
        stage.finish({**figures, "outputs": ["shards"]})

``.done/<stage>.json`` holds the key, and is written last: a kill at any instant leaves the stage undone, never half
done and believed.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jobs.core.keys import plain
from jobs.core.lock import hold, locked, release
from pipeline.store.atomic import append_line, write_bytes
from pipeline.store.paths import Location, location

Result = TypeVar("Result")

MARKERS = ".done"
"""Folder of the markers, in the folder that the stages write to."""
METRICS = "metrics.jsonl"
"""File of the figures: one JSON line per run of a stage."""


@dataclass(frozen=True)
class Stage:
    """One stage with the key of the settings and inputs that it is to be run with now."""

    folder: Location
    """Folder that it writes to."""
    name: str
    """Name of its command."""
    key: str
    """Hash of settings and inputs (``config_key``)."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Tables it reads, with a hash of each as it is now: noted, so that a later stage sees whether one has changed."""

    @property
    def info(self) -> dict[str, Any] | None:
        """What it noted when it was finished with this key, None when it has to run: no output may be gone."""
        info = done_info(self.folder, self.name)
        if info is None or info.get("key") != self.key:
            return None
        outputs = info.get("outputs", [])
        return info if all((self.folder / name).exists() for name in outputs) else None

    def finished(self, result: type[Result]) -> Result | None:
        """``result``, a dataclass, filled from what was noted; None when the stage has to run."""
        info = self.info
        if info is None:
            return None
        names = [field.name for field in dataclasses.fields(result)]  # type: ignore[arg-type]
        return result(**{name: info[name] for name in names})

    def clear(self) -> None:
        """Forget that it was finished: called before its outputs are replaced."""
        clear_done(self.folder, self.name)

    def begin(self) -> None:
        """``working`` without a block, for a trainer: the folder is held until ``finish``, or the process ends."""
        hold(self.folder, self.name)
        self.clear()

    @contextmanager
    def working(self, first: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the folder while the stage writes to it, and forget that it was finished; UserError when it is held.

        ``first`` is done before that: what removes old outputs must know them after a kill, too.
        """
        with locked(self.folder, self.name):
            if first is not None:
                first()
            self.clear()
            yield

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Append a line of figures to the folder's ``metrics.jsonl``."""
        log_metrics(self.folder, self.name, metrics)

    def finish(self, info: Mapping[str, Any]) -> None:
        """Mark it as finished; ``info["outputs"]`` may list paths relative to the folder."""
        noted = {"inputs": self.inputs} if self.inputs else {}
        mark_done(self.folder, self.name, self.key, {**noted, **info})
        release(self.folder)


def done_info(folder: Location, stage: str) -> dict[str, Any] | None:
    """Contents of a stage's marker, or None when it is absent or unreadable."""
    try:
        info = json.loads(_marker(folder, stage).read_text())
    except ConnectionError:
        raise
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None


def stage_key(folder: Location, stage: str) -> str | None:
    """Key that ``stage`` was last finished with in ``folder``, or None."""
    info = done_info(folder, stage)
    return None if info is None else str(info.get("key"))


def mark_done(folder: Location, stage: str, key: str, info: Mapping[str, Any]) -> None:
    """Write a stage's marker, atomically."""
    body = {"stage": stage, "key": key, **{name: plain(value) for name, value in info.items()}}
    write_bytes(_marker(folder, stage), (json.dumps(body, indent=2) + "\n").encode())


def clear_done(folder: Location, stage: str) -> None:
    """Remove a stage's marker."""
    _marker(folder, stage).unlink(missing_ok=True)


def log_metrics(folder: Location, stage: str, metrics: Mapping[str, Any]) -> None:
    """Append one line of figures to the folder's ``metrics.jsonl``."""
    line = {"stage": stage, "time_s": round(time.time(), 3)}
    line.update({name: plain(value) for name, value in metrics.items()})
    append_line(location(folder) / METRICS, (json.dumps(line) + "\n").encode())


def _marker(folder: Location, stage: str) -> Location:
    return location(folder) / MARKERS / f"{stage}.json"
