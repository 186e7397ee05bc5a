"""Special files that are whole and yet trouble: no video in them, sizes and lengths at the ends, lies in the header."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from benchmarks.mutants import picture, write_video

TEN_HOURS_S = 36_000


def write_sound(path: Path) -> None:
    """A file with an audio stream only."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for start in range(0, 16000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_picture(path: Path) -> None:
    """A still picture under a video's name."""
    buffer = io.BytesIO()
    av.VideoFrame.from_ndarray(picture(0), format="rgb24").to_image().save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def write_claim(path: Path) -> None:
    """A file of 1.5 s whose movie, track and media headers claim ten hours."""
    write_video(path)
    data = bytearray(path.read_bytes())
    for box, scale_at, length_at in ((b"mvhd", 12, 16), (b"tkhd", None, 20), (b"mdhd", 12, 16)):
        at = data.find(box) + 4
        scale = 1000 if scale_at is None else struct.unpack_from(">I", data, at + scale_at)[0]
        struct.pack_into(">I", data, at + length_at, min(2**32 - 1, scale * TEN_HOURS_S))
    path.write_bytes(data)


def write_zip(path: Path) -> None:
    """An archive under a video's name."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.mp4", os.urandom(5000))


def write_header_only(path: Path) -> None:
    """An index whose pictures are all missing."""
    whole = write_video(path).read_bytes()
    at = whole.find(b"mdat") + 4
    end = whole.find(b"moov") - 4
    stop = end if end > at else len(whole)
    path.write_bytes(whole[:at] + bytes(stop - at) + whole[stop:])


SPECIALS: dict[str, Callable[[Path], object]] = {
    "empty.mp4": lambda path: path.touch(),
    "one-byte.mp4": lambda path: path.write_bytes(b"\0"),
    "text.mp4": lambda path: path.write_text("This is no video.\n" * 200),
    "zeros.mp4": lambda path: path.write_bytes(bytes(100_000)),
    "noise.mkv": lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000)),
    "archive.mp4": write_zip,
    "picture.mp4": write_picture,
    "sound.mp4": write_sound,
    "header-only.mp4": write_header_only,
    "single-frame.mp4": lambda path: write_video(path, frames=1),
    "16x16.mp4": lambda path: write_video(path, size=(16, 16)),
    "2x2.mkv": lambda path: write_video(path, "ffv1", size=(2, 2)),
    "1x1.mkv": lambda path: write_video(path, "ffv1", "bgr0", size=(1, 1)),
    "odd.mkv": lambda path: write_video(path, "ffv1", "yuv444p", size=(33, 17)),
    "thin.mkv": lambda path: write_video(path, "ffv1", size=(4, 2000)),
    "8k.mp4": lambda path: write_video(path, size=(7680, 4320), frames=2),
    "claims-10h.mp4": write_claim,
    "really-10h.mp4": lambda path: write_video(
        path, frames=6, stamps=[k * 24 * TEN_HOURS_S // 5 for k in range(6)]
    ),
    "a-leap.mkv": lambda path: write_video(
        path, "ffv1", frames=30, stamps=[k + (k > 14) * 24 * TEN_HOURS_S * 100 for k in range(30)]
    ),
    "crowded.mkv": lambda path: write_video(path, "ffv1", frames=300, size=(16, 16)),
}
"""File name -> what writes it."""


def write_specials(folder: Path) -> list[Path]:
    """Write them all."""
    for name, write in SPECIALS.items():
        write(folder / name)
    return [folder / name for name in SPECIALS]
