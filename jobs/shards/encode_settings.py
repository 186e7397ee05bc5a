"""The settings that a folder of latents was made with: the next ``encode`` keeps them, unless it is told otherwise.

Without this, a second ``encode`` without ``--vae`` would take the embedded VAE for everything, and delete the latents
of the VAE that was named the first time.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from typing import Any

from jobs.core.console import say
from jobs.core.errors import UserError
from pipeline.autoencoder.names import absolute_name, vae_path
from pipeline.config import EncodeConfig
from pipeline.latents.layout import SETTINGS_NAME
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, matching, parquet_input

SETTINGS = "settings"
"""Key of the settings in the metadata of latents of layout 1."""
MODELS = {"vae": "--vae", "text_encoder": "--text"}
"""Settings that name a model, which may be a local file, with their options."""


def settings_text(config: EncodeConfig) -> str:
    """The settings as they are noted with the latents: local models by their absolute paths."""
    told = dataclasses.asdict(config)
    for name in MODELS:
        told[name] = absolute_name(told[name])
    return json.dumps(told)


def note_settings(config: EncodeConfig, target: Location) -> None:
    """Write down, beside the latents, what they are encoded with."""
    write_bytes(target / SETTINGS_NAME, settings_text(config).encode())


def keep_settings(config: EncodeConfig, asked: Collection[str], target: Location) -> EncodeConfig:
    """``config`` with the settings of the latents in ``target`` for every field that is not in ``asked``.

    Raises:
        UserError: the model that made the latents is no longer where it was.
    """
    before = noted_settings(target)
    known = {field.name for field in dataclasses.fields(config)}
    kept = {name: value for name, value in before.items() if name in known - set(asked)}
    kept = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
    changed = {name: value for name, value in kept.items() if getattr(config, name) != value}
    for name in MODELS.keys() & changed.keys():
        path = vae_path(changed[name])
        if path.is_absolute() and not path.exists():
            raise UserError(
                f"{target} was encoded with {name} {path}, which is gone; say where it is now with {MODELS[name]}"
            )
    if changed:
        told = ", ".join(f"{name} = {value}" for name, value in changed.items())
        say(
            f"encode: {target} keeps its settings: {told}; --vae, --text, --set or --recipe change them"
        )
    return dataclasses.replace(config, **changed)


def noted_settings(target: Location) -> dict[str, Any]:
    """What is noted beside the latents of a folder, or in one of its parts (layout 1); {} where there is nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (target / SETTINGS_NAME).exists():
        try:
            noted: dict[str, Any] = json.loads((target / SETTINGS_NAME).read_text())
            return noted
        except ValueError:
            raise UserError(
                f"{target / SETTINGS_NAME} is no JSON; remove it, and name --vae and --text again"
            ) from None
    for path in matching(target, "*.parquet"):
        try:
            metadata = pq.read_schema(parquet_input(path)).metadata or {}
            found: dict[str, Any] = json.loads(metadata.get(SETTINGS.encode(), b"{}"))
        except (ConnectionError, PermissionError):
            raise
        except (pa.ArrowException, OSError, ValueError):  # a damaged part says nothing
            continue
        if found:
            return found
    return {}
