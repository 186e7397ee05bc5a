"""HDR and wide-gamut frames to the BT.709 SDR that every clip is in.

The curves: PQ and HLG of ITU-R BT.2100 (HLG for a 1000 nit display, system gamma 1.2), rolled off by the EETF of ITU-R
BT.2390 section 5.4.1 on the largest of R, G, B, with diffuse white at 203 nits (ITU-R BT.2408), gamut by the primaries'
matrices with what lies outside clipped, and the 2.4 gamma of ITU-R BT.1886. FFmpeg's own conversion clips all above
203 nits, so the whole mapping is one 3D table of ours, applied by FFmpeg's ``lut3d``.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.video.probe import MediaError

if TYPE_CHECKING:
    import av

PQ, HLG = 16, 18
"""Colour transfers (ISO/IEC 23091-2 codes) of HDR."""
BT709, BT2020, P3 = 1, 9, 12
PRIMARIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Codes of primaries (same standard) -> chromaticities of R, G and B; white is D65 in all."""
UNSPECIFIED, ICTCP = 2, 14
WHITE_NITS = 203.0
"""Luminance of the SDR picture's white in the HDR picture."""
PEAK_NITS = 1000.0
"""Brightest light expected in a file that does not say."""
GRID = 33
"""Points of the table along each axis."""


class ToneMapper:
    """Frames of one file as BT.709 SDR; SDR frames pass untouched. Its table takes a moment: keep one for a file."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._enter, self._leave = VideoReformatter(), VideoReformatter()
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[object, ...] = ()

    def __call__(self, frame: av.VideoFrame, size: tuple[int, int] | None = None) -> av.VideoFrame:
        """The frame itself, or yuv420p in BT.709 limited range, scaled to ``size`` (width, height) if it is given."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        if transfer not in (PQ, HLG) and primaries not in (BT2020, P3):
            return frame
        width, height = size or (frame.width, frame.height)
        wide = self._enter.reformat(
            frame,
            width,
            height,
            "gbrp10le",
            src_colorspace="BT2020" if int(frame.colorspace) == UNSPECIFIED else None,
            interpolation="AREA" if size else "BICUBIC",
            threads=1,
        )
        shape = (width, height, transfer, primaries)
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = table_filter(wide, transfer, primaries, peak(frame)), shape
        wide.pts = 0  # the filter passes them on one by one
        self._graph.push(wide)
        narrow = self._leave.reformat(
            self._graph.pull(),
            format="yuv420p",
            dst_colorspace="ITU709",
            dst_color_range="MPEG",
            interpolation="BICUBIC",
            threads=1,
        )
        narrow.colorspace, narrow.color_range = BT709, 1
        narrow.color_trc = narrow.color_primaries = BT709
        return narrow


def check_colour(frame: av.VideoFrame, path: str | Path) -> None:
    """Refuse by name what the curves cannot read: ICtCp, and Dolby Vision without a plainer picture below it."""
    if int(frame.colorspace) == ICTCP:
        raise MediaError("probe", "hdr", f"{path} is HDR in ICtCp; tone-map it to SDR first")
    dolby = any(data.type.name.startswith("DOVI") for data in frame.side_data)
    if dolby and int(frame.color_trc) == UNSPECIFIED:
        raise MediaError(
            "probe", "hdr", f"{path} is Dolby Vision of profile 5; tone-map it to SDR first"
        )


def table_filter(
    frame: av.VideoFrame, transfer: int, primaries: int, peak_nits: float
) -> av.filter.Graph:
    """An FFmpeg graph that maps frames like ``frame`` (gbrp10le) through ``sdr_table``."""
    import av

    table = sdr_table(transfer, primaries, peak_nits)
    graph = av.filter.Graph()
    with tempfile.NamedTemporaryFile("w", suffix=".cube") as cube:
        cube.write(f"LUT_3D_SIZE {GRID}\n")
        # in a .cube file red changes fastest
        np.savetxt(cube, table.transpose(2, 1, 0, 3).reshape(-1, 3), fmt="%.6f")
        cube.flush()
        graph.link_nodes(
            graph.add_buffer(template=None, width=frame.width, height=frame.height,
                             format=frame.format, time_base=1),
            graph.add("lut3d", file=cube.name, interp="tetrahedral"),
            graph.add("buffersink"),
        ).configure()  # fmt: skip
    return graph


def peak(frame: av.VideoFrame) -> float:
    """Brightest light of the file in nits by its content light level; ``PEAK_NITS`` where that is missing or absurd."""
    for data in frame.side_data:
        if data.type.name == "CONTENT_LIGHT_LEVEL":
            (nits,) = struct.unpack_from("=I", bytes(data))
            if WHITE_NITS < nits <= 10_000:
                return float(nits)
    return PEAK_NITS


def sdr_table(transfer: int, primaries: int, peak_nits: float) -> np.ndarray:
    """BT.709 values of a grid of coded R'G'B' values; float64 (GRID, GRID, GRID, 3) in [0, 1], axes R, G, B."""
    axis = np.linspace(0, 1, GRID)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return to_sdr(grid, transfer, primaries, peak_nits)


def to_sdr(rgb: np.ndarray, transfer: int, primaries: int, peak_nits: float) -> np.ndarray:
    """Coded R'G'B' (..., 3) in [0, 1] of the given transfer and primaries as BT.709 R'G'B' in [0, 1]."""
    if transfer == PQ:
        nits = pq_to_nits(rgb)
    elif transfer == HLG:
        nits, peak_nits = hlg_to_nits(rgb), PEAK_NITS
    else:
        nits, peak_nits = WHITE_NITS * rgb**2.4, WHITE_NITS
    brightest = np.maximum(nits.max(-1, keepdims=True), 1e-6)
    rolled = nits * (roll_off(brightest, peak_nits) / brightest)
    source = primaries if primaries in PRIMARIES else BT2020
    light = rolled @ (np.linalg.inv(rgb_to_xyz(BT709)) @ rgb_to_xyz(source)).T
    return np.clip(light / WHITE_NITS, 0, 1) ** (1 / 2.4)


def roll_off(nits: np.ndarray, peak_nits: float) -> np.ndarray:
    """The EETF of BT.2390: light up to ``peak_nits`` into ``WHITE_NITS``; a knee, then a Hermite spline."""
    if peak_nits <= WHITE_NITS:
        return np.minimum(nits, WHITE_NITS)
    scale = nits_to_pq(np.array(peak_nits))
    value = np.minimum(nits_to_pq(nits) / scale, 1)
    top = nits_to_pq(np.array(WHITE_NITS)) / scale
    knee = 1.5 * top - 0.5
    t = np.clip((value - knee) / (1 - knee), 0, 1)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    curve += (3 * t**2 - 2 * t**3) * top
    return pq_to_nits(np.where(value < knee, value, curve) * scale)


_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128


def pq_to_nits(value: np.ndarray) -> np.ndarray:
    """EOTF of PQ: coded value in [0, 1] to nits."""
    root = np.asarray(value, np.float64) ** (1 / _M2)
    return 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def nits_to_pq(nits: np.ndarray) -> np.ndarray:
    """Inverse EOTF of PQ: nits to coded value in [0, 1]."""
    power = (np.asarray(nits, np.float64) / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_to_nits(value: np.ndarray) -> np.ndarray:
    """HLG's coded R'G'B' (..., 3) in [0, 1] to nits of a 1000 nit display: inverse OETF, then the OOTF of gamma 1.2."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    luma = scene @ np.array([0.2627, 0.6780, 0.0593])
    return PEAK_NITS * scene * np.maximum(luma, 1e-9)[..., None] ** 0.2


def rgb_to_xyz(primaries: int) -> np.ndarray:
    """Matrix (3, 3) from linear R, G, B of the given primaries to CIE XYZ, white D65 at Y = 1."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES[primaries]]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)
