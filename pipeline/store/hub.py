"""Models of the Hugging Face hub that are on this machine: which revision, which folder, whether it is whole.

A model is named ``ORG/NAME`` or, pinned, ``ORG/NAME@REVISION`` with a commit hash, a tag or a branch. Nothing is ever
downloaded here: ``filmstock models get`` does that.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

INDEX_SUFFIX = ".index.json"
"""Ending of the file that lists the parts of weights that are split."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def split_pin(model: str) -> tuple[str, str | None]:
    """``"org/name@rev"`` -> ``("org/name", "rev")``; a name without a pin has no revision."""
    name, _, revision = model.partition("@")
    return name, revision or None


def is_repository(name: str) -> bool:
    """True for what the hub takes as the name of a repository: ``ORG/NAME``."""
    return _REPOSITORY.fullmatch(name) is not None


def repository_cache(repository: str) -> Path:
    """Folder of a repository in the local cache, whether or not it is there."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def snapshot_folder(repository: str, revision: str | None = None) -> Path | None:
    """Folder of one revision in the local cache (None: of ``main``), or None when it is not there."""
    cache = repository_cache(repository)
    name = revision or "main"
    with contextlib.suppress(OSError):  # a commit hash has no reference
        name = (cache / "refs" / name).read_text().strip()
    folder = cache / "snapshots" / name
    return folder if folder.is_dir() else None


def cached_revisions(repository: str) -> list[str]:
    """Commit hashes of which something is in the local cache."""
    snapshots = repository_cache(repository) / "snapshots"
    return sorted(path.name for path in snapshots.iterdir()) if snapshots.is_dir() else []


def missing_files(folder: Path, wanted: tuple[tuple[str, ...], ...]) -> list[str]:
    """What a snapshot lacks. Each entry of ``wanted`` names files of which one must be there, whole.

    A file is there when its link leads to bytes; one that lists parts needs all of them.
    """
    lacking = []
    for names in wanted:
        found = next((name for name in names if (folder / name).is_file()), None)
        if found is None:
            lacking.append(names[0])
        elif found.endswith(INDEX_SUFFIX):
            lacking += [part for part in index_parts(folder / found) if not _here(folder / part)]
        elif not _here(folder / found):
            lacking.append(found)
    return lacking


def index_parts(path: Path) -> list[str]:
    """Files that an index of split weights names; empty when it cannot be read."""
    try:
        return sorted(set(json.loads(path.read_text())["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError):
        return []


def _here(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Keep huggingface_hub to its cache, so that loading neither downloads nor waits on a network."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
