"""A file that breaks off keeps what can be decoded of it; damage inside a whole file costs the file, as before."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.config import IngestConfig
from pipeline.source.clips import ClipRecord, Plan, clip_source
from pipeline.video.cut_short import is_cut_short
from pipeline.video.probe import MediaError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 of 8 s whose index comes first."""
    path = tmp_path_factory.mktemp("media") / "whole.mp4"
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for i in range(200):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * i, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def split(path: Path) -> tuple[Plan, list[ClipRecord]]:
    plan, clips = None, []
    for item in clip_source(str(path), IngestConfig(), 4):
        if isinstance(item, Plan):
            plan = item
        elif isinstance(item, ClipRecord):
            clips.append(item)
    assert plan is not None
    return plan, clips


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_what_comes_before_the_end_is_kept(whole: bytes, share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert is_cut_short(path)
    plan, clips = split(path)
    assert plan.partial is not None and "cut short" in plan.partial and "of 8.0 s" in plan.partial
    assert 0.5 * share * 8 < plan.duration_s < 8
    assert clips and sum(clip.row["n_frames"] for clip in clips) <= plan.n_frames  # type: ignore[misc]


def test_a_whole_file_is_not_partial(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "whole.mp4"
    path.write_bytes(whole)
    assert not is_cut_short(path)
    assert split(path)[0].partial is None


def test_damage_inside_a_whole_file_is_an_error(whole: bytes, tmp_path: Path) -> None:
    data = bytearray(whole)
    start = data.index(b"mdat") + len(data) // 3
    data[start : start + 4000] = np.random.default_rng(0).bytes(4000)
    path = tmp_path / "bad.mp4"
    path.write_bytes(bytes(data))
    assert not is_cut_short(path)
    with pytest.raises(MediaError):
        split(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x1aE\xdf\xa3" * 8, b"\0\0\0\x08ftyp", b"\0\0\0\x02ftypxxxxxxxx"]
)
def test_other_bytes_are_not_taken_for_a_cut_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(data)
    assert not is_cut_short(path)
