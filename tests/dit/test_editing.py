"""Animate, edit, inpaint and interpolate: what stays bit for bit, and what the model may change."""

from __future__ import annotations

import numpy as np
import pytest

from dit.config import SampleConfig
from dit.editing import animate, cells, edit, fill, inpaint, interpolate
from dit.video_models import VideoModels
from tests.helpers.pixel_models import LetterEncoder, PixelVae, pixel_dit

CONFIG = SampleConfig(frames=9, steps=2, guidance=1.0)
VIDEO = np.random.default_rng(0).integers(0, 256, (10, 6, 8, 3), np.uint8)
"""Of a length that is not 1 + 4k."""


@pytest.fixture(scope="module")
def models() -> VideoModels:
    return VideoModels(dit=pixel_dit(), vae=PixelVae(), text_encoder=LetterEncoder())


def test_a_video_begins_with_its_picture(models):
    out = animate(VIDEO[0], "abc", models=models, config=CONFIG)
    assert out.shape == (9, 6, 8, 3)
    assert np.array_equal(out[0], VIDEO[0])  # this VAE loses nothing of a first frame
    with pytest.raises(ValueError, match="leaves nothing to make .* at least 5"):
        animate(VIDEO[0], "abc", models=models, config=SampleConfig(frames=1))


def test_an_edit_of_strength_zero_is_the_video_itself_and_a_stronger_one_is_farther(models):
    far = []
    for strength in (0.0, 0.1, 0.4, 1.0):
        out = edit(VIDEO, "abc", models=models, strength=strength, config=CONFIG)
        assert out.shape == VIDEO.shape
        far.append(float(np.abs(out.astype(int) - VIDEO).mean()))
    assert far[0] == 0, "although the VAE loses three frames of four"
    assert far == sorted(far)
    assert far[-1] > far[1]
    with pytest.raises(ValueError, match="strength -0.1 is out of range; it goes from 0"):
        edit(VIDEO, "abc", models=models, strength=-0.1)


@pytest.mark.parametrize("keep", ["clean", "noised"])
def test_outside_the_mask_every_bit_stays(models, keep):
    mask = np.zeros(VIDEO.shape[:3], bool)
    mask[3:7, 1:4, 2:7] = True
    out = inpaint(VIDEO, "abc", mask, models=models, config=CONFIG, keep=keep)
    assert np.array_equal(out[~mask], VIDEO[~mask])
    assert (out[mask] != VIDEO[mask]).mean() > 0.9


def test_what_the_mask_hides_does_not_reach_the_result(models):
    mask = np.zeros(VIDEO.shape[1:3], bool)
    mask[1:4, 2:7] = True
    other = VIDEO.copy()
    other[:, mask] = 7
    results = [inpaint(v, "abc", mask, models=models, config=CONFIG) for v in (VIDEO, other)]
    assert np.array_equal(*results)


def test_masks_that_do_not_fit_are_named(models):
    with pytest.raises(ValueError, match=r"the mask is 6 x 4, the video 10 x 6 x 8"):
        inpaint(VIDEO, "a", np.ones((6, 4), bool), models=models)
    with pytest.raises(ValueError, match="covers nothing"):
        inpaint(VIDEO, "a", np.zeros((6, 8), bool), models=models)


def test_masked_pixels_are_filled_from_other_frames_or_with_the_mean():
    video = np.zeros((5, 1, 2, 3), np.uint8)
    video[0, 0, 0], video[4, 0, 0], video[:, 0, 1] = 10, 50, 200
    mask = np.zeros((5, 1, 2), bool)
    mask[1:4, 0, 0] = True
    assert fill(video, mask)[:, 0, 0, 0].tolist() == [10, 20, 30, 40, 50]
    mask[0, 0, 0] = True
    assert fill(video, mask)[:, 0, 0, 0].tolist() == [50] * 5, "known after it alone"
    mask[:, 0, 0] = True
    assert fill(video, mask)[:, 0, 0, 0].tolist() == [200] * 5, "the rest of the frame"
    assert fill(video, np.ones_like(mask)).tolist() == np.full(video.shape, 128).tolist()


def test_a_cell_is_made_anew_where_the_mask_touches_it():
    mask = np.zeros((9, 4, 4), bool)
    mask[0, 0, 0] = mask[6, 3, 1] = True
    touched = cells(mask, 4, 2)
    assert np.argwhere(touched).tolist() == [[0, 0, 0], [2, 1, 0]]


def test_interpolation_keeps_the_frames_it_goes_between(models):
    out = interpolate(VIDEO[:3], "abc", models=models, config=CONFIG)
    assert out.shape == (9, 6, 8, 3)
    assert np.array_equal(out[::4], VIDEO[:3])
    with pytest.raises(ValueError, match="at least 2"):
        interpolate(VIDEO[:1], "abc", models=models)


def test_an_interpolation_is_told_that_its_first_frame_is_known(models, monkeypatch):
    """Untold, the model makes that frame anew, and what moves from there does not begin where it was."""
    seen = []
    sample = VideoModels.sample

    def watched(self, prompt, condition, config, seed):
        seen.append(condition.start.clone())
        return sample(self, prompt, condition, config, seed)

    monkeypatch.setattr(VideoModels, "sample", watched)
    interpolate(VIDEO[:3], "abc", models=models, config=CONFIG, strength=0.4)
    (start,) = seen
    assert (start[0] == 0).all()
    assert np.allclose(start[1:], 0.4)


def test_models_of_another_family_are_refused():
    class Other(PixelVae):
        id = "other"

    with pytest.raises(ValueError, match="this VAE is other"):
        VideoModels(dit=pixel_dit(), vae=Other(), text_encoder=LetterEncoder())
