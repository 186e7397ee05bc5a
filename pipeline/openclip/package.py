"""The package open_clip, importable whatever was imported before it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pipeline.openclip.torchvision_compat import prepare_torchvision


def open_clip_module() -> Any:
    """The package open_clip, imported after torchvision was made importable. The only place that imports it."""
    prepare_torchvision()
    import open_clip

    return open_clip


def architectures() -> list[str]:
    """Names of the architectures that open_clip knows, from its files: to import it takes seconds.

    Raises:
        ModuleNotFoundError: open_clip is not installed.
    """
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'open_clip'", name="open_clip")
    folder = Path(next(iter(spec.submodule_search_locations))) / "model_configs"
    return sorted(path.stem for path in folder.glob("*.json"))
