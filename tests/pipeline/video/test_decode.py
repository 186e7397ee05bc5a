"""Frames of our own clips by number: the pixels of a plain decoding, whatever is left out on the way."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.video.decode import decode_clip, sample_indices
from pipeline.video.encode import usual_scheduling
from pipeline.world.render import render
from pipeline.world.scene import random_scene

ENCODERS = {
    "libx264": {"x264-params": "threads=1"},
    "libx265": {"x265-params": "log-level=none:pools=1"},
    "libsvtav1": {"preset": "8", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"b": "0", "crf": "32", "cpu-used": "4"},
}


def plain(mp4: bytes) -> tuple[np.ndarray, list[float]]:
    with av.open(io.BytesIO(mp4)) as container:
        frames = list(container.decode(video=0))
    return np.stack([f.to_ndarray(format="rgb24") for f in frames]), [f.time for f in frames]


def encoded(frames: np.ndarray, encoder: str) -> bytes:
    """An MP4 of a codec that a clip may have: one that is made here, or that an import keeps as it is."""
    with usual_scheduling(), av.open(file := io.BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream(encoder, rate=Fraction(24), options=ENCODERS[encoder])
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", 48
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_chosen_frames_are_those_of_a_plain_decoding(seed: int, encoder: str) -> None:
    rng = np.random.default_rng(seed)
    frames = np.array(render(random_scene(seed), width=96, height=64, fps=24.0, n_frames=75))
    noisy = np.clip(frames + rng.normal(0, 6, frames.shape), 0, 255).astype(np.uint8)
    mp4 = encoded(noisy, encoder)
    whole, times = plain(mp4)
    every, _ = decode_clip(mp4)
    np.testing.assert_array_equal(every, whole)
    for indices in (
        [0], [74], [40, 3, 3], sample_indices(75, 8), sample_indices(75, 96),
        sorted(rng.choice(75, 10, replace=False).tolist()),
    ):  # fmt: skip
        found, pts = decode_clip(mp4, indices=indices)
        np.testing.assert_array_equal(found, whole[indices])
        np.testing.assert_allclose(pts, [times[i] for i in indices])
    with pytest.raises(ValueError, match="75.* are not in it"):
        decode_clip(mp4, indices=[3, 75])


def test_a_file_without_presentation_times_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for i in range(12):
            image = np.full((32, 32, 3), 20 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    whole, _ = plain(data)
    found, _ = decode_clip(data, indices=[2, 7, 10])
    np.testing.assert_array_equal(found, whole[[2, 7, 10]])
