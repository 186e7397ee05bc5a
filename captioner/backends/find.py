"""Where a captioner is on this machine: in the repository, in a folder, or in the local cache of the hub.

Nothing is ever downloaded here. A model that is not there, or only in part, is a ``ValueError`` of one line.
"""

from __future__ import annotations

from pathlib import Path

from captioner.backends.embedded import WEIGHTS
from pipeline.store.hub import (
    cached_revisions,
    is_repository,
    missing_files,
    snapshot_folder,
    split_pin,
)

WANTED: tuple[tuple[str, ...], ...] = (
    ("config.json",),
    (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ),
    ("tokenizer.json", "tokenizer.model", "vocab.json"),
    ("preprocessor_config.json", "processor_config.json"),
)
"""What a model folder needs to be whole: one file of each entry."""


def find_captioner(name: str) -> Path:
    """Folder of ``embedded``, of a local folder, or of ``ORG/NAME`` or ``ORG/NAME@REVISION`` in the local cache."""
    if name == "embedded":
        if not (WEIGHTS / "model.safetensors").is_file():
            raise ValueError(
                f"the embedded captioner is missing from {WEIGHTS}; "
                "`filmstock pretrain-captioner --out DIR` rebuilds it"
            )
        return WEIGHTS
    folder = Path(name).expanduser()
    if folder.is_dir():
        if lacking := missing_files(folder, WANTED[:2]):
            raise ValueError(
                f"{name} is no complete model folder: it has no {lacking[0]}; copy it again, or give another"
            )
        return folder
    if name.startswith(("/", ".", "~")):
        raise ValueError(f"caption model folder {name} does not exist")
    repository, revision = split_pin(name)
    if not is_repository(repository):
        raise ValueError(
            f"caption model {name!r} is no model: give embedded, a folder, or ORG/NAME as on the Hugging Face hub"
        )
    snapshot = snapshot_folder(repository, revision)
    if snapshot is None or missing_files(snapshot, WANTED):
        raise ValueError(not_cached(name, repository, revision))
    return snapshot


def not_cached(name: str, repository: str, revision: str | None) -> str:
    """One line for a model that is not in the local cache: which, how to get it, what needs none."""
    others = [other[:12] for other in cached_revisions(repository) if other != revision]
    there = f" (revision {', '.join(others)} is, in whole or in part)" if others else ""
    return (
        f"caption model {name!r} is not in the local Hugging Face cache{there}; "
        f"get it once with: filmstock models get {name} "
        "(recipe demo needs no download, but describes the synthetic world only)"
    )
