"""``filmstock sample``: what it leaves, and that other commands can go on with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.generate.sample import Args, run
from jobs.generate.videos import generate_videos
from pipeline.video.tags import is_synthetic

PROMPT = "A large red circle stays still in the centre."


def test_a_picture_is_itself_and_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = Args(prompt=(PROMPT,), frames=1, steps=2, size="48x32", device="cpu", out=tmp_path)
    assert run(args) == [], "no MP4"
    (file,) = tmp_path.glob("000-*.png")
    (video,) = generate_videos([PROMPT], width=48, height=32, config=args, device="cpu")
    with Image.open(file) as picture:
        assert np.array_equal(np.array(picture), video[0]), "no bar, no gap, not enlarged"
        assert is_synthetic(picture.text)
    assert "signs MP4s" not in capsys.readouterr().err
