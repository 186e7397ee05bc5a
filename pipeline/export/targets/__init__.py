"""The trainers that ship, one file each, and how one is found by its name."""

from __future__ import annotations

import difflib
import importlib

from pipeline.export.target import Target
from pipeline.extensions import is_extension, load_extension

NAMES = (
    "diffusion-pipe", "musubi-tuner", "ai-toolkit", "ltx-2", "diffsynth-studio", "simpletuner", "finetrainers",
    "open-sora", "videox-fun", "fastvideo", "cosmos-framework", "onetrainer",
    "videofolder", "webdataset", "lance", "folder",
)  # fmt: skip
"""What ``--for`` knows; the file of ``musubi-tuner`` is ``musubi_tuner.py``."""


def find_target(name: str) -> Target:
    """The target of that name, or the one that ``module:object`` names; ValueError for any other."""
    if is_extension(name):
        found = load_extension(name, "target")
        if not isinstance(found, Target):
            raise ValueError(
                f"target {name!r} is a {type(found).__name__}, no pipeline.export.target.Target; name one of "
                f"{', '.join(NAMES)}, or an object of yours that is"
            )
        return found
    if name not in NAMES:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(NAMES)}"
        raise ValueError(f"unknown target {name!r}; {hint}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    target: Target = module.TARGET
    return target
