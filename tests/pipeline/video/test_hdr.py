"""HDR and wide gamut become the BT.709 picture that the standards' curves say, and what cannot is refused by name."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from pipeline.motion.analysis import analyse
from pipeline.video.cut import Clip, Span, cut
from pipeline.video.hdr import (
    BT709,
    BT2020,
    HLG,
    PEAK_NITS,
    PQ,
    WHITE_NITS,
    ToneMapper,
    check_colour,
    hlg_to_nits,
    nits_to_pq,
    pq_to_nits,
    rgb_to_xyz,
    roll_off,
    to_sdr,
)
from pipeline.video.probe import MediaError

COLOURS = np.array(
    [
        [0.6, 0.1, 0.1], [0.1, 0.6, 0.1], [0.1, 0.1, 0.6], [0.6, 0.6, 0.1], [0.1, 0.6, 0.6],
        [0.6, 0.1, 0.6], [0.55, 0.35, 0.15], [0.2, 0.45, 0.3], [0.25, 0.3, 0.6], [0.75, 0.3, 0.2],
    ]
)  # fmt: skip
"""Coded R'G'B': the six hues, and skin, leaf, sky and neon as a camera sees them."""
BT2087 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Linear BT.2020 to linear BT.709, as the recommendation prints it."""
NITS = np.array([0, 1, 5, 26, 50, 100, 203, 400, 700, 1000])


def hdr_frame(rgb: np.ndarray, transfer: int, primaries: int = BT2020) -> av.VideoFrame:
    """A 10-bit frame of vertical bars, 16 pixels wide, of coded colours (n, 3) in [0, 1]."""
    bars = np.repeat(np.repeat(rgb[None], 64, axis=0), 16, axis=1)
    frame = av.VideoFrame.from_ndarray((bars * 65535).round().astype(np.uint16), format="rgb48le")
    frame = VideoReformatter().reformat(
        frame, format="yuv420p10le", dst_colorspace="BT2020", dst_color_range="MPEG", threads=1
    )
    frame.color_trc, frame.color_primaries = transfer, primaries
    frame.colorspace, frame.color_range = 9, 1
    return frame


def bars_of(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24")[32, 8::16].astype(int)


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[:, None], 3, axis=1)


def test_pq_is_the_curve_of_the_standard() -> None:
    """BT.2100: coded 0.5 is 92.2 nits, 0.58 is 203 (BT.2408), 0.7518 is 1000, 1 is 10,000."""
    np.testing.assert_allclose(
        pq_to_nits(np.array([0, 0.5081, 0.5807, 0.7518, 1])), [0, 100, 203, 1000, 10_000], rtol=2e-3
    )
    np.testing.assert_allclose(
        nits_to_pq(pq_to_nits(np.linspace(0, 1, 50))), np.linspace(0, 1, 50), atol=1e-6
    )


def test_hlg_is_the_curve_of_the_standard() -> None:
    """BT.2408: HLG's 75 % is diffuse white of 203 nits on a 1000 nit display, 38 % is 26 nits (18 % grey)."""
    nits = hlg_to_nits(grey(np.array([0, 0.38, 0.75, 1])))[:, 0]
    np.testing.assert_allclose(nits, [0, 26, 203, 1000], rtol=0.02, atol=1e-3)


def test_roll_off_keeps_shadows_and_order_and_ends_at_white() -> None:
    light = np.linspace(0, PEAK_NITS, 400)
    rolled = roll_off(light, PEAK_NITS)
    np.testing.assert_allclose(rolled[light < 80], light[light < 80], rtol=1e-6, atol=1e-6)
    assert (np.diff(rolled) > 0).all() and rolled[-1] == pytest.approx(WHITE_NITS, rel=1e-3)


def test_bt2020_matrix_is_that_of_bt2087() -> None:
    matrix = np.linalg.inv(rgb_to_xyz(BT709)) @ rgb_to_xyz(BT2020)
    np.testing.assert_allclose(matrix[0], [1.6605, -0.5876, -0.0728], atol=2e-4)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-9)


@pytest.mark.parametrize("transfer", [PQ, HLG, 14])
def test_frames_get_what_the_curves_say(transfer: int) -> None:
    coded = grey(nits_to_pq(NITS) if transfer == PQ else np.linspace(0, 1, 10))
    muted = [[0.4, 0.3, 0.2], [0.5, 0.5, 0.3], [0.3, 0.4, 0.45]]
    coded = np.concatenate([coded, muted, COLOURS])
    frame = ToneMapper()(hdr_frame(coded, transfer))
    expected = 255 * to_sdr(coded, transfer, BT2020, PEAK_NITS)
    assert frame.format.name == "yuv420p"
    far = np.abs(bars_of(frame) - expected).max(1)
    assert far[:10].max() <= 3  # greys
    assert far[10:13].max() <= 6  # muted colours, through 4:2:0 twice
    assert far[13:].max() <= 10  # strong colours, between the points of the table
    assert (np.diff(bars_of(frame)[:9, 1]) > 0).all(), "highlights are told apart"


def test_strong_colours_keep_their_hue() -> None:
    """With rows of the matrix or axes of the table swapped, greys are right and every colour is another."""
    expected = 255 * np.clip(COLOURS**2.4 @ BT2087.T, 0, 1) ** (1 / 2.4)
    np.testing.assert_allclose(255 * to_sdr(COLOURS, 14, BT2020, PEAK_NITS), expected, atol=1)
    assert np.abs(bars_of(ToneMapper()(hdr_frame(COLOURS, 14))) - expected).max() <= 10
    for transfer in (PQ, HLG):
        got = bars_of(ToneMapper()(hdr_frame(COLOURS, transfer)))
        for (name, channels), bar in zip(
            {"red": [0], "green": [1], "blue": [2], "yellow": [0, 1], "cyan": [1, 2], "pink": [0, 2]}.items(),
            got, strict=False,
        ):  # fmt: skip
            others = [k for k in range(3) if k not in channels]
            assert bar[channels].min() > bar[others].max() + 100, f"{name} became {bar}"


def test_wide_gamut_of_other_primaries_is_told_apart() -> None:
    """P3's red is less far out than BT.2020's: the same code is another colour."""
    red = np.array([[0.8, 0.3, 0.3]])
    plain, wide = (bars_of(ToneMapper()(hdr_frame(red, 14, p)))[0] for p in (12, BT2020))
    p3 = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    expected = 255 * np.clip(red**2.4 @ p3.T, 0, 1) ** (1 / 2.4)
    assert np.abs(plain - expected[0]).max() <= 8
    assert wide[0] > plain[0] + 15 and wide[1] < plain[1]


def test_a_smaller_picture_is_mapped_alike_and_sdr_passes_untouched() -> None:
    frame = hdr_frame(grey(nits_to_pq(NITS[:8])), PQ)
    tone = ToneMapper()
    small = tone(frame, (64, 36)).to_ndarray(format="rgb24")[18, 4::8].astype(int)
    assert np.abs(small - bars_of(tone(frame))).max() <= 4
    plain = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
    assert tone(plain) is plain


@pytest.mark.parametrize("name", ["smpte2084", "arib-std-b67"])
def test_an_hdr_file_becomes_sdr_clips(tmp_path: Path, name: str) -> None:
    transfer = PQ if name == "smpte2084" else HLG
    path = tmp_path / "a.mp4"
    coded = np.concatenate([grey(np.linspace(0, 0.8, 6)), COLOURS[:4]])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 64, "yuv420p10le"
        params = f"log-level=none:pools=1:colorprim=bt2020:transfer={name}:colormatrix=bt2020nc"
        stream.options = {"x265-params": params, "crf": "4"}
        for _ in range(8):
            container.mux(stream.encode(hdr_frame(coded, transfer)))
        container.mux(stream.encode())
    *_, analysis = analyse(path)
    assert analysis is not None
    expected = 255 * to_sdr(coded, transfer, BT2020, PEAK_NITS)
    luma = expected @ [0.2126, 0.7152, 0.0722]
    assert analysis.luma_mean[0] == pytest.approx(luma.mean() / 255, abs=0.02)
    span = Span(
        start_pts=int(analysis.pts[0]), end_pts=analysis.end_pts,
        transition_in="start", transition_out="end",
    )  # fmt: skip
    (clip,) = (each for each in cut(path, [span], analysis.pts) if isinstance(each, Clip))
    with av.open(io.BytesIO(clip.video)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 8 and int(frames[0].color_trc) == BT709
    assert np.abs(bars_of(frames[3]) - expected).max() <= 8
    assert np.abs(clip.samples[2][32, 8::16] - expected).max() <= 8


@pytest.mark.skipif("FILMSTOCK_TESTDATA" not in os.environ, reason="needs FILMSTOCK_TESTDATA")
@pytest.mark.parametrize("name", ["nasa_13013_hdr.mp4", "bt2020_10bit.mp4"])
def test_foreign_hdr_files(name: str) -> None:
    path = Path(os.environ["FILMSTOCK_TESTDATA"]) / "hostile" / name
    *_, analysis = analyse(path)
    assert analysis is not None and np.isfinite(analysis.luma_mean).all()


def test_ictcp_is_refused_by_name() -> None:
    frame = hdr_frame(grey(np.array([0.1, 0.5])), PQ)
    frame.colorspace = 14
    with pytest.raises(MediaError, match="ICtCp") as error:
        check_colour(frame, "a.mp4")
    assert (error.value.stage, error.value.type) == ("probe", "hdr")
