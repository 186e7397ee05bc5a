"""Whether a command may write where it is told to: asked before anything is computed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from jobs.core.errors import UserError
from pipeline.shards.layout import MANIFEST_SUFFIX
from pipeline.store.client import WEB
from pipeline.store.paths import Location, ObjectPath


def check_folder(folder: Location, option: str = "--out") -> None:
    """UserError where no folder can be made or written: a file stands there or above, or rights are lacking.

    Of an object store nothing is asked: a name is free until something is put there.
    """
    if isinstance(folder, ObjectPath):
        if folder.uri.startswith(WEB):
            raise UserError(
                f"{option} {folder}: a web address can only be read; give a folder or s3://, gs:// or az://"
            )
        return
    _check_links(folder, f"{option} {folder}")
    there = nearest(folder)
    if not there.is_dir():
        which = (
            "is a file" if there == folder.absolute() else f"lies below {there}, which is a file"
        )
        raise UserError(f"{option} {folder} {which}; give a folder")
    if there != folder.absolute():  # in one that is there, all may be done already
        _check_rights(there, f"{option} {folder}")


def check_run_folder(folder: Location, option: str = "--out") -> None:
    """The same for a run folder, which no folder of a training can be."""
    check_folder(folder, option)
    check_no_table(folder, option)
    if isinstance(folder, Path) and (trainer := trainer_of(folder)):
        raise UserError(
            f"{option} {folder} holds a run of {trainer}; choose another folder for the clips"
        )


OF_RUNS = (".ingest", "manifest", "selection.parquet", f"shards{MANIFEST_SUFFIX}")
"""What a folder of footage holds one of: other commands would replace its files."""


TABLES = ("clips", "manifest", "embeddings", "captions", "truth", "shards", "latents")
"""Folders of a run that hold one table each."""


def check_no_table(folder: Location, option: str = "--out") -> None:
    """UserError for a folder that is one of the tables of a run, or lies in one: what is put there spoils the table."""
    if not isinstance(folder, Path):
        return
    for place in (folder.absolute(), *folder.absolute().parents):
        above = place.parent
        if place.name in TABLES and place.is_dir() and any((above / n).exists() for n in OF_RUNS):
            where = "is" if place == folder.absolute() else "lies in"
            raise UserError(
                f"{option} {folder} {where} the table {place.name} of the run {above}; choose another folder"
            )


def check_own_folder(folder: Location, option: str = "--out", *, own: tuple[str, ...] = ()) -> None:
    """The same for a folder that is to hold nothing else: neither a run of footage nor one of a training; ``own`` are
    names that the command itself puts there."""
    check_folder(folder, option)
    check_no_table(folder, option)
    if not isinstance(folder, Path):
        return
    if (trainer := trainer_of(folder)) or any(
        (folder / name).exists() for name in OF_RUNS if name not in own
    ):
        raise UserError(
            f"{option} {folder} holds a run of {trainer or 'curate'}; choose another folder"
        )


def trainer_of(folder: Location) -> str:
    """The trainer whose run a folder holds; empty where there is none that says so."""
    try:
        found = json.loads((folder / "run.json").read_text())["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def check_file(path: Path, option: str) -> None:
    """UserError where a file cannot be written: no folder for it, a folder itself, or no rights."""
    if path.is_dir():
        raise UserError(f"{option} {path} is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise UserError(f"{option} {path} is a device or a pipe; give the name of a file")
    _check_links(path, f"{option} {path}")
    parent = path.absolute().parent
    if not parent.is_dir():
        there = nearest(parent)
        why = (
            "does not exist; make it first"
            if there.is_dir()
            else f"is none: {there} is a file; give another"
        )
        raise UserError(f"{option} {path}: its folder {why}")
    _check_rights(parent, f"{option} {path}")


def check_not_read(out: Path, read: Iterable[Path], option: str) -> None:
    """UserError where a file that is to be written is one of those that are read."""
    for path in read:
        if out.exists() and path.exists() and out.samefile(path):
            raise UserError(f"{option} {out} is also what is read; choose another file")


def nearest(path: Path) -> Path:
    """The path itself, or the first above it that exists."""
    path = path.absolute()
    while path != path.parent:
        try:
            if path.exists():
                return path
        except OSError:  # a folder that may not be looked into, or a name that is too long
            pass
        path = path.parent
    return path


def _check_links(path: Path, told: str) -> None:
    """A link to nothing cannot be made a folder, nor tells whether a file is meant."""
    for link in (path, *path.parents):
        if link.is_symlink() and not link.exists():
            which = "is" if link == path else f"lies below {link}, which is"
            raise UserError(f"{told} {which} a link to nothing; remove it, or choose another place")


def _check_rights(folder: Path, told: str) -> None:
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY  # of such a disk the first write says more
    if not read_only and not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{told}: there is no right to write in {folder}; choose another folder, or change its rights"
        )
