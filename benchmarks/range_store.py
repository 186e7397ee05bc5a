"""A folder behind the reading half of S3, for benchmarks: GET with ranges, HEAD and listings, straight from the disk.

    python -m benchmarks.range_store --folder FOLDER --port 9000 --latency-ms 20

Every folder below FOLDER is a bucket. moto, which the tests use, copies a whole object to answer for a range of it.
Each request waits ``--latency-ms`` before its answer, as a store in the same region does; any number wait together.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BLOCK = 1 << 20


class Store(ThreadingHTTPServer):
    """The server; ``folder`` and ``wait`` are set by ``main``."""

    daemon_threads = True
    request_queue_size = 128
    folder: Path
    wait: float


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Any

    def do_GET(self) -> None:  # noqa: N802
        with suppress(ConnectionError):  # a reader that has seen enough hangs up
            self._serve()

    def _serve(self) -> None:
        time.sleep(self.server.wait)
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        path = self.server.folder / unquote(url.path).lstrip("/")
        if "list-type" in query or path.is_dir():
            self._list(path, query.get("prefix", [""])[0])
        elif path.is_file():
            self._file(path)
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_HEAD = do_GET  # noqa: N815

    def _file(self, path: Path) -> None:
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1)
        self.send_response_only(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns:x}-{size:x}"')
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        with path.open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left > 0:
                data = file.read(min(BLOCK, left))
                self.wfile.write(data)
                left -= len(data)

    def _list(self, bucket: Path, prefix: str) -> None:
        files = sorted(p for p in bucket.rglob("*") if p.is_file())
        keys = [(str(p.relative_to(bucket)), p.stat()) for p in files]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{stat.st_size}</Size><ETag>&quot;0&quot;</ETag>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(stat.st_mtime))}</LastModified>"
            "</Contents>"
            for key, stat in keys
            if key.startswith(prefix)
        )
        self._answer(
            200,
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode(),
        )

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def on_s3(work: Path, folders: dict[str, str], latency_ms: float) -> Iterator[dict[str, str]]:
    """The same folders in a bucket of a server that is started for them; sets the variables that lead there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    os.environ.update({"AWS_ENDPOINT_URL": url, "S3_ENDPOINT_URL": url})
    os.environ.update({"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"})
    os.environ.update({"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"})
    words = ["--folder", str(work.parent), "--port", str(port), "--latency-ms", str(latency_ms)]
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.range_store", *words])
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield {name: f"s3://{work.name}/{name}" for name in folders}
    finally:
        server.kill()
        server.wait()


def loopback_bytes() -> int:
    """Bytes that the loopback interface has received."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    args = parser.parse_args()
    store = Store(("127.0.0.1", args.port), _Handler)
    store.folder, store.wait = args.folder, args.latency_ms / 1000
    print(f"{os.getpid()}: {args.folder} on port {args.port}", flush=True)
    store.serve_forever()


if __name__ == "__main__":
    main()
