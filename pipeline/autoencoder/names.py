"""Names of VAEs: which are of diffusers, and which local files decide what a VAE gives."""

from __future__ import annotations

from pathlib import Path

DIFFUSERS = "diffusers:"
"""Prefix of the name of a VAE that diffusers loads: ``diffusers:PATH``."""


def is_foreign(name: str) -> bool:
    """Whether a VAE is one of diffusers."""
    return name.startswith(DIFFUSERS)


def vae_path(name: str) -> Path:
    """The file or folder that a name stands for; it may not exist."""
    return Path(name.removeprefix(DIFFUSERS)).expanduser()


def absolute_name(name: str) -> str:
    """The name with an absolute path where it is one of a file or folder here; any other as it is."""
    path = vae_path(name)
    return (DIFFUSERS if is_foreign(name) else "") + str(path.absolute()) if path.exists() else name
