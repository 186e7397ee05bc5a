"""Files behind plain ``http(s)://`` URLs, presigned ones among them, for ``store.paths``: read only, by byte range.

It has the methods of an obstore client that reading needs, and raises what that raises. A URL is sent as it was given:
its query may be a signature, so it is in no message. Addresses of the own network are refused (``addresses``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

CHUNK_BYTES = 8 << 20
"""Bytes of one request of a file that is fetched whole."""


class WebStore:
    """The files of a server; keys are what follows the host."""

    def __init__(
        self, root: str, *, attempts: int, connect_s: float, silence_s: float, pause_s: float
    ) -> None:
        import httpx

        from pipeline.store.guarded import guarded_transport

        self.root, self.attempts, self.pause_s = root, attempts, pause_s
        self.client = httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(silence_s, connect=connect_s),
            transport=guarded_transport(root),
        )

    def head(self, key: str) -> dict[str, Any]:
        """Size, tag and time of a file; by a request for one byte, for a presigned link answers no HEAD."""
        answer = self._ask(key, 0, 1)
        stated = answer.headers.get("Last-Modified")
        changed = (
            parsedate_to_datetime(stated) if stated else datetime.fromtimestamp(0).astimezone()
        )
        size = (
            0 if answer.status_code == 416 else answer.headers["Content-Range"].rpartition("/")[2]
        )
        return {"size": int(size), "e_tag": answer.headers.get("ETag"), "last_modified": changed}

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``."""
        return self._ask(key, start, length).content

    def get(self, key: str) -> Whole:
        """The file, to be read in pieces."""
        return Whole(self, key)

    def _ask(self, key: str, start: int, length: int) -> httpx.Response:
        """The answer to a range request, asked again while the server or the network is in trouble."""
        import httpx
        from obstore.exceptions import GenericError, PermissionDeniedError

        wanted = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        why = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(min(self.pause_s, 0.1 * 2**attempt) * random.uniform(0.5, 1.0))
            try:
                with self.client.stream("GET", f"{self.root}/{key}", headers=wanted) as answer:
                    code = answer.status_code
                    if code in (206, 416):
                        answer.read()
                        return answer
            except httpx.TransportError as error:
                why = f" - {type(error).__name__}"
                continue
            except httpx.InvalidURL:
                raise GenericError(" - this is no URL") from None
            status = f"status code: {code} {answer.reason_phrase}"
            if code in (401, 403):
                raise PermissionDeniedError(status)
            if code in (404, 410):
                raise FileNotFoundError(status)
            if code == 200:
                raise GenericError(" - the server does not give byte ranges")
            if code < 500 and code not in (408, 429):
                raise GenericError(status)
            why = status
        raise GenericError(why)


class Whole:
    """A file as an obstore client gives it, of a store with ``head`` and ``get_range``."""

    def __init__(self, store: Any, key: str) -> None:
        self.store, self.key = store, key

    @property
    def meta(self) -> dict[str, Any]:
        """What ``head`` says."""
        return self.store.head(self.key)

    def stream(self) -> Iterator[bytes]:
        """Its bytes, in order."""
        size = int(self.meta["size"])
        for start in range(0, size, CHUNK_BYTES):
            yield self.store.get_range(self.key, start=start, length=min(CHUNK_BYTES, size - start))

    def bytes(self) -> bytes:
        """All of its bytes."""
        return b"".join(self.stream())
