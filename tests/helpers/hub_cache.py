"""A local cache of the Hugging Face hub as huggingface_hub lays it out: blobs, snapshots that link to them, refs."""

from __future__ import annotations

import hashlib
from pathlib import Path


def put_in_cache(cache: Path, repository: str, folder: Path, revision: str) -> Path:
    """Put the files of ``folder`` into the cache as one revision of ``repository``, and ``main``; its snapshot."""
    root = cache / f"models--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / revision
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        blob = root / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(blob)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(revision)
    return snapshot
