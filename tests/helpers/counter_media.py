"""Videos whose every frame carries its number, so that a cut can be proven frame by frame."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from pipeline.video.cut import Clip
from pipeline.video.encode import usual_scheduling

BITS = 10
SIZE = (160, 96)
"""Width and height of a counter video, pixels."""


def clips_of(items: Iterable[Clip | float]) -> Iterator[Clip]:
    """What ``cut`` yields without the seconds that it is at."""
    return (item for item in items if isinstance(item, Clip))


def counter_frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 RGB (h, w, 3): the number in binary, as a row of dark and bright bars over its complement."""
    return _counter_frame(number, size).copy()


@cache
def _counter_frame(number: int, size: tuple[int, int]) -> np.ndarray:
    width, height = size
    bits = np.array([(number >> bit) & 1 for bit in range(BITS)])
    columns = np.minimum(np.arange(width) * BITS // width, BITS - 1)
    picture = np.where(np.arange(height)[:, None] < height // 2, bits[columns], 1 - bits[columns])
    return np.repeat((40 + 160 * picture).astype(np.uint8)[..., None], 3, axis=2)


def read_number(frame: np.ndarray) -> int:
    """The number that a decoded counter frame carries; asserts that both rows of bars agree."""
    height, width = frame.shape[:2]
    centres = (2 * np.arange(BITS) + 1) * width // (2 * BITS)
    top, bottom = frame[[[height // 4], [3 * height // 4]], centres].mean(axis=2)
    assert (np.abs(top - bottom) > 80).all(), "bars are smeared: two frames are mixed"
    return int(sum(1 << bit for bit, high in enumerate(top > bottom) if high))


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    rate: Fraction = Fraction(25),
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    audio: bool = False,
    pixels: str = "yuv420p",
) -> Path:
    """Encode uint8 RGB frames with given timestamps (default: constant ``rate``)."""
    base = time_base or 1 / rate
    with usual_scheduling(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.time_base = base
        stream.codec_context.time_base = base
        stream.options = options or {}
        sound = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index if pts is None else pts[index], base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _silence(container, sound, len(frames) / float(rate))
    return path


def write_counter(path: Path, n: int, size: tuple[int, int] = SIZE, **options: object) -> Path:
    """A counter video of ``n`` frames."""
    return write_video(path, [counter_frame(i, size) for i in range(n)], **options)  # type: ignore[arg-type]


def write_sound(path: Path, seconds: float = 0.5) -> Path:
    """A file with an audio stream only."""
    with av.open(str(path), "w") as container:
        _silence(container, container.add_stream("aac", rate=16000, layout="mono"), seconds)
    return path


def _silence(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    for start in range(0, int(16000 * seconds), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def rotate_mp4(path: Path, degrees: int) -> Path:
    """Set the display matrix in an MP4's track header, so that players turn it clockwise by ``degrees``."""
    data = bytearray(path.read_bytes())
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [cos, sin, 0, -sin, cos, 0, 0, 0, 1]
    at = data.find(b"tkhd") + 4 + 40
    for i, value in enumerate(matrix):
        one = 1 << (30 if i in (2, 5, 8) else 16)
        data[at + 4 * i : at + 4 * i + 4] = (value * one).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


def numbers_of(mp4: bytes) -> tuple[list[int], list[float], bool]:
    """Frame numbers, times in seconds, and whether the first frame is a keyframe, of an encoded counter clip."""
    numbers, times, first_key = [], [], False
    with av.open(io.BytesIO(mp4)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            first_key = first_key or (index == 0 and frame.key_frame)
            numbers.append(read_number(frame.to_ndarray(format="rgb24")))
            times.append(float(frame.pts * frame.time_base))
    return numbers, times, first_key


def edit_mp4(path: Path, edits: Sequence[tuple[int, int]]) -> Path:
    """Replace the edit list of an MP4 of one track: (length in ms, frame index at which it starts, -1 for nothing).

    For files of ``write_counter`` at 25 frames a second, whose tables lie behind the pictures.
    """
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") - 4
    size, first = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">i", data, at + 20)[0]
    unit = struct.unpack_from(">I", data, data.find(b"mdhd") + 16)[0] // 25
    body = b"".join(
        struct.pack(">Iii", length, -1 if start < 0 else first + start * unit, 1 << 16)
        for length, start in edits
    )
    new = struct.pack(">I4sII", 16 + len(body), b"elst", 0, len(edits)) + body
    for name in (b"moov", b"trak", b"edts"):
        box = data.find(name) - 4
        data[box : box + 4] = struct.pack(
            ">I", struct.unpack_from(">I", data, box)[0] + len(new) - size
        )
    data[at : at + size] = new
    path.write_bytes(data)
    return path
