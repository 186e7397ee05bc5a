"""What a file says it is, before its pictures are trusted; failures are typed, so that they can be counted.

A file's words are not its pictures (an HDR stream may be labelled BT.709 by its container), so ``cut`` looks at what
it decodes again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.video.provenance import forbids_training
from pipeline.video.tags import container_tags, domain_of

if TYPE_CHECKING:
    import av

MAX_PIXELS = 8192 * 8192
"""Largest picture decoded, in pixels."""
USUAL_BYTES_PER_S, LEAST_BYTES_PER_S = 125_000, 1_250
"""Bytes of a second of ordinary video, and of the slowest whose length is believed."""

CONTAINERS = (
    *("mov", "matroska", "webm", "avi", "flv", "asf", "mpeg", "mpegts", "mpegvideo", "mxf", "ogg"),
    *("gif", "yuv4mpegpipe", "m4v", "h264", "hevc", "ivf", "obu", "av1", "dv", "wtv", "nut"),
)
"""FFmpeg's names of the containers that are opened (mov is MP4, too): none that names other files, or a network."""
ONLY = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
"""Options under which FFmpeg opens these and nothing else."""
_SCRIPTS = {
    b"#extm3u": "an M3U or HLS playlist",
    b"ffconcat": "an ffconcat script",
    b"[playlist]": "a PLS playlist",
    b"[reference]": "an ASX reference list",
    b"<asx": "an ASX playlist",
    b"<smil": "a SMIL script",
    b"<?wpl": "a WPL playlist",
    b"v=0": "an SDP description",
    b"rtsptext": "a QuickTime reference",
    b"data:": "a data URL",
    b"http://": "a URL",
    b"https://": "a URL",
    b"file://": "a URL",
}
"""First bytes of playlists, lower case -> what they are."""


class MediaError(Exception):
    """A file that cannot be used: ``stage`` where it failed, ``type`` what failed (stable words), ``message`` why."""

    def __init__(self, stage: str, type: str, message: str) -> None:
        super().__init__(stage, type, message)
        self.stage, self.type, self.message = stage, type, message

    def __str__(self) -> str:
        return f"{self.stage}/{self.type}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One video stream of a file, as its headers describe it."""

    container: str
    """FFmpeg's name of the container format."""
    codec: str
    """FFmpeg's name of the video codec's decoder."""
    stream_index: int
    """Index of the chosen video stream in the file."""
    width: int
    """Coded width in pixels, before rotation."""
    height: int
    """Coded height in pixels, before rotation."""
    pixel_format: str
    """FFmpeg's name of the pixel format."""
    sample_aspect: Fraction
    """Width of a pixel over its height; 1 where the file does not say."""
    fps: Fraction
    """Average frame rate by the headers, frames a second."""
    time_base: Fraction
    """Unit of every timestamp, in seconds."""
    start_pts: int
    """Timestamp of the first frame by the headers, in ``time_base``."""
    duration_s: float | None
    """Length by the headers, seconds; None where they do not say."""
    n_frames: int | None
    """Number of frames by the headers; None where they do not say."""
    color_transfer: int
    """Colour transfer code by the headers; 2 is unspecified."""
    size_bytes: int
    """Size of the file in bytes."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags of the container that may describe the pictures (``tags.TAGS``)."""
    domain: str | None = None
    """Closed domain that the container names (``tags.DOMAINS``), None for any other footage."""
    training_forbidden: bool | None = None
    """Whether a C2PA manifest in the file forbids to train on it; None where there is one that cannot be read."""


def open_media(path: str | Path) -> av.container.InputContainer:
    """Open a file for reading, with typed errors for one that is missing, empty, or no media at all."""
    import av

    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise MediaError("open", "unreadable", f"{path}: {error.strerror or error}") from error
    if size == 0:
        raise MediaError("open", "empty_file", f"{path} has no bytes")
    script = script_name(Path(path))
    if script:
        raise MediaError(
            "open",
            "container_refused",
            f"{path} is {script}, which names other files: it is not read",
        )
    try:
        # "file:" keeps a name such as "concat:a|b" or "data:..." from being taken for a protocol
        return av.open(f"file:{Path(path).absolute()}", options=ONLY, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, av.error.ArgumentError):
            raise MediaError(
                "open",
                "container_refused",
                f"{path}: its container is none of those that are read ({', '.join(CONTAINERS)})",
            ) from error
        raise MediaError("open", media_type(error), f"{path}: {describe(error)}") from error


def script_name(path: Path) -> str | None:
    """What kind of playlist a file is by its first bytes, None when it is none: players open what these name."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise MediaError("open", media_type(error), f"{path}: {describe(error)}") from error
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, name in _SCRIPTS.items():
        if text[: len(start)].lower() == start:
            return name
    return "a DASH manifest" if text.startswith(b"<") and b"<MPD" in head else None


def pick_stream(container: av.container.InputContainer, path: str | Path) -> av.video.VideoStream:
    """The video stream a player would show, set to decode on one thread; attached cover art does not count."""
    import av

    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        kinds = sorted({each.type for each in container.streams}) or ["no"]
        raise MediaError("probe", "no_video_stream", f"{path} has {', '.join(kinds)} streams only")
    if stream.codec_context is None:
        raise MediaError("probe", "unknown_codec", f"{path}: no decoder for its video codec")
    stream.codec_context.thread_count = 1
    return stream


def probe_stream(stream: av.video.VideoStream, path: str | Path) -> Probe:
    """Describe an open stream; refuses sizes that the pipeline does not handle."""
    codec, container = stream.codec_context, stream.container
    check_size(codec.width, codec.height, path)
    if not stream.time_base:
        raise MediaError("probe", "no_time_base", f"{path}: its frames carry no time")
    seconds = None
    if stream.duration is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1_000_000
    return Probe(
        container=container.format.name,
        codec=codec.name,
        stream_index=stream.index,
        width=codec.width,
        height=codec.height,
        pixel_format=codec.pix_fmt or "unknown",
        sample_aspect=Fraction(stream.sample_aspect_ratio or 1),
        fps=stream.average_rate or stream.guessed_rate or Fraction(25),
        time_base=stream.time_base,
        start_pts=stream.start_time or 0,
        duration_s=seconds
        if seconds is not None and math.isfinite(seconds) and seconds > 0
        else None,
        n_frames=stream.frames or None,
        color_transfer=int(codec.color_trc),
        size_bytes=Path(path).stat().st_size,
        tags=container_tags(container.metadata),
        domain=domain_of(container.metadata),
    )


def probe(path: str | Path) -> Probe:
    """Probe a file's headers without decoding; raises ``MediaError``."""
    with open_media(path) as container:
        found = probe_stream(pick_stream(container, path), path)
    return replace(found, training_forbidden=forbids_training(Path(path)))


def claimed_minutes(info: Probe) -> float:
    """Length by the headers in minutes, as far as the file's size bears it out (10 kbit/s: a slide show), or a few
    damaged bytes would buy years of patience; where the headers do not say, what the size gives at 1 Mbit/s."""
    seconds = info.duration_s or info.size_bytes / USUAL_BYTES_PER_S
    return math.ceil(min(seconds, info.size_bytes / LEAST_BYTES_PER_S) / 60)


def check_size(width: int, height: int, path: str | Path) -> None:
    """Refuse pictures too small to encode or too large to hold."""
    if width < 2 or height < 2 or width * height > MAX_PIXELS:
        raise MediaError("probe", "bad_size", f"{path}: {width}x{height} pixels")


def media_type(error: BaseException) -> str:
    """Stable snake_case word for an exception of FFmpeg or Python, e.g. ``invalid_data``."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, EOFError):
        return "end_of_file"
    name = type(error).__name__.removesuffix("Error")
    word = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    return {"o_s": "io", "f_fmpeg": "ffmpeg", "": "error"}.get(word, word)


def describe(error: BaseException) -> str:
    """One line of an exception, without Python's tuple syntax."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
