"""The loopback hub, taking datasets: repositories are made, large files uploaded, commits written to a folder."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.helpers.hub_server import HubServer, files, send, send_json, tree_entry

TOKEN = "hf_test"


@dataclass
class WritableHub(HubServer):
    """``HubServer`` that also takes datasets of one owner into ``root``; whoever has no ``TOKEN`` is refused."""

    root: Path = Path()
    private: dict[str, bool] = field(default_factory=dict)
    """Datasets that were made, and whether they are private."""
    uploads: list[str] = field(default_factory=list)
    """Hashes of the large files that were sent."""
    commits: list[list[str]] = field(default_factory=list)
    """Paths of each commit."""
    uploads_left: int = 1 << 30
    """Large files that are taken; the next is refused."""
    _blobs: dict[str, bytes] = field(default_factory=dict)

    def answer(self, handler: BaseHTTPRequestHandler, *, body: bool) -> None:
        """Route one GET."""
        path = unquote(urlsplit(handler.path).path).strip("/")
        for name in self.private:
            if path == f"api/datasets/{name}/tree/main":
                there = self.root / name
                return send_json(handler, [tree_entry(there, each) for each in files(there)])
        return super().answer(handler, body=body)

    def take(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        """Route one POST or PUT."""
        path = unquote(urlsplit(handler.path).path).strip("/")
        if path.startswith("lfs/"):
            if self.uploads_left <= 0:
                return send(handler, 400, {}, b"", {})
            self.uploads_left -= 1
            oid = path.removeprefix("lfs/")
            assert hashlib.sha256(data).hexdigest() == oid
            self._blobs[oid] = data
            self.uploads.append(oid)
            return send(handler, 200, {}, b"", {})
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return send(handler, 401, {}, b"", {"X-Error-Message": "Invalid credentials"})
        if path == "api/repos/create":
            asked = json.loads(data)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            made = {"url": f"{self.url}/datasets/{name}", "name": name}
            if name in self.private:
                return reply(handler, made, 409)
            self.private[name] = asked.get("visibility") == "private"
            (self.root / name).mkdir(parents=True)
            return reply(handler, made)
        if path == "api/validate-yaml":
            assert json.loads(data)["content"].startswith("---\n")
            return reply(handler, {"errors": [], "warnings": []})
        for name in self.private:
            if path == f"api/datasets/{name}/preupload/main":
                return reply(handler, {"files": [mode(each) for each in json.loads(data)["files"]]})
            if path == f"datasets/{name}.git/info/lfs/objects/batch":
                wanted = json.loads(data)["objects"]
                return reply(
                    handler, {"transfer": "basic", "objects": list(map(self.place, wanted))}
                )
            if path == f"api/datasets/{name}/commit/main":
                self.write(self.root / name, [json.loads(line) for line in data.splitlines()])
                url = f"{self.url}/datasets/{name}/commit/0"
                return reply(handler, {"success": True, "commitOid": "0" * 40, "commitUrl": url})
        return send(handler, 404, {}, b"", {"X-Error-Code": "RepoNotFound"})

    def place(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Where a large file is to be sent; nowhere when it is there."""
        if wanted["oid"] in self._blobs:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.url}/lfs/{wanted['oid']}"}}}

    def write(self, folder: Path, lines: list[dict[str, Any]]) -> None:
        """Do what a commit says."""
        paths = []
        for line in lines:
            kind, value = line["key"], line["value"]
            if kind == "header":
                continue
            path = folder / value["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            paths.append(value["path"])
            if kind == "file":
                path.write_bytes(base64.b64decode(value["content"]))
            elif kind == "lfsFile":
                path.write_bytes(self._blobs[value["oid"]])
            elif kind == "deletedFile":
                path.unlink()
        self.commits.append(sorted(paths))


def mode(file: dict[str, Any]) -> dict[str, Any]:
    """How a file is to be sent: Parquet and pictures as large files."""
    large = file["path"].endswith((".parquet", ".png"))
    return {
        "path": file["path"],
        "uploadMode": "lfs" if large else "regular",
        "shouldIgnore": False,
    }


def reply(handler: BaseHTTPRequestHandler, data: Any, status: int = 200) -> None:
    send(handler, status, {"Content-Type": "application/json"}, json.dumps(data).encode(), {})
