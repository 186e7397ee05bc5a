"""A model's profile, by the name of one that ships or by the path of a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import recipes.profiles
from captioner.dialects.write import DIALECTS
from jobs.core.errors import UserError, unknown
from jobs.core.recipe import section_from
from pipeline.export.profile import Profile
from pipeline.store.paths import location

PROFILES = Path(recipes.profiles.__file__).parent
"""Folder of the profiles that ship."""


def shipped() -> dict[str, Path]:
    """Name -> file of the profiles that ship."""
    return {path.stem: path for path in sorted(PROFILES.glob("*.toml"))}


def find_profile(name: str, frames: tuple[int, ...] = ()) -> Profile:
    """The profile; ``frames`` takes the place of its counts. UserError says what is wrong with it."""
    path = location(name) if name.endswith(".toml") else shipped().get(name)
    if path is None:
        raise UserError(f"{unknown('model', name, shipped())} (or give a .toml file)")
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(
            f"--model {name} {why}; give a .toml file, or one of {', '.join(shipped())}"
        )
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"profile {path} is not text in UTF-8; write it as TOML") from None
    except OSError as error:
        raise UserError(
            f"cannot read profile {path}: {error.strerror or error}; check its rights"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"profile {path} is not valid TOML: {error}; write it as TOML") from None
    raw = {"name": path.stem, **raw}
    profile: Profile = section_from(Profile, raw, f"profile {path.name}")
    if profile.dialect not in DIALECTS:
        raise UserError(f"profile {path.name}: {unknown('dialect', profile.dialect, DIALECTS)}")
    if not frames:
        return profile
    try:
        return replace(profile, frames=tuple(sorted(set(frames))))
    except ValueError as error:
        raise UserError(f"--frames {','.join(map(str, frames))}: {error}") from None
