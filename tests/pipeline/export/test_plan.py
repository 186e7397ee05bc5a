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
