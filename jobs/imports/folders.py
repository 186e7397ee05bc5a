"""Datasets that are a folder: videos with a caption beside each, or one file of captions for all.

Covers what diffusion-pipe, musubi-tuner, ai-toolkit, OneTrainer, finetrainers and VideoFolder read.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.core.console import warn
from jobs.core.errors import UserError, user_errors
from jobs.imports.items import Item, ReadOptions, caption_text, captions_of, roles_of
from jobs.imports.tables import read_table
from pipeline.source.listing import list_sources, passed_over
from pipeline.source.sidecars import Outside, read_beside
from pipeline.store.paths import Location, ObjectPath, location

ENDINGS = (".txt", ".caption", ".json")
"""Endings of a caption beside its video, in place of the video's own; the first that says something counts."""
CAPTIONS = "captions.json"
"""File of the captions of a folder: ``{"x.mp4": ["caption"]}`` of diffusion-pipe, or objects of ai-toolkit."""
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.json", "metadata.parquet")
"""Tables of VideoFolder and of trainers that read one in the folder."""
SPLITS = ("train", "validation", "test")
"""Folders in which VideoFolder keeps the parts of a dataset, each with its table."""


def read_folder(
    source: Location, options: ReadOptions, endings: tuple[str, ...] = ENDINGS
) -> Iterator[Item]:
    """The videos of a folder, with the caption beside each or in the folder's ``captions.json``."""
    if not source.is_dir():
        raise UserError(f"{source} is no folder")
    files: dict[str, dict[str, Any]] = {}
    start = len(str(source.absolute())) + 1
    passed = Counter[str]()
    with user_errors():
        found = sorted(list_sources([str(source)], passed))
    if told_of := passed_over(passed):
        warn(f"{source}: {told_of}")
    for _, _, uri in found:
        path = location(uri)
        folder = str(path.parent)
        if folder not in files:
            files[folder] = folder_captions(path.parent)
        said = files[folder].get(path.name, files[folder].get(path.stem))
        captions = told(said) if said is not None else beside(path, endings)
        yield Item(name=uri[start:], uri=uri, captions=captions)


def folder_captions(folder: Location) -> dict[str, Any]:
    """What a folder's ``captions.json`` says, by name of a video; empty where there is none."""
    path = folder / CAPTIONS
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no object of captions by name")
    return {name.rpartition("/")[2]: value for name, value in found.items()}


def told(value: Any) -> dict[str, str]:
    """Captions of one entry: a text, a list of texts, or an object of them by kind."""
    if isinstance(value, dict):
        roles, _ = roles_of(list(value), ReadOptions(), CAPTIONS)
        return captions_of(value, roles)
    text = caption_text(value)
    return {"original": text} if text else {}


def beside(path: Location, endings: tuple[str, ...]) -> dict[str, str]:
    """Captions of the first file beside a video that has one; a link out of the folder is not followed."""
    for ending in endings:
        try:
            raw = read_beside(path, path.parent / (path.stem + ending))
        except (FileNotFoundError, PermissionError, IsADirectoryError, Outside):
            continue
        text = raw.decode("utf-8-sig", errors="replace").strip()
        if ending == ".json":
            try:
                found = told(json.loads(text))
            except (ValueError, RecursionError):
                continue
        else:
            found = told(text)
        if found:
            return found
    return {}


def read_metadata(source: Location, options: ReadOptions) -> Iterator[Item]:
    """The clips that a folder's ``metadata`` table names (VideoFolder, DiffSynth-Studio)."""
    tables = metadata_of(source)
    if not tables:
        raise UserError(
            f"{source} has none of {', '.join(METADATA)}, nor has a folder {', '.join(SPLITS)} in it"
        )
    for table in tables:
        yield from read_table(table, options)


def metadata_of(source: Location) -> list[Location]:
    """The first metadata table of a folder, or else those of its splits; none where there are none."""
    for folders in ([source], [source / split for split in SPLITS]):
        found = [next((f / n for n in METADATA if (f / n).is_file()), None) for f in folders]
        if tables := [table for table in found if table is not None]:
            return tables
    return []


LISTS = (
    ("prompt.txt", "videos.txt"),
    ("prompts.txt", "videos.txt"),
    ("captions.txt", "videos.txt"),
)
"""Pairs of files with a caption and a path on each line, as finetrainers reads them."""


def read_lists(source: Location, options: ReadOptions) -> Iterator[Item]:
    """Videos of ``videos.txt`` with the captions of ``prompt.txt``, line by line."""
    pair = next((p for p in LISTS if all((source / name).is_file() for name in p)), None)
    if pair is None:
        raise UserError(f"{source} has no prompt.txt with a videos.txt beside it")
    texts, names = ((source / name).read_text("utf-8", "replace").splitlines() for name in pair)
    if len(texts) != len(names):
        raise UserError(
            f"{source / pair[0]} has {len(texts)} lines and {source / pair[1]} {len(names)}"
        )
    base = options.videos or source
    for text, name in zip(texts, names, strict=True):
        if name.strip():
            path = base / name.strip()
            yield Item(name=name.strip(), uri=str(path.absolute()), captions=told(text))


def read_toml(source: Location, options: ReadOptions) -> Iterator[Item]:
    """The data sets that a config of musubi-tuner (``[[datasets]]``) or diffusion-pipe (``[[directory]]``) names."""
    if isinstance(source, ObjectPath) or not source.is_file():
        raise UserError(f"there is no config {source}")
    try:
        config = tomllib.loads(Path(source).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{source} is no TOML: {error}; write it as TOML") from None
    general = config.get("general", {})
    parts = [*config.get("datasets", []), *config.get("directory", [])]
    if not parts:
        raise UserError(f"{source} has neither [[datasets]] (musubi-tuner) nor [[directory]]")
    for part in parts:
        ending = part.get("caption_extension", general.get("caption_extension", ".txt"))
        if table := part.get("video_jsonl_file"):
            yield from read_table(source.parent / table, options)
        elif folder := part.get("video_directory", part.get("path")):
            yield from read_folder(source.parent / folder, options, (ending, *ENDINGS))
        else:
            raise UserError(f"{source}: a data set names neither a folder nor a table of videos")
