"""Damaged video files: small ones in several codecs and containers, mutated by a seed, and special ones made by hand.

The same seed gives the same files on one version of FFmpeg, so what broke something can be made again from its name.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.video.encode import usual_scheduling

SIZE = (96, 64)
"""Width and height of the files that are mutated, pixels."""
FRAMES = 36
BASES = {
    "h264.mp4": ("libx264", "yuv420p"),
    "h264.mkv": ("libx264", "yuv420p"),
    "h264.ts": ("libx264", "yuv420p"),
    "h264.flv": ("libx264", "yuv420p"),
    "hevc.mp4": ("libx265", "yuv420p"),
    "av1.mp4": ("libsvtav1", "yuv420p"),
    "vp8.webm": ("libvpx", "yuv420p"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "mpeg2.mpg": ("mpeg2video", "yuv420p"),
    "mjpeg.mov": ("mjpeg", "yuvj420p"),
    "prores.mov": ("prores_ks", "yuv422p10le"),
    "ffv1.mkv": ("ffv1", "yuv420p"),
    "wmv2.wmv": ("wmv2", "yuv420p"),
    "huffyuv.avi": ("huffyuv", "yuv422p"),
    "gif.gif": ("gif", "rgb8"),
}
"""File name -> (encoder, pixel format); an encoder that this build lacks is left out."""

OPTIONS = {
    "libx264": {"preset": "ultrafast", "bf": "2"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    "libvpx": {"deadline": "realtime"},
    "libvpx-vp9": {"deadline": "realtime"},
}
"""Encoders told to be quick, and to start no thread for each core."""


def picture(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 RGB (h, w, 3): a moving texture, which changes at frame 20."""
    width, height = size
    x, y = np.arange(width) + 2 * index, np.arange(height)[:, None]
    grey = 128 + 60 * np.sin(x / 7) + 60 * np.cos((y + index) / (5 if index < 20 else 11))
    return np.stack([grey, grey[:, ::-1], np.roll(grey, index, 0)], axis=-1).astype(np.uint8)


def write_video(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    size: tuple[int, int] = SIZE,
    frames: int = FRAMES,
    stamps: list[int] | None = None,
) -> Path:
    """Encode ``frames`` pictures at 24 frames a second, or at ``stamps`` in 24ths of a second."""
    with usual_scheduling(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24))
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        stream.options = OPTIONS.get(codec, {})
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts = index if stamps is None else stamps[index]
            frame.time_base = Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_bases(folder: Path) -> list[Path]:
    """One small sound file for each codec."""
    os.environ.setdefault("SVT_LOG", "1")  # its AV1 encoder prints twenty lines for each file
    made = []
    for name, (codec, pixel_format) in BASES.items():
        if codec in av.codecs_available:
            made.append(write_video(folder / name, codec, pixel_format))
    return made


def flip(data: bytearray, rng: np.random.Generator, bits: int, start: int, stop: int) -> bytearray:
    """Flip ``bits`` random bits of bytes [start, stop)."""
    for at in rng.integers(start, max(start + 1, min(stop, len(data))), bits):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def overwrite(data: bytearray, rng: np.random.Generator, size: int, fill: int | None) -> bytearray:
    """Set ``size`` bytes at a random place to ``fill``, or to noise."""
    at = int(rng.integers(len(data)))
    size = min(size, len(data) - at)
    data[at : at + size] = rng.bytes(size) if fill is None else bytes([fill]) * size
    return data


def resize_field(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Make one 32-bit field of the first or last 2 kB very large, zero, or negative: lengths, counts and sizes."""
    near = 2048
    at = int(rng.integers(max(1, min(near, len(data) - 4))))
    at = at if rng.random() < 0.5 else max(0, len(data) - 4 - at)
    value = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF][int(rng.integers(6))]
    data[at : at + 4] = struct.pack(">I" if rng.random() < 0.5 else "<I", value)
    return data


def move_block(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Cut a block of up to a quarter out, and put it in elsewhere or leave it out."""
    first = int(rng.integers(len(data)))
    size = int(rng.integers(1, max(2, len(data) // 4)))
    block = data[first : first + size]
    del data[first : first + size]
    if rng.random() < 0.7:
        at = int(rng.integers(len(data) + 1))
        data[at:at] = block
    return data


MUTATIONS: dict[str, Callable[[bytearray, np.random.Generator], bytearray]] = {
    "flip1": lambda data, rng: flip(data, rng, 1, 0, len(data)),
    "flip30": lambda data, rng: flip(data, rng, 30, 0, len(data)),
    "flip500": lambda data, rng: flip(data, rng, 500, 0, len(data)),
    "header3": lambda data, rng: flip(data, rng, 3, 0, 1024),
    "header40": lambda data, rng: flip(data, rng, 40, 0, 1024),
    "tail10": lambda data, rng: flip(data, rng, 10, max(0, len(data) - 2048), len(data)),
    "cut": lambda data, rng: data[: int(rng.integers(len(data)))],
    "behead": lambda data, rng: data[int(rng.integers(1, len(data))) :],
    "zeros": lambda data, rng: overwrite(data, rng, 512, 0),
    "ones": lambda data, rng: overwrite(data, rng, 64, 255),
    "noise": lambda data, rng: overwrite(data, rng, 2048, None),
    "field": resize_field,
    "move": move_block,
}
"""Name -> what it does to the bytes of a file."""


def write_mutants(folder: Path, bases: list[Path], count: int, seed: int) -> Iterator[Path]:
    """``count`` damaged files, every base and mutation in turn; the name says which base, mutation and number."""
    names = list(MUTATIONS)
    sound = [path.read_bytes() for path in bases]
    for number in range(count):
        base = number % len(bases)
        mutation = names[number // len(bases) % len(names)]
        rng = np.random.default_rng([seed, number])
        data = MUTATIONS[mutation](bytearray(sound[base]), rng)
        path = folder / f"{number:05d}-{mutation}-{bases[base].name}"
        path.write_bytes(data)
        yield path
