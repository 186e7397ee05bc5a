"""Damaged copies of a run's tables, of models and of checkpoints, in the folder that wrong inputs are tried on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

LISTS = ("selection.parquet", "shards.manifest.parquet", "sources.parquet")
"""Tables of a run that are one file."""


def runs(place: Path) -> None:
    """Copies of the run: ``run-cut``, ``run-old`` and so on, each with damage of one kind in its tables."""
    for name in ("cut", "magic", "old", "stale", "nolatents", "column", "folders", "sealed"):
        shutil.copytree(place / "run", place / f"run-{name}")
    tables = ("manifest", "captions", "embeddings", "latents")
    damage(place / "run-cut", tables, cut, cut)
    damage(place / "run-magic", tables, spoil, lambda path: path.write_bytes(b"x" * 99))
    for part in (place / "run-old").rglob("*.parquet"):
        change_table(part, lambda table: restamped(table, "99"))
    shutil.rmtree(place / "run-nolatents" / "latents")
    stale = place / "run-stale" / "selection.parquet"
    change_table(stale, lambda table: table.slice(0, max(1, len(table) - 1)))
    for part in sorted((place / "run-column").glob("*/*.parquet")):
        if part.parent.name in ("manifest", "captions"):
            change_table(part, without_column)
    if (shards := place / "run-column" / "shards.manifest.parquet").exists():
        change_table(shards, without_column)
    for part in sorted((place / "run-folders").rglob("*.parquet")):
        part.unlink()
        part.mkdir()
    for part in (place / "run-sealed").rglob("*.parquet"):
        part.chmod(0)


def damage(
    run: Path,
    tables: Iterable[str],
    part: Callable[[Path], object],
    whole: Callable[[Path], object],
) -> None:
    """Do ``part`` to every part of the tables, and ``whole`` to the tables that are one file."""
    for table in tables:
        for path in sorted((run / table).glob("*.parquet")):
            part(path)
    for name in LISTS:
        if (run / name).exists():
            whole(run / name)


def cut(path: Path) -> None:
    """Leave the first two thirds of a file."""
    body = path.read_bytes()
    path.write_bytes(body[: len(body) * 2 // 3])


def spoil(path: Path) -> None:
    """Take away what tells a file's kind: its first and its last bytes."""
    path.write_bytes(b"\x00" * 64 + path.read_bytes()[64:-8] + b"GARBAGE!")


def change_table(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write what ``change`` makes of a table in its place."""
    import pyarrow.parquet as pq

    pq.write_table(change(pq.read_table(path)), path)


def restamped(table: pa.Table, version: str) -> pa.Table:
    """A table of another schema version."""
    metadata = {**(table.schema.metadata or {}), b"filmstock.schema_version": version.encode()}
    return table.replace_schema_metadata(metadata)


def without_column(table: pa.Table) -> pa.Table:
    """A table without the column that most reads need: the id of the clip."""
    from pipeline import schema as s

    return table.drop_columns([name for name in (s.CLIP_ID, s.SHARD) if name in table.column_names])


def models(place: Path) -> None:
    """Weights cut short, noise, not finite, or of another shape; headers with a config of a stranger."""
    import torch

    for kind in ("dit", "vae"):
        weights = f"{kind}.safetensors"
        for name in ("cut", "noise", "nan", "shape"):
            (place / f"{kind}-{name}").mkdir()
            shutil.copy(place / kind / weights, place / f"{kind}-{name}")
        cut(place / f"{kind}-cut" / weights)
        (place / f"{kind}-noise" / weights).write_bytes(os.urandom(4096))
        _change_largest(
            place / f"{kind}-nan" / weights, lambda one: torch.full_like(one, torch.nan)
        )
        _change_largest(place / f"{kind}-shape" / weights, lambda one: torch.zeros(3, 5))
    shutil.copy(place / "vae" / "vae.safetensors", place / "other.safetensors")
    change_config(place, "vae", "config", {"widths": ["wide", 8]})
    change_config(place, "dit", "config", {"width": "wide"})
    change_config(place, "dit", "field", {"wdth": 192})
    change_config(place, "dit", "json", None)
    (place / "dit-cut" / "run.json").write_text('{"command": "train-dit"')
    (place / "dit-noise" / "run.json").write_text(json.dumps({"command": "paint", "settings": {}}))
    shutil.copy(place / "dit" / "run.json", place / "dit-json")
    cut(place / "dit-json" / "run.json")
    (place / "cut-json").mkdir()
    shutil.copy(place / "dit-json" / "run.json", place / "cut-json")


def _change_largest(path: Path, change: Callable[[Tensor], Tensor]) -> None:
    from safetensors.torch import save_file

    from pipeline.store.weights import METADATA, read_tensors, weights_header

    tensors = read_tensors(path)
    name = max(tensors, key=lambda name: tensors[name].numel())
    save_file({**tensors, name: change(tensors[name])}, path, weights_header(path)[METADATA])


def change_config(place: Path, kind: str, name: str, changes: Mapping[str, object] | None) -> None:
    """Sound weights in ``kind-name`` whose header holds another config; None: one that is no JSON."""
    from safetensors.torch import save_file

    from pipeline.store.weights import METADATA, read_tensors, weights_header

    source = place / kind / f"{kind}.safetensors"
    target = place / f"{kind}-{name}"
    target.mkdir()
    metadata = weights_header(source)[METADATA]
    config = json.loads(metadata["config"])
    told = "{not json" if changes is None else json.dumps({**config, **changes})
    save_file(read_tensors(source), target / source.name, {**metadata, "config": told})


def states(place: Path) -> None:
    """Folders with a ``state.pt`` that is noise, or of something else."""
    import torch

    for name in ("noise", "other"):
        (place / f"state-{name}").mkdir()
    (place / "state-noise" / "state.pt").write_bytes(os.urandom(4096))
    torch.save({"epoch": 3, "weights": torch.zeros(3)}, place / "state-other" / "state.pt")
