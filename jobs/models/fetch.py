"""Fetch a model from the Hugging Face hub into its local cache: all of it and checked, or nothing that can be loaded.

huggingface_hub does the transfer: its progress bars, its resume of a connection that broke off, mirrors by
``HF_ENDPOINT``, tokens by ``HF_TOKEN``. It does not hash what came; that is done here, against what the hub says of
each file. A snapshot that is not whole is taken out of sight again; the files that came whole stay for the next try.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.core.errors import UserError
from jobs.models.needs import Need
from pipeline.store.hub import repository_cache, snapshot_folder

BLOCK = 8 << 20


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a repository as the hub describes it."""

    name: str
    """Path inside the repository."""
    size: int
    """Size in bytes."""
    sha256: str | None
    """Hash of its content, of large files."""
    git_id: str | None
    """Hash that git gives its content, of small files."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A revision of a repository as the hub describes it."""

    commit: str
    """Its commit hash."""
    licence: str | None
    """Licence of its card."""
    files: tuple[RemoteFile, ...]
    """Those of its files that are fetched."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def describe(need: Need) -> Remote:
    """Ask the hub what the model consists of; one line when it cannot be reached or does not have it."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = HfApi()
    try:
        info = api.model_info(need.repository, revision=need.revision, files_metadata=True)
    except GatedRepoError as error:
        raise UserError(
            f"{need.repository} is gated: accept its terms on the hub and set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{api.endpoint} has no repository {need.repository}") from error
    except RevisionNotFoundError as error:
        raise UserError(f"{need.repository} has no revision {need.revision}") from error
    except Exception as error:  # httpx's and huggingface_hub's many kinds
        raise UserError(
            f"{api.endpoint} does not answer for {need.repository} ({_line(error)}); "
            "check the network, or name a mirror with HF_ENDPOINT"
        ) from error
    there = {each.rfilename: each for each in info.siblings or []}
    card: Any = info.card_data
    licence = card.get("license") if card else None
    chosen = need.files_of(list(there))
    return Remote(
        commit=str(info.sha),
        licence=licence if isinstance(licence, str) else None,
        files=tuple(remote_file(there[name]) for name in chosen),
    )


def remote_file(sibling: Any) -> RemoteFile:
    """One file of a ``ModelInfo``."""
    lfs = sibling.lfs
    sha256 = None if lfs is None else (lfs["sha256"] if isinstance(lfs, dict) else lfs.sha256)
    return RemoteFile(
        name=sibling.rfilename,
        size=int(sibling.size or 0),
        sha256=sha256,
        git_id=None if sha256 else sibling.blob_id,
    )


def fetch(need: Need, remote: Remote, say: Callable[[str], None]) -> Path:
    """Fetch and check the model; returns its snapshot. ``UserError`` when it does not come whole."""
    from huggingface_hub import snapshot_download

    check_room(need, remote)
    try:
        folder = Path(
            snapshot_download(
                need.repository,
                revision=need.revision,
                allow_patterns=[file.name for file in remote.files],
            )
        )
    except KeyboardInterrupt:
        hide(need, remote, None)
        raise
    except Exception as error:  # httpx's and huggingface_hub's many kinds
        hide(need, remote, None)
        raise UserError(
            f"{need.repository} came in part only ({_line(error)}); "
            "files that came whole are kept, run the same command again to go on"
        ) from error
    say(f"models: checking {remote.size / 1e6:.1f} MB of {need.repository}")
    bad = [file for file in remote.files if not is_intact(folder / file.name, file)]
    for file in bad:
        (folder / file.name).resolve().unlink(missing_ok=True)  # the blob: it is fetched anew
    lacking = need.lacking_in(folder)
    if bad or lacking:
        hide(need, remote, folder)
        names = ", ".join(file.name for file in bad)
        raise UserError(
            f"{need.repository}: {names} did not come as the hub describes it (wrong hash or size) "
            "and was removed; run the same command again"
            if bad
            else f"{need.repository} at {remote.commit} has no {lacking[0]}: it is no model of this kind"
        )
    return folder


def check_room(need: Need, remote: Remote) -> None:
    """Refuse a fetch that the disk has no room for."""
    cache = repository_cache(need.repository)
    base = next(path for path in (cache, *cache.parents) if path.exists())
    blobs = cache / "blobs"
    here = sum(path.stat().st_size for path in blobs.iterdir()) if blobs.is_dir() else 0
    free = shutil.disk_usage(base).free
    if remote.size - here > free:
        raise UserError(
            f"{need.repository} takes {remote.size / 1e9:.1f} GB and {base} has {free / 1e9:.1f} GB free; "
            "make room, or set HF_HOME to another disk"
        )


def hide(need: Need, remote: Remote, folder: Path | None) -> None:
    """Take the links of a snapshot that is not whole away, and keep the bytes: nothing half is ever loaded."""
    cache = repository_cache(need.repository)
    folder = folder or snapshot_folder(need.repository, need.revision)
    folder = folder or cache / "snapshots" / remote.commit
    for file in remote.files:
        (folder / file.name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def is_intact(path: Path, file: RemoteFile) -> bool:
    """True when a file is there with the size and the hash that the hub names."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256 is not None:
        return _digest(path, hashlib.sha256()) == file.sha256
    if file.git_id is not None:
        return _digest(path, hashlib.sha1(b"blob %d\0" % file.size)) == file.git_id
    return True


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return str(digest.hexdigest())


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
