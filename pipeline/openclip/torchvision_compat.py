"""Make torchvision importable when its compiled half cannot load.

A CUDA-linked torchvision wheel beside a CPU-only torch fails on import with
``operator torchvision::nms does not exist``: its extension needs libcudart, so the operators it would register are
missing when torchvision describes their output shapes. open_clip and transformers import torchvision for its image
transforms only and call neither operator, so declaring the two schemas is enough. Call ``prepare_torchvision()``
before the first import of torchvision or a transformers image processor; take open_clip from
``package.open_clip_module()``, which does so itself (a test allows no other import of it).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_MISSING_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def prepare_torchvision() -> bool:
    """Declare torchvision's missing operator schemas if its extension does not load; True if it did so.

    Does nothing when torchvision is absent, already imported, or whole. Safe to call many times.
    """
    if "torchvision" in sys.modules:
        return False
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False

    import torch

    extension = next(Path(spec.submodule_search_locations[0]).glob("_C*.so"), None)
    if extension is not None:
        try:
            # A second load by torchvision itself is harmless; a second declaration would not be.
            torch.ops.load_library(str(extension))
            return False
        except OSError:
            pass
    declared = False
    for name, schema in _MISSING_SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", schema)
            declared = True
    return declared
