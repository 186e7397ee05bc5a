"""Pictures are read in a child: upright, scaled down, and refused when they are none or claim to be huge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.video.probe import MediaError
from pipeline.video.stills import read_picture, sample_picture


def test_a_picture_is_one_upright_frame(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    found = sample_picture(tmp_path / "a.png", side=40)
    assert found.frames.shape == (1, 20, 40, 3) and found.seconds == 0
    assert found.frames[0, :, :15].max() == 0 and found.frames[0, :, 25:].min() == 255


def test_what_is_no_picture_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.video import stills

    (tmp_path / "a.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(MediaError, match="no picture"):
        list(read_picture(str(tmp_path / "a.png"), 64))
    Image.new("RGB", (30, 30)).save(tmp_path / "b.png")
    monkeypatch.setattr(stills, "MOST_PIXELS", 100)
    with pytest.raises(MediaError, match="30x30 pixels"):
        list(read_picture(str(tmp_path / "b.png"), 64))
    Image.new("RGB", (8, 8)).save(tmp_path / "c.gif")
    with pytest.raises(MediaError, match="no picture"):
        list(read_picture(str(tmp_path / "c.gif"), 64))
