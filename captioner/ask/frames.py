"""The frames a captioner sees: chosen, scaled and hashed here, so that every backend describes the same pixels."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from pipeline.video.decode import decode_clip, sample_indices

VIDEO_CRF = 10
"""x264 quality of frames that are sent as a video."""


@dataclass(frozen=True, kw_only=True)
class ClipFrames:
    """Frames of one clip, ready for any backend."""

    images: np.ndarray
    """uint8 RGB (T, H, W, 3)."""
    seconds: float
    """Length of the clip, seconds."""
    times_s: tuple[float, ...]
    """When each frame is shown, seconds from the clip's start."""
    hash: str
    """Content hash of ``images`` and ``seconds`` (to a tenth): 32 hex digits."""

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class ServerFrames:
    """The same frames as a server is sent them; the pixels themselves are let go of."""

    urls: tuple[bytes, ...]
    """``data:image/png;base64,`` URLs, one per frame; or one ``data:video/mp4;base64,`` URL of all of them."""
    seconds: float
    """Length of the clip, seconds."""
    times_s: tuple[float, ...]
    """When each frame is shown, seconds from the clip's start."""
    hash: str
    """The ``ClipFrames.hash`` of the pixels."""

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def is_video(self) -> bool:
        """The frames are sent as one video."""
        return self.urls[0].startswith(b"data:video/")


def as_pixels(frames: ClipFrames | ServerFrames) -> ClipFrames:
    """Frames that are still pixels; TypeError for those that were encoded for a server."""
    if isinstance(frames, ServerFrames):
        raise TypeError("frames for a server were given to a backend in this process")
    return frames


def for_server(frames: ClipFrames | ServerFrames) -> ServerFrames:
    """Frames as lossless data URLs, so that a server sees the very pixels that were hashed."""
    if isinstance(frames, ServerFrames):
        return frames
    urls = tuple(b"data:image/png;base64," + base64.b64encode(png(i)) for i in frames.images)
    return ServerFrames(urls=urls, seconds=frames.seconds, times_s=frames.times_s, hash=frames.hash)


def as_video(frames: ClipFrames) -> ServerFrames:
    """Frames as one MP4 of their own, as long as the clip, in which each lasts its share: a server that samples this
    video has the clip's clock, and finds no other frames than ours. H.264 at crf 10; sides are made even."""
    from pipeline.video.encode import encode_mp4

    images = frames.images
    _, height, width, _ = images.shape
    even = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    mp4 = encode_mp4(even, len(images) / max(frames.seconds, 1e-3), crf=VIDEO_CRF)
    url = b"data:video/mp4;base64," + base64.b64encode(mp4)
    return ServerFrames(
        urls=(url,), seconds=frames.seconds, times_s=frames.times_s, hash=frames.hash
    )


def png(image: np.ndarray) -> bytes:
    """A uint8 RGB image (H, W, 3) as an uncompressed PNG.

    Pillow and OpenCV try all filters of a row even when they compress nothing: 2 to 9 ms for a frame of 384 x 216,
    where this takes 0.25 ms. A frame that is shown once and thrown away is not worth 20 times the time for two thirds
    of the bytes. Format: ISO/IEC 15948.
    """
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row opens with filter 0, "none"
    rows[:, 1:] = image.reshape(height, -1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows, 0)),
            chunk(b"IEND", b""),
        )
    )


def scaled_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) with the longer side at most ``side`` pixels, aspect kept, never scaled up."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def frames_hash(images: np.ndarray, seconds: float) -> str:
    """Hash of pixels, shape and stated length: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{images.shape} {images.dtype} {seconds:.1f}".encode())
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()


def clip_frames(
    mp4: bytes, *, n_frames: int, fps: float, width: int, height: int, frames: int, side: int
) -> ClipFrames:
    """Decode the frames that stand for a clip.

    Args:
        mp4: The clip's bytes, as our own encoder wrote them.
        n_frames, fps, width, height: The clip's shape, as its manifest row states it.
        frames: How many frames to show; a clip with fewer shows each once.
        side: Longer side that larger frames are scaled down to, pixels.
    """
    size = scaled_size(width, height, side)
    indices = sample_indices(n_frames, frames)
    images, times = decode_clip(
        mp4, indices=indices, size=None if size == (width, height) else size
    )
    return from_pixels(images, n_frames / fps, tuple(float(time) for time in times))


def from_pixels(
    images: np.ndarray, seconds: float, times_s: tuple[float, ...] | None = None
) -> ClipFrames:
    """Wrap frames that are already chosen and scaled: uint8 (T, H, W, 3); without times, the middles of equal spans."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"captioner frames must be uint8 (T, H, W, 3) with T >= 1, got {images.dtype} {images.shape}"
        )
    if times_s is None:
        times_s = tuple((i + 0.5) * seconds / len(images) for i in range(len(images)))
    return ClipFrames(
        images=images, seconds=seconds, times_s=times_s, hash=frames_hash(images, seconds)
    )


def frames_key(video_xxh3: str, frames: int, side: int, shown_as: str = "auto") -> str:
    """What decides a clip's frames and the form they are shown in, known without decoding: 16 hex digits that open its
    stored ``frames_hash``."""
    text = f"2 {video_xxh3} {frames} {side} {shown_as}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
