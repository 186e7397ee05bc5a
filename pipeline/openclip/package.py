"""The package open_clip, importable whatever was imported before it."""

from __future__ import annotations

from typing import Any

from pipeline.openclip.torchvision_compat import prepare_torchvision


def open_clip_module() -> Any:
    """The package open_clip, imported after torchvision was made importable. The only place that imports it."""
    prepare_torchvision()
    import open_clip

    return open_clip
