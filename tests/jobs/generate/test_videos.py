"""``jobs.generate_videos``: the three embedded models by name."""

from __future__ import annotations

import numpy as np
import pytest

from dit import SampleConfig
from jobs import UserError, generate_videos


def test_the_embedded_models_make_a_picture_of_a_prompt():
    config = SampleConfig(frames=1, steps=4)
    prompt = "A large red circle stays still in the centre. The background is plain white."
    (picture,) = generate_videos([prompt], config=config, width=64, height=64)
    assert picture.shape == (1, 64, 64, 3)
    assert picture.std() > 5, "something is drawn"
    again = generate_videos([prompt], config=config, width=64, height=64)
    assert np.array_equal(again[0], picture)


def test_what_cannot_work_is_one_line():
    with pytest.raises(UserError, match="no DiT at"):
        generate_videos(["a circle"], dit="/nowhere/dit.safetensors")
    with pytest.raises(UserError, match="3 frames do not fit the VAE"):
        generate_videos(["a circle"], config=SampleConfig(frames=3))
