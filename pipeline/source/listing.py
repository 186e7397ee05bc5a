"""List the source files that the user named: files, folders, and lists with one path or URI a line."""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.schema import source_id
from pipeline.store.client import WEB, check_scheme, without_query
from pipeline.store.paths import Location, ObjectPath, files_below, location
from pipeline.store.staging import staged

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m2v",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
    )
)
"""Files taken from folders; a file that is named itself is taken whatever its suffix."""
PICTURE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".heic", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp")
)
"""Files of folders that are no sources, which may surprise: a set of clips is made of videos."""
PICTURES, LINKS = "picture", "link"
"""What is passed over in folders and said."""
_PASSED = {
    PICTURES: ("picture", "pictures", "sources are videos"),
    LINKS: ("link to a folder", "links to folders", "a link is followed where it is named itself"),
}
LIST_SUFFIXES = frozenset({".txt", ".lst", ".list"})
"""Suffixes of list files."""
SIDECARS = (".txt", ".json", ".info.json")
"""Endings of sidecars, in place of the source's own; the last is yt-dlp's."""
BESIDE = "|"
"""In a stamp, what comes before each sidecar's."""
BLOCK_BYTES = 1 << 20
"""Size of each of the three blocks of a file that its id is derived from."""


def list_sources(
    names: Iterable[str | Path], passed: Counter[str] | None = None
) -> Iterator[tuple[int, bytes, str]]:
    """(position of the name, key, absolute path or URI) of every video named; sorted by the first two they are in
    order: as named, lines of a list as they come, files of a folder by their path. One may come more than once.

    Nothing is held: a folder's files come as the disk has them. ``passed`` counts what folders hold that is passed over
    (``PICTURES``, ``LINKS``). Raises ValueError for a name that yields nothing.
    """
    passed = Counter() if passed is None else passed
    names = list(names)
    if not names:
        raise ValueError(
            "no source named; give video files, folders, or a .txt file with one path or URI a line"
        )
    for number, name in enumerate(names):
        if not str(name):
            raise ValueError("a source is '', an empty name; leave it out, or write the path")
        for key, path in _expand(location(name), passed):
            yield number, key, path


def first_sources(
    names: Iterable[str | Path], limit: int | None = None, passed: Counter[str] | None = None
) -> Iterable[tuple[int, bytes, str]]:
    """The first ``limit`` of ``list_sources`` in order, or all of them as they come."""
    found = list_sources(names, passed)
    return found if limit is None else heapq.nsmallest(limit, found)


def passed_over(passed: Counter[str]) -> str:
    """``3 pictures and 1 link to a folder were passed over: ...``; empty where nothing was."""
    told, whys = [], []
    for what, (one, many, why) in _PASSED.items():
        if count := passed[what]:
            told.append(f"{count} {one if count == 1 else many}")
            whys.append(why)
    were = "was" if passed.total() == 1 else "were"
    return f"{' and '.join(told)} {were} passed over: {', and '.join(whys)}" if told else ""


def check_apart(names: Iterable[str | Path], out: Location) -> None:
    """ValueError when ``out`` is one of the sources, lies in one, or holds one: outputs would become sources."""
    target = out.resolve()
    for name in names:
        source = location(name)
        if isinstance(source, ObjectPath) != isinstance(target, ObjectPath):
            continue
        if source.suffix.lower() in LIST_SUFFIXES:  # a list may lie anywhere
            continue
        here, there = f"{source.resolve()}/", f"{target}/"
        if here == there:
            raise ValueError(
                f"{name} is both a source and the folder to write to; choose another --out"
            )
        if there.startswith(here):
            raise ValueError(
                f"the folder to write to, {out}, lies in the source {name}; choose another --out"
            )
        if here.startswith(there):
            raise ValueError(
                f"the source {name} lies in the folder to write to, {out}; choose another --out"
            )


def _expand(path: Location, passed: Counter[str]) -> Iterator[tuple[bytes, str]]:
    if isinstance(path, ObjectPath) and path.suffix.lower() not in LIST_SUFFIXES:
        yield from _objects(path, passed)
    elif isinstance(path, Path) and path.is_dir():
        yield from _walk(path, passed)
    elif path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        yield from _read_list(path)
    elif path.exists():
        yield b"", spelled(path)
    else:
        where = "" if isinstance(path, ObjectPath) else f" (relative to {Path.cwd()})"
        raise ValueError(f"source {path} does not exist; check the path{where}")


def _objects(root: ObjectPath, passed: Counter[str]) -> Iterator[tuple[bytes, str]]:
    """The object itself, without asking for it (a missing one is quarantined, as one of a list is), or the videos
    below a prefix."""
    if root.suffix.lower() in VIDEO_SUFFIXES or root.uri.startswith(WEB):
        yield b"", root.uri
        return
    found = False
    for name, path in files_below(root):
        if name.suffix.lower() in VIDEO_SUFFIXES:
            found = True
            yield str(name).encode().replace(b"/", b"\0"), str(path)
        elif name.suffix.lower() in PICTURE_SUFFIXES:
            passed[PICTURES] += 1
    if not found and not root.is_file():
        raise ValueError(
            f"no video below {root}{_but(passed)}; name an object itself to take it whatever its ending"
        )
    if not found:
        yield b"", root.uri


def _but(passed: Counter[str]) -> str:
    return f" ({passed_over(passed)})" if passed.total() else ""


def _walk(root: Path, passed: Counter[str]) -> Iterator[tuple[bytes, str]]:
    """Videos under a folder, dot files and folders left out; the key sorts them folder by folder.

    Whatever has a video's name counts: a link that leads nowhere ends as quarantined, and is not lost.
    """
    base = spelled(root)
    start = len(os.fsencode(base))
    folders, found = [base], False
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:  # it is quarantined under its own name, and the others go on
            if folder == base:
                raise ValueError(
                    f"source {root} cannot be read: {error.strerror}; check its rights"
                ) from None
            found = True
            yield os.fsencode(folder)[start:].replace(b"/", b"\0"), folder
            continue
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                ending = os.path.splitext(entry.name)[1].lower()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    passed[LINKS] += 1
                elif ending in VIDEO_SUFFIXES:
                    found = True
                    yield os.fsencode(entry.path)[start:].replace(b"/", b"\0"), entry.path
                elif ending in PICTURE_SUFFIXES:
                    passed[PICTURES] += 1
    if not found:
        raise ValueError(
            f"no video in folder {root}{_but(passed)}; it takes files ending in {', '.join(sorted(VIDEO_SUFFIXES))}, "
            "name a file itself to take it whatever its ending"
        )


def _read_list(path: Location) -> Iterator[tuple[bytes, str]]:
    """Paths (relative to the list) and URIs of a list file; blank lines and lines that start with # are skipped."""
    base = spelled(path.parent)
    count = 0
    with staged(path) as local, local.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            text = line.strip()
            if text and not text.startswith("#"):
                count += 1
                if "://" in text and not text.startswith("file://"):
                    check_scheme(text)
                yield count.to_bytes(8, "big"), _join(base, text)
    if not count:
        raise ValueError(f"list file {path} names no source; write one path a line")


def _join(base: str, text: str) -> str:
    """One spelling of a path, as ``pathlib`` has it; most need no parsing, which a million lines would feel."""
    if "://" in text:
        return text
    path = text if text.startswith("/") else f"{base}/{text}"
    if "://" in base:
        return path
    return spelled(Path(path)) if "//" in path or "/." in path or path.endswith("/") else path


def spelled(path: Location) -> str:
    """An absolute path, one for each place: without ``..`` where that leads to the same file, links and all."""
    whole = str(path.absolute())
    if isinstance(path, ObjectPath) or ".." not in path.parts:
        return whole
    short = os.path.normpath(whole)
    return short if os.path.realpath(short) == os.path.realpath(whole) else whole


def shown_uri(uri: str) -> str:
    """A source's name as the tables have it: bytes that are no UTF-8, which Parquet refuses, as
    ``\\xff``, and a URL without its query, which may be a signature."""
    return without_query(os.fsencode(uri).decode("utf-8", "backslashreplace"))


def told_uri(uri: str) -> str:
    """A source's name as it is printed: on one line, and nothing that a terminal would obey."""
    name = shown_uri(uri)
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def source_stamp(uri: str, *, sidecars: bool = False) -> str:
    """Size and time of change of a file, its content unread; empty for what is not there.

    As long as it is the same, so is the content: what make and rsync go by, too. ``sidecars``: with those of the files
    beside it that may hold its caption. Of a store that is three requests more; web servers are not asked, some of
    which answer with a page that differs each time.
    """
    path = location(uri)
    try:
        stamp = _stamp(path)
    except OSError:
        return ""
    if not sidecars or str(path).startswith(WEB):
        return stamp
    for ending in SIDECARS:
        try:
            stamp += f"{BESIDE}{ending}:{_stamp(path.parent / (path.stem + ending))}"
        except (FileNotFoundError, PermissionError):
            continue  # who may not list a bucket is denied what is not there
        except OSError:
            if isinstance(path, ObjectPath):
                return ""  # a network that is down says nothing of what is beside the source
    return stamp


def _stamp(path: Location) -> str:
    if isinstance(path, ObjectPath):
        there = path.stat()
        return f"{there.st_size}:{there.stamp or there.changed}"
    found = os.stat(path)
    return f"{found.st_size}:{found.st_mtime_ns}"


def same_sidecars(stamp: str, other: str) -> bool:
    """Whether two stamps of a source say that the files beside it are the same."""
    return stamp.partition(BESIDE)[2] == other.partition(BESIDE)[2]


def file_source_id(path: str | Location) -> str:
    """Id of a file from its content (size, and a hash of head, middle and tail): a copy elsewhere has the same.

    Of an object these three blocks are all that is fetched. Raises OSError for what cannot be read, or is no regular
    file: opening a pipe would wait for its writer.
    """
    path = location(path)
    if isinstance(path, ObjectPath):
        size = path.stat().st_size
        if size <= BLOCK_BYTES:
            return source_id(size, *[path.read_range(0, size)] * 3)
        return source_id(size, *(path.read_range(at, BLOCK_BYTES) for at in _starts(size)))
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # says what is wrong with a folder that cannot be listed
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open(path, "rb") as handle:
        size = handle.seek(0, 2)
        blocks = []
        for start in _starts(size):
            handle.seek(start)
            blocks.append(handle.read(BLOCK_BYTES))
    return source_id(size, *blocks)


def _starts(size: int) -> tuple[int, int, int]:
    """Where head, middle and tail of a file begin."""
    return 0, max(0, size // 2 - BLOCK_BYTES // 2), max(0, size - BLOCK_BYTES)


def why_unreadable(uri: str) -> str | None:
    """Why a source of a list will fail unread, by its name and rights alone; None where they tell nothing."""
    if "://" in uri:
        return None
    try:
        mode = os.stat(uri).st_mode
        # a folder is listed as a source itself only where it cannot be opened
        if stat.S_ISDIR(mode):
            os.scandir(uri).close()
    except OSError as error:
        return error.strerror
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return None if os.access(uri, os.R_OK) else os.strerror(errno.EACCES)


def missing_source_id(uri: str) -> str:
    """Id of a source whose content cannot be read: derived from its name."""
    return source_id(0, uri.encode(errors="surrogateescape"), b"unreadable", b"")
