"""Names of VAEs: which are of diffusers, and which local files decide what a VAE gives."""

from __future__ import annotations

import json
from pathlib import Path

DIFFUSERS = "diffusers:"
"""Prefix of the name of a VAE that diffusers loads: ``diffusers:PATH``."""
SUBFOLDER = "vae"
"""Where a VAE lies in the folder of a whole pipeline."""
CONFIG = "config.json"
"""File in the folder of a VAE that names its class."""


def is_foreign(name: str) -> bool:
    """Whether a VAE is one of diffusers."""
    return name.startswith(DIFFUSERS)


def check_foreign(name: str) -> None:
    """Raise ValueError for a VAE of diffusers whose folder is not there, or names no class; nothing is loaded."""
    place = name.removeprefix(DIFFUSERS)
    path = vae_path(name)
    how = "give the folder that save_pretrained wrote"
    if not place:
        raise ValueError(f"VAE {name} names no folder; {how}, as diffusers:PATH")
    if not path.is_dir():
        if path.exists() or place.count("/") != 1:  # else it may be a repository in the local cache
            raise ValueError(f"no VAE of diffusers at {place}; {how}")
        return
    files = [path / CONFIG, path / SUBFOLDER / CONFIG]
    try:
        file = next(file for file in files if file.is_file())
        found = json.loads(file.read_text())
        named = isinstance(found, dict) and "_class_name" in found
    except (StopIteration, OSError, ValueError):
        named = False
    if not named:
        raise ValueError(f"{place} has no {CONFIG} that names the class of a VAE; {how}")


def vae_path(name: str) -> Path:
    """The file or folder that a name stands for; it may not exist."""
    return Path(name.removeprefix(DIFFUSERS)).expanduser()


def absolute_name(name: str) -> str:
    """The name with an absolute path where it is one of a file or folder here; any other as it is."""
    path = vae_path(name)
    return (DIFFUSERS if is_foreign(name) else "") + str(path.absolute()) if path.exists() else name
