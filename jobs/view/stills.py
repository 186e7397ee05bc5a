"""Frames of clips as JPEG files: decoded in a confined child process, the last ones kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress

from pipeline.video.isolate import Sandbox
from pipeline.video.probe import MediaError

KEPT_BYTES = 24 << 20
DEADLINE_S = 20.0
MEMORY_BYTES = 1 << 30
"""What the decoding child may allocate."""
QUALITY = 82
CHILDREN = 2
"""Decoding processes at most."""


def still(video: bytes, index: int, width: int, height: int) -> bytes:
    """Frame ``index`` of a clip as a JPEG file of this size."""
    import io

    from PIL import Image

    from pipeline.video.seek import decode_frames

    pixels = decode_frames(video, indices=[index], size=(width, height))
    out = io.BytesIO()
    Image.fromarray(pixels[0]).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def ready() -> bool:
    """Import what ``still`` needs."""
    import av
    import PIL.Image

    import pipeline.video.seek

    return bool(av and PIL.Image and pipeline.video.seek)


class Stills:
    """Stills by name, each decoded once while it is kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(CHILDREN)
        self._children: list[Sandbox] = []
        self._closed = False

    def warm(self) -> None:
        """Start a child, so that the first picture need not wait for it."""
        threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        child = Sandbox(memory_bytes=MEMORY_BYTES)
        with suppress(MediaError):
            child.run(ready, deadline_s=DEADLINE_S)
        with self._lock:
            if self._closed:
                child.close()
            else:
                self._children.append(child)

    def get(self, name: str) -> bytes | None:
        """A still that was taken before."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def take(self, name: str, video: bytes, index: int, width: int, height: int) -> bytes:
        """Decode a still and keep it; MediaError when the clip cannot be read."""
        with self._free:
            with self._lock:
                child = (
                    self._children.pop() if self._children else Sandbox(memory_bytes=MEMORY_BYTES)
                )
            try:
                data: bytes = child.run(still, video, index, width, height, deadline_s=DEADLINE_S)
            finally:
                with self._lock:
                    self._children.append(child)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = data
                self._size += len(data)
                while self._size > KEPT_BYTES:
                    self._size -= len(self._kept.popitem(last=False)[1])
        return data

    def close(self) -> None:
        """End the children."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.close()
            self._children.clear()


def fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) within ``longest`` pixels, never scaled up."""
    scale = min(1.0, longest / max(width, height, 1))
    return max(2, round(width * scale)), max(2, round(height * scale))
