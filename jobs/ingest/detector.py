"""Refuse a shot detector that is not there, before anything is decoded."""

from __future__ import annotations

from jobs.core.errors import UserError, require, unknown, user_errors
from pipeline.extensions import is_extension, load_extension
from pipeline.shots import transnet

DETECTORS = ("embedded", "transnetv2")


def check_detector(name: str) -> None:
    """Raise ``UserError`` unless ``name`` is a detector of ours that is installed, or can be imported."""
    if is_extension(name):
        with user_errors():
            load_extension(name, "shot detector")
    elif name not in DETECTORS:
        raise UserError(f"{unknown('shot detector', name, DETECTORS)} (or module:object)")
    elif name == "transnetv2":
        require(transnet.check_installed)
