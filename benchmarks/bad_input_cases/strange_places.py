"""More of what wrong inputs are tried on: a table without a column, weights with a stranger's config, odd recipes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.bad_input_cases.places import cut


def strangers(place: Path) -> None:
    """Add them to the folders of ``places.build``."""
    texts = {
        "near.toml": "[ingest]\nmin_clip = 2\n",
        "case.toml": "[Ingest]\ncrf = 20\n",
        "twice.toml": "[ingest]\ncrf = 20\ncrf = 21\n",
        "bool.toml": "[ingest]\ncrf = true\n",
        "huge.toml": "[ingest]\ncrf = 1e999\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    shutil.copytree(place / "run", place / "run-column")
    for table in ("manifest", "captions", "shards.manifest.parquet"):
        for part in sorted((place / "run-column").glob(f"{table}/*.parquet")) or [
            place / "run-column" / table
        ]:
            if part.is_file():
                without_column(part)
    for name in ("config", "field", "json"):
        (place / f"dit-{name}").mkdir()
        strange_config(place / "dit" / "dit.safetensors", place / f"dit-{name}", name)
    shutil.copy(place / "dit" / "run.json", place / "dit-json")
    cut(place / "dit-json" / "run.json")
    (place / "cut-json").mkdir()
    shutil.copy(place / "dit-json" / "run.json", place / "cut-json")


def without_column(path: Path) -> None:
    """A table without the column that most reads need: the id of the clip."""
    import pyarrow.parquet as pq

    from pipeline import schema as s

    table = pq.read_table(path)
    names = [name for name in (s.CLIP_ID, s.SHARD) if name in table.column_names]
    pq.write_table(table.drop_columns(names), path)


def strange_config(source: Path, folder: Path, kind: str) -> None:
    """Sound weights whose header names a width that is no number, a field of another version, or no JSON."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata())
        tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config = json.loads(metadata["config"])
    if kind == "config":
        config["width"] = "wide"
    elif kind == "field":
        config["wdth"] = 192
    metadata["config"] = json.dumps(config) if kind != "json" else "{not json"
    save_file(tensors, folder / "dit.safetensors", metadata)
