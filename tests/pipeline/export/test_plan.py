"""How clips fit a model, by arithmetic alone."""

from __future__ import annotations

import pytest

from pipeline.export.plan import FIXES, Fit, Note, Refusal, Shape, fit, frames_at
from pipeline.export.profile import Profile

MODEL = Profile(fps=16, frames=(17, 33), sizes=((160, 96), (96, 160)))


def clip(n_frames=48, fps=24.0, width=320, height=192):
    return Shape(n_frames=n_frames, fps=fps, width=width, height=height)


def test_without_a_model_a_clip_stays_as_it_is():
    assert fit(clip(), None) == Fit(n_frames=48, fps=24.0, bucket=(320, 192))


def test_a_clip_is_retimed_and_trimmed_to_the_largest_count():
    found = fit(clip(60, 24.0), MODEL)
    assert isinstance(found, Fit)
    assert (found.n_frames, found.fps, found.bucket) == (33, 16, (160, 96))
    assert found.lost_s == pytest.approx(60 / 24 - 33 / 16, abs=1e-3)
    assert found.notes == ("retimed", "trimmed")


def test_a_clip_that_fits_has_no_notes():
    found = fit(clip(33, 16.0, 160, 96), MODEL)
    assert isinstance(found, Fit) and found.notes == () and found.lost_s == 0


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (clip(16, 16.0), Refusal.TOO_SHORT),
        (clip(23, 23.976), Refusal.TOO_SHORT),  # 0.96 s are 16 frames
        (clip(40, 8.0), Refusal.LOW_FPS),
        (clip(1, 25.0), Refusal.STILL),
        (clip(60, 24.0, 640, 96), Refusal.BAD_ASPECT),
    ],
)
def test_what_does_not_fit_is_refused_by_name(shape, why):
    assert fit(shape, MODEL) == why


def test_frames_are_repeated_when_asked():
    found = fit(clip(40, 8.0), MODEL, repeat=True)
    assert isinstance(found, Fit) and found.n_frames == 33 and Note.REPEATS in found.notes


def test_rates_that_differ_by_a_thousandth_lose_no_frame():
    assert frames_at(25 / 23.976, 24) == 26 and frames_at(33 / 16, 16) == 33
    assert frames_at(0.0, 16) == 0


def test_small_clips_are_said_to_be_enlarged():
    found = fit(clip(48, 24.0, 80, 48), MODEL)
    assert isinstance(found, Fit) and Note.ENLARGED in found.notes


def test_every_reason_says_what_to_do():
    assert set(FIXES) == {*Refusal, *Note}


STILLS = Profile(fps=16, frames=(1, 17, 33), sizes=((160, 96), (96, 160)))


def test_a_still_goes_where_stills_are_trained_on_and_a_short_clip_does_not_become_one():
    """As a still, a short video would be its first frame beside a caption of what happens in it."""
    found = fit(clip(1, 1.0, 160, 96), STILLS)
    assert found == Fit(n_frames=1, fps=16, bucket=(160, 96))
    any_count = Profile(fps=16, frames=(1, 2), frame_step=1, sizes=((160, 96),))
    assert fit(clip(1, 1.0, 160, 96), any_count) == found
    assert fit(clip(16, 16.0), STILLS) == fit(clip(2, 16.0), STILLS) == Refusal.TOO_SHORT
    assert fit(clip(17, 16.0), STILLS) == Fit(n_frames=17, fps=16, bucket=(160, 96))


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (clip(33, 14.5), ("retimed", "trimmed")),
        (clip(33, 14.3), Refusal.LOW_FPS),
        (clip(36, 16.0), ("trimmed",)),
        (clip(35, 16.0), ("trimmed",)),
        (clip(34, 16.0), ()),  # one frame more is no loss to speak of
        (clip(33, 15.98), ("retimed",)),
        (clip(33, 16.02), ("retimed",)),
        (clip(33, 16.009), ()),
        (clip(33, 16.0, 319, 96), ()),
        (clip(33, 16.0, 322, 96), Refusal.BAD_ASPECT),
        (clip(33, 16.0, 96, 322), Refusal.BAD_ASPECT),
        (clip(33, 16.0, 158, 96), ("enlarged",)),
        (clip(33, 16.0, 160, 94), ("enlarged",)),
        (clip(33, 16.0, 160, 96), ()),
    ],
)
def test_both_sides_of_every_limit(shape, found):
    """A limit a little off drops clips that a model could use, or trains it on ones that it should not see."""
    got = fit(shape, MODEL)
    assert (got.notes if isinstance(got, Fit) else got) == found


def test_two_frames_are_a_video():
    pairs = Profile(fps=16, frames=(2,), frame_step=2, frame_offset=0, sizes=((160, 96),))
    found = fit(clip(9, 15.0), pairs)
    assert isinstance(found, Fit) and (found.n_frames, found.lost_s) == (2, 0.475)
    assert found.notes == ("retimed", "trimmed") and fit(clip(9, 8.0), pairs) == Refusal.LOW_FPS


def test_what_is_lost_is_told_in_seconds_at_the_model_s_rate():
    found = fit(clip(100, 25.0), MODEL)
    assert isinstance(found, Fit) and found.lost_s == 1.938 and clip(100, 25.0).duration_s == 4.0
