"""A Hugging Face hub on loopback: the few endpoints that huggingface_hub uses, over folders, with scripted faults."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.helpers import loopback

LFS_FROM = 2048
"""Files from this size on are large files: known by sha256, small ones by git's hash."""


@dataclass
class HubServer(loopback.Loopback):
    """Serves ``repositories``: name -> (commit, folder, licence). ``url`` is what HF_ENDPOINT takes."""

    repositories: dict[str, tuple[str, Path, str]]
    cut: dict[str, int] = field(default_factory=dict)
    """File name -> bytes after which the connection breaks off."""
    cuts_left: int = 1 << 30
    """How often it breaks off."""
    spoiled: set[str] = field(default_factory=set)
    """Names of files that are sent with other bytes than the hub says they have, of the same length."""
    served: Counter[str] = field(default_factory=Counter)
    """Bytes sent of each file."""
    ranges: list[str] = field(default_factory=list)
    """``Range`` headers that were asked for."""

    def __post_init__(self) -> None:
        owner = self

        class Answers(loopback.Handler):
            def do_HEAD(self) -> None:
                owner.answer(self, body=False)

            def do_GET(self) -> None:
                owner.answer(self, body=True)

            def do_POST(self) -> None:
                owner.take(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            do_PUT = do_POST

        super().__init__(Answers)

    def answer(self, handler: BaseHTTPRequestHandler, *, body: bool) -> None:
        """Route one request."""
        path = unquote(urlsplit(handler.path).path).strip("/")
        for name, (commit, folder, licence) in self.repositories.items():
            if path.startswith(f"api/models/{name}"):
                rest = path.removeprefix(f"api/models/{name}").strip("/")
                if rest.startswith("revision/") and rest.split("/")[1] not in (commit, "main"):
                    return send(handler, 404, {}, b"", {"X-Error-Code": "RevisionNotFound"})
                if rest.startswith("tree/"):
                    return send_json(handler, [tree_entry(folder, p) for p in files(folder)])
                return send_json(handler, info(name, commit, folder, licence))
            if path.startswith(f"{name}/resolve/"):
                revision, _, file = path.removeprefix(f"{name}/resolve/").partition("/")
                if revision not in (commit, "main") or not (folder / file).is_file():
                    return send(handler, 404, {}, b"", {"X-Error-Code": "EntryNotFound"})
                return self.file(handler, folder / file, commit, body=body)
        return send(handler, 404, {}, b"", {"X-Error-Code": "RepoNotFound"})

    def take(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        """What is sent to a hub that takes nothing, see ``hub_writes``."""
        send(handler, 404, {}, b"", {"X-Error-Code": "RepoNotFound"})

    def file(self, handler: BaseHTTPRequestHandler, path: Path, commit: str, *, body: bool) -> None:
        """One file, or a range of it."""
        data = path.read_bytes()
        etag = sha256(data) if len(data) >= LFS_FROM else git_id(data)
        headers = {
            "ETag": f'"{etag}"',
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{etag}"',
            "X-Linked-Size": str(len(data)),
            "Accept-Ranges": "bytes",
        }
        if not body:
            return send(handler, 200, headers, b"", {"Content-Length": str(len(data))})
        if path.name in self.spoiled:
            data = bytes(byte ^ 1 for byte in data)
        start, status = 0, 200
        if asked := handler.headers.get("Range"):
            self.ranges.append(asked)
            start, status = int(asked.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        limit = self.cut.get(path.name) if self.cuts_left > 0 else None
        self.cuts_left -= limit is not None
        sent = part if limit is None else part[: max(0, limit - start)]
        self.served[path.name] += len(sent)
        handler.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(part))}).items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(sent)
        handler.close_connection = len(sent) < len(part)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def info(name: str, commit: str, folder: Path, licence: str) -> dict[str, Any]:
    """What ``GET /api/models/NAME`` says."""
    return {
        "_id": "0",
        "id": name,
        "modelId": name,
        "sha": commit,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": {"license": licence},
        "siblings": [sibling(folder, path) for path in files(folder)],
    }


def sibling(folder: Path, path: Path) -> dict[str, Any]:
    """A file as the list of a repository's files has it."""
    return entry_of(folder, path, name="rfilename", small="blobId", large="sha256")


def tree_entry(folder: Path, path: Path) -> dict[str, Any]:
    """A file as the listing of a folder has it."""
    return {"type": "file", **entry_of(folder, path, name="path", small="oid", large="oid")}


def entry_of(folder: Path, path: Path, *, name: str, small: str, large: str) -> dict[str, Any]:
    """Name, size and hashes of a file, under the keys of one of the hub's two lists."""
    data = path.read_bytes()
    entry = {name: str(path.relative_to(folder)), "size": len(data), small: git_id(data)}
    if len(data) < LFS_FROM:
        return entry
    return {**entry, "lfs": {large: sha256(data), "size": len(data), "pointerSize": 134}}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def send_json(handler: BaseHTTPRequestHandler, data: Any) -> None:
    send(handler, 200, {"Content-Type": "application/json"}, json.dumps(data).encode(), {})


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    body: bytes,
    more: dict[str, str],
) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers | more).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
