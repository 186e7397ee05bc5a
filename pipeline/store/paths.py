"""Files by URI: objects of ``s3://``, ``gs://`` and the like with the methods of ``pathlib.Path`` that tables need.

``location("runs/a")`` is a ``Path``, ``location("s3://bucket/a")`` an ``ObjectPath``; the rest of the code does not ask
which. Objects appear whole: a PUT, or a multipart upload that becomes visible when it is completed, takes the place of
the rename. Everything is tried again with growing pauses (5xx, lost connections, timeouts; a read goes on where it
broke off), ``AWS_MAX_ATTEMPTS`` times. What then fails is an OSError with the URI: FileNotFoundError,
PermissionError or ConnectionError. Its text never holds a query string or a header, where secrets travel.

Endpoint, region and credentials come from the environment (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` ...) or the
machine's role; from ``~/.aws`` where boto3 is installed.
"""

from __future__ import annotations

import fnmatch
import io
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pipeline.store.client import asking, check_scheme, without_query
from pipeline.store.client import client as bucket_client
from pipeline.store.members import ROOT, MemberStore

T = TypeVar("T")

WHOLE_BYTES = 32 << 20
"""Parquet files up to this size are fetched in one request; of larger ones only what is read."""
THREADS = 16
"""Small objects fetched at once."""


@cache
def _members() -> MemberStore:
    return MemberStore(location, parquet_input)


def client(root: str) -> Any:
    """The client of a bucket, or of files inside other files."""
    return _members() if root == ROOT else bucket_client(root)


class Stat(NamedTuple):
    """What a store says of an object."""

    st_size: int
    """Size in bytes."""
    stamp: str
    """Its tag, which changes when the content does."""
    changed: datetime
    """When it was last put."""


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object, or the prefix of some, by its URI; the methods are those of ``pathlib.Path``.

    There are no folders: ``mkdir`` does nothing, ``is_dir`` asks for anything below. It has no ``__fspath__``, so what
    can only open local files refuses it loudly.
    """

    uri: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        check_scheme(self.uri)
        if "@" in parts.netloc:
            raise ValueError(
                f"{parts.scheme}://...@{parts.netloc.rpartition('@')[2]}: credentials do not belong "
                "into a URI; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if not parts.netloc:
            raise ValueError(f"{self.uri} names no bucket; write {parts.scheme}://bucket/path")
        object.__setattr__(self, "uri", self.uri.rstrip("/"))

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: object) -> ObjectPath:
        return ObjectPath(f"{self.uri}/{name}")

    @property
    def root(self) -> str:
        """The bucket, ``s3://bucket``."""
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def key(self) -> str:
        """Name in the bucket."""
        return self.uri[len(self.root) + 1 :]

    @property
    def name(self) -> str:
        """Last part of the key."""
        return without_query(self.uri)[len(self.root) + 1 :].rpartition("/")[2]

    @property
    def stem(self) -> str:
        """``name`` without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Suffix of ``name`` with its dot, empty when it has none."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> ObjectPath:
        """The prefix above; a bucket is its own parent."""
        return ObjectPath(self.uri.rpartition("/")[0]) if self.key else self

    def absolute(self) -> ObjectPath:
        """Itself."""
        return self

    resolve = absolute

    def stat(self) -> Stat:
        """Size; FileNotFoundError when there is no such object."""
        with asking(self.uri):
            found = client(self.root).head(self.key)
        return Stat(int(found["size"]), str(found["e_tag"] or ""), found["last_modified"])

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is any object below this prefix."""
        with asking(self.uri):
            return any(len(page) for page in client(self.root).list(self.key, chunk_size=1))

    def exists(self) -> bool:
        """Whether there is an object of this name, or below it."""
        return (bool(self.key) and self.is_file()) or self.is_dir()

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Objects below that match ``pattern`` part by part, in order of their names."""
        deep = "/" in pattern or pattern == "**"
        with asking(self.uri):
            if deep:
                found = [item for page in client(self.root).list(self.key) for item in page]
            else:
                found = client(self.root).list_with_delimiter(self.key)["objects"]
        wanted = pattern.split("/")
        for path in sorted(str(item["path"]) for item in found):
            names = path[len(self.key) :].lstrip("/").split("/")
            same = len(names) == len(wanted) and all(map(fnmatch.fnmatchcase, names, wanted))
            if same or (pattern == "**" and names != [""]):
                yield ObjectPath(f"{self.root}/{path}")

    def names(self) -> list[str]:
        """Last parts of what lies right below this prefix: objects, and prefixes of others."""
        with asking(self.uri):
            found = client(self.root).list_with_delimiter(self.key)
        below = [item["path"] for item in found["objects"]] + list(found["common_prefixes"])
        return [str(path).rstrip("/").rpartition("/")[2] for path in below]

    def read_bytes(self) -> bytes:
        """The whole object."""
        with asking(self.uri):
            return bytes(client(self.root).get(self.key).bytes())

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole object as text."""
        return self.read_bytes().decode(encoding, errors)

    def read_range(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` in one request; fewer at the end of the object."""
        if length == 0:
            return b""
        with asking(self.uri):
            return bytes(client(self.root).get_range(self.key, start=offset, length=length))

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """The object as a file to read."""
        if mode != "rb":
            raise ValueError(f"an object is opened to be read, not with {mode!r}; write it whole")
        return self.reading(1 << 20)

    def reading(self, ahead: int) -> io.BufferedReader:
        """The object as a file to seek and read in, in requests of at least ``ahead`` bytes."""
        return io.BufferedReader(_Ranges(self), ahead)

    def chunks(self) -> Iterator[bytes]:
        """The object in pieces, in order; a connection that breaks is taken up where it broke."""
        with asking(self.uri):
            for chunk in client(self.root).get(self.key).stream():
                yield bytes(chunk)

    def write_bytes(self, data: bytes | Path) -> None:
        """Put bytes, or a local file's content, under this name: all of it or nothing becomes visible."""
        with asking(self.uri):
            client(self.root).put(self.key, data)

    def create(self, data: bytes) -> str | None:
        """Put bytes where there is no object; its tag, None when there is one already."""
        from obstore.exceptions import AlreadyExistsError

        with asking(self.uri):
            try:
                return str(client(self.root).put(self.key, data, mode="create")["e_tag"])
            except AlreadyExistsError:
                return None

    def replace(self, data: bytes, tag: str) -> str | None:
        """Put bytes in the place of the object with this tag; the new tag, None when it is another by now."""
        from obstore.exceptions import PreconditionError

        if not tag:
            return self.create(data)
        with asking(self.uri):
            try:
                put = client(self.root).put(self.key, data, mode={"e_tag": tag})
            except (PreconditionError, FileNotFoundError):
                return None
        return str(put["e_tag"])

    def unlink(self, missing_ok: bool = True) -> None:
        """Remove the object; one that is gone already is no error."""
        with asking(self.uri):
            client(self.root).delete(self.key)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Nothing: a prefix is there when an object is."""


Location = Path | ObjectPath
"""Where a file or a folder lies."""


class _Ranges(io.RawIOBase):
    """An object as an unbuffered file: every read is a range request."""

    def __init__(self, path: ObjectPath) -> None:
        self.path, self.size, self.at = path, path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        self.at = max(0, start + offset)
        return self.at

    def readinto(self, buffer: Any) -> int:
        data = self.path.read_range(self.at, max(0, min(len(buffer), self.size - self.at)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


def location(name: str | Location) -> Location:
    """``name`` as an ``ObjectPath`` when it is a URI, else as a ``Path``."""
    if isinstance(name, ObjectPath):
        return name
    text = str(name)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    return ObjectPath(text) if "://" in text else Path(name)


def typed(place: object) -> str:
    """A path or URI as it is typed in a shell, in quotes where it has to be: for commands that a message names."""
    return shlex.quote(str(place))


def names_in(folder: Location) -> Iterator[str]:
    """Names in a folder, those with a dot in front left out; none when it is not there."""
    if isinstance(folder, ObjectPath):
        yield from (name for name in folder.names() if not name.startswith("."))
        return
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return


def matching(folder: Location, pattern: str = "part-*.parquet") -> list[Location]:
    """Files of a folder whose names match, in order."""
    return sorted(folder.glob(pattern), key=str)


def files_below(folder: Location) -> list[tuple[PurePosixPath, Location]]:
    """(path below ``folder``, file) of every file at any depth, in order; what has a dot in front is left out."""
    found: list[tuple[PurePosixPath, Location]]
    if isinstance(folder, ObjectPath):
        start = len(folder.uri) + 1
        found = [(PurePosixPath(path.uri[start:]), path) for path in folder.glob("**")]
    else:
        every = (path for path in folder.rglob("*") if path.is_file())
        found = [(PurePosixPath(path.relative_to(folder)), path) for path in every]
    return sorted(pair for pair in found if not any(part[0] == "." for part in pair[0].parts))


def read_range(path: Location, offset: int, length: int) -> bytes:
    """``length`` bytes of a file from ``offset``; fewer at its end."""
    if isinstance(path, ObjectPath):
        return path.read_range(offset, length)
    with path.open("rb") as handle:
        handle.seek(offset)
        return handle.read(length)


def absolute(name: str | Location) -> str:
    """``name`` so that another process finds it, whatever its working directory."""
    return str(location(name).resolve())


def parquet_input(path: str | Location) -> Any:
    """What pyarrow reads a Parquet file from: a local path as it is, an object in one request, or by range if large."""
    path = location(path)
    if isinstance(path, Path):
        return path
    import pyarrow as pa

    with asking(path.uri):
        answer = client(path.root).get(path.key)
        if answer.meta["size"] <= WHOLE_BYTES:
            return pa.BufferReader(pa.py_buffer(answer.bytes()))
    return pa.PythonFile(path.reading(1 << 20), mode="r")


def each(function: Callable[[Any], T], paths: Iterable[Location]) -> Iterator[T]:
    """``function(path)`` for every path in order; objects are waited for together, a disk is asked one by one."""
    paths = list(paths)
    if not any(isinstance(path, ObjectPath) for path in paths):
        yield from map(function, paths)
        return
    yield from together(function, paths)


def together(function: Callable[[Any], T], items: Sequence[Any]) -> Iterator[T]:
    """``function(item)`` for every item in order, many of them under way at a time."""
    with ThreadPoolExecutor(min(THREADS, max(1, len(items)))) as pool:
        for start in range(0, len(items), 8 * THREADS):
            yield from pool.map(function, items[start : start + 8 * THREADS])


def process_lives(pid: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
