"""Each step of the judge on pictures made by hand, with what comes out worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.world import judge as j
from pipeline.world.captions import Attributes
from pipeline.world.judge import Track
from pipeline.world.scene import BACKGROUNDS, COLOURS

GREY = (126, 126, 126)


def ground(frames: int = 4, height: int = 48, width: int = 64, colour: object = GREY) -> np.ndarray:
    """Plain float32 frames."""
    return np.broadcast_to(np.float32(colour), (frames, height, width, 3)).copy()


def box(video: np.ndarray, t: int, top: int, left: int, side: int, colour: str, tall: int = 0):
    """Draw a square, or a box, into one frame."""
    video[t, top : top + (tall or side), left : left + side] = COLOURS[colour]


def track(mask: np.ndarray, area: list[float] | None = None, **more: object) -> Track:
    """A track whose coverage is its mask."""
    alpha = mask.astype(np.float32)
    sums = alpha.sum(axis=(1, 2)) if area is None else np.array(area, float)
    nothing = np.full(len(mask), np.nan)
    given = {"x": nothing, "y": nothing, "alpha": alpha, "colour": "red", **more}
    return Track(mask=mask, area=sums, **given)  # type: ignore[arg-type]


def test_long_and_large_videos_are_thinned_and_averaged() -> None:
    """Their rate falls with them: else every motion reads as faster than it is."""
    for count, left, step in ((1, 1, 1), (40, 40, 1), (41, 21, 2), (81, 27, 3), (121, 31, 4)):
        frames = np.zeros((count, 4, 4, 3), np.uint8)
        frames[:, 0, 0, 0] = np.arange(count)
        video, rate = j.prepare(frames, 24.0)
        assert len(video) == left and rate == 24.0 / step and video.dtype == np.float32
        assert video[:, 0, 0, 0].tolist() == list(range(0, count, step))
    rng = np.random.default_rng(0)
    for height, width, factor in ((191, 400, 1), (193, 197, 2), (197, 193, 2), (288, 300, 3)):
        frames = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        video, rate = j.prepare(frames, 8)
        assert video.shape == (2, height // factor, width // factor, 3) and rate == 8
        for y, x in ((0, 0), (3, 5), (height // factor - 1, width // factor - 1)):
            cell = frames[1, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            np.testing.assert_allclose(video[1, y, x], cell.mean(axis=(0, 1)), rtol=1e-5)


def test_chroma_is_zero_for_greys_and_turns_with_the_hue() -> None:
    chroma = j.chroma_of(np.float32([[9, 9, 9], [10, 4, 0], [0, 0, 6], [2, 8, 5]]))
    want = [[0, 0], [6 / 2**0.5, 14 / 6**0.5], [0, -12 / 6**0.5], [-6 / 2**0.5, 0]]
    np.testing.assert_allclose(chroma, want, atol=1e-5)
    colours = np.float32(list(COLOURS.values()))
    for light in (1.0, 0.5):
        assert j.hue_names(j.chroma_of(colours * light)).tolist() == list(range(len(COLOURS)))


def test_neighbours_are_counted_with_the_pixel_itself() -> None:
    mask = np.zeros((1, 4, 5), bool)
    mask[0, 1, 1] = mask[0, 1, 2] = mask[0, 3, 4] = True
    want = [[1, 2, 2, 1, 0], [1, 2, 2, 1, 0], [1, 2, 2, 2, 2], [0, 0, 0, 2, 4]]
    assert j.neighbours(mask)[0].tolist() == want
    assert j.neighbours(np.ones((2, 3, 3), bool)).tolist() == [[[9] * 3] * 3] * 2


def test_a_mask_grows_in_the_four_directions() -> None:
    mask = np.zeros((2, 6, 6), bool)
    mask[0, 2, 2] = mask[1, 0, 5] = True
    rows, columns = np.mgrid[:6, :6]
    for pixels in (0, 1, 2):
        grown = j.grow(mask, pixels)
        for t, (y, x) in enumerate(((2, 2), (0, 5))):
            assert np.array_equal(grown[t], abs(rows - y) + abs(columns - x) <= pixels)
    assert mask.sum() == 2, "what is given stays"


def test_an_object_is_followed_by_its_centre_and_its_area() -> None:
    """Centres are in pixels from the frame's corner: the middle of the first pixel is at a half."""
    video = ground()
    for t in range(4):
        box(video, t, 10, 6 + 4 * t, 12, "red")
        box(video, t, 28, 40, 16, "blue")
    tracks = j.find_tracks(video)
    assert [one.colour for one in tracks] == ["blue", "red"], "the largest first"
    blue, red = tracks
    np.testing.assert_allclose(red.x, [12, 16, 20, 24], atol=0.05)
    np.testing.assert_allclose(red.y, [16] * 4, atol=0.05)
    np.testing.assert_allclose(blue.x, [48] * 4, atol=0.05)
    np.testing.assert_allclose(blue.y, [36] * 4, atol=0.05)
    np.testing.assert_allclose(red.area, [144] * 4, rtol=0.01)
    np.testing.assert_allclose(blue.area, [256] * 4, rtol=0.01)
    assert red.mask[0].sum() >= 140 and not red.mask[0, :, 30:].any()
    assert red.alpha.max() <= 1.5 and red.alpha[0, 16, 12] == pytest.approx(1, abs=0.01)
    assert not red.alpha[0][blue.mask[0]].any(), "what is another's is not its own"


@pytest.mark.parametrize(
    ("height", "width", "side", "seen"),
    [(64, 96, 6, False), (64, 96, 7, True), (96, 64, 6, False), (96, 64, 7, True), (16, 16, 3, True)],
)  # fmt: skip
def test_what_is_smaller_than_the_smallest_object_is_none(
    height: int, width: int, side: int, seen: bool
) -> None:
    """Least area: 0.009 of the shorter side's square, 36.9 pixels here, and never under four."""
    video = ground(2, height, width)
    for t in range(2):
        box(video, t, 5, 5, side, "green")
    assert [one.colour for one in j.find_tracks(video)] == ["green"] * seen


@pytest.mark.parametrize(("frames", "seen"), [(2, False), (3, True), (10, True)])
def test_an_object_must_show_in_three_frames_of_ten(frames: int, seen: bool) -> None:
    video = ground(10)
    for t in range(frames):
        box(video, t, 10, 10, 12, "purple")
    found = j.find_tracks(video)
    assert [one.colour for one in found] == ["purple"] * seen
    if seen:
        assert np.isnan(found[0].x[frames:]).all() and not found[0].area[frames:].any()
        assert not np.isnan(found[0].x[:frames]).any()


@pytest.mark.parametrize(
    ("colour", "seen"),
    [
        ((126 + 54, 126, 126), False),
        ((150, 94, 94), True),
        ((255, 165, 165), False),
        ((255, 160, 160), True),
    ],
)
def test_a_pixel_of_an_object_is_strong_in_colour(colour: tuple[int, ...], seen: bool) -> None:
    """More than 55 levels between the channels, and more than 0.36 of the brightest one."""
    video = ground(1)
    video[0, 10:26, 10:26] = colour
    assert bool(j.find_tracks(video)) == seen


def test_an_object_that_comes_back_is_followed_on_and_ranked_by_what_it_shows() -> None:
    """One that is hidden for a while is the largest all the same."""
    video = ground(10)
    for t in range(10):
        box(video, t, 30, 40, 12, "blue")
    for t in (0, 1, 7, 8):
        box(video, t, 5, 5, 16, "red")
    red, blue = j.find_tracks(video)
    assert (red.colour, blue.colour) == ("red", "blue")
    assert np.flatnonzero(red.area).tolist() == [0, 1, 7, 8]
    assert np.flatnonzero(~np.isnan(red.x)).tolist() == [0, 1, 7, 8]


def test_a_picture_of_one_colour_alone_is_an_object() -> None:
    """There is no ground to compare it with."""
    (red,) = j.find_tracks(ground(2, 40, 40, COLOURS["red"]))
    assert red.colour == "red" and (red.area > 1000).all()


def test_a_glint_counts_as_one_pixel_and_a_half_at_most() -> None:
    video = ground(1)
    video[0, 10:26, 10:26] = (150, 94, 94)
    video[0, 16:18, 16:18] = (255, 0, 0)
    (red,) = j.find_tracks(video)
    assert red.alpha.max() == 1.5


def test_a_coloured_edge_is_not_listed_as_an_object() -> None:
    """Chroma of a codec bleeds: a red box with an orange rim is one object."""
    video = ground(2)
    for t in range(2):
        box(video, t, 10, 10, 20, "red")
        box(video, t, 10, 30, 2, "orange", tall=20)
    assert [one.colour for one in j.find_tracks(video)] == ["red"]
    for t in range(2):
        box(video, t, 10, 44, 12, "orange")
    assert [one.colour for one in j.find_tracks(video)] == ["red", "orange"]


def test_single_pixels_of_colour_are_noise() -> None:
    video = ground(1)
    video[0, ::2, ::2] = COLOURS["red"]
    assert j.find_tracks(video) == []


def test_a_second_patch_of_the_same_colour_far_away_is_not_the_object() -> None:
    """A spot of decoding would pull the centre, and a still object would move."""
    video = ground(2, 64, 96)
    for t in range(2):
        box(video, t, 20, 10, 14, "red")
        box(video, t, 50, 84, 4 + 2 * t, "red")
    (red,) = j.find_tracks(video)
    np.testing.assert_allclose(red.x, [17, 17], atol=0.05)
    np.testing.assert_allclose(red.y, [27, 27], atol=0.05)


def test_the_edge_of_an_object_in_another_colour_is_no_object() -> None:
    """Under four tenths of its pixels, and seven tenths of it within two pixels of it."""

    def masks(width: int, gap: int, height: int = 20) -> tuple[Track, Track]:
        large, small = np.zeros((1, 40, 60), bool), np.zeros((1, 40, 60), bool)
        large[0, 10:30, 10:30] = True
        small[0, 10 : 10 + height, 30 + gap : 30 + gap + width] = True
        return track(small), track(large)

    for width, gap, fringe in ((2, 0, True), (2, 1, False), (3, 0, False), (1, 1, True), (1, 2, False)):  # fmt: skip
        assert j.is_fringe(*masks(width, gap)) is fringe, (width, gap)
    assert not j.is_fringe(*reversed(masks(2, 0))), "the large one is not the small one's"
    wide = np.zeros((1, 40, 60), bool)
    wide[0, 10:30, 28:36] = True  # 160 of 400 pixels, most of them near: too many for a fringe
    assert not j.is_fringe(track(wide), masks(1, 0)[1])


def test_the_crispest_outline_has_most_energy() -> None:
    alpha = np.float32([[0, 1, 0.5], [0, 1, 0.5]])
    assert j.edge_energy(alpha) == pytest.approx(2 * (1 + 0.25))
    assert j.edge_energy(alpha.T) == pytest.approx(2 * (1 + 0.25))
    assert j.edge_energy(np.float32([[0, 2], [1, 5]])) == pytest.approx(4 + 16 + 1 + 9)


def test_frames_that_show_an_object_whole() -> None:
    """Not cut by the frame's edge, not under another object, not half out of sight; else those that show most."""
    mask = np.zeros((5, 40, 40), bool)
    mask[0, 10:20, 10:20] = True
    mask[1, 0:10, 10:20] = True  # at the edge
    mask[2, 10:20, 10:20] = True  # beside another
    mask[3, 10:20, 10:15] = True  # half of it
    mask[4, 10:20, 20:30] = True
    near = np.zeros(mask.shape, bool)
    near[2, 10:20, 21:25] = True
    whole = j.whole_frames(track(mask), [track(near)])
    assert whole.tolist() == [0, 4]
    assert j.whole_frames(track(mask), []).tolist() == [0, 2, 4]
    near[4, 10:11, 31:33] = True  # it grazes one pixel of a hundred
    assert j.whole_frames(track(mask), [track(near)]).tolist() == [0, 4]
    near[4, 10:14, 31:33] = True
    assert j.whole_frames(track(mask), [track(near)]).tolist() == [0]
    cut = np.zeros((9, 40, 40), bool)
    for t in range(1, 9):
        cut[t, :10, 5 : 5 + 2 * t] = True
        cut[t, 0, 5 : 5 + 2 * t - (t == 3)] = True
    cut[3, 0, 5:9] = False  # least of it at the edge
    assert j.whole_frames(track(cut), [])[0] == 3 and len(j.whole_frames(track(cut), [])) == 2
    alone = cut[1:2]
    assert j.whole_frames(track(alone), []).tolist() == [0]


def test_a_shape_is_read_from_the_sharpest_sixth() -> None:
    """What moves is smeared: eighteen frames of a square, fifteen of which look like a blurred disc."""
    alpha = np.zeros((18, 40, 40), np.float32)
    ys, xs = np.mgrid[:40, :40] - 19.5
    alpha[:] = np.clip((9 - np.hypot(ys, xs)) / 4 + 0.5, 0, 1)
    alpha[[2, 9, 17]] = 0
    alpha[[2, 9, 17], 13:27, 13:27] = 1
    area = alpha.sum(axis=(1, 2))
    given = {"x": np.full(18, 20.0), "y": np.full(18, 20.0), "alpha": alpha}
    assert j.read_shape(track(alpha > 0.5, list(area), **given), []) == "square"


def test_a_path_is_smoothed_by_the_median_of_three() -> None:
    path = np.array([5.0, 1, 9, 2, 8, 3])
    assert j.smooth(path).tolist() == [5, 5, 2, 8, 3, 3]
    assert j.smooth(path[:4]).tolist() == [5, 1, 9, 2], "too few to tell what is misread"
    assert j.smooth(path[:5]).tolist() == [5, 5, 2, 8, 8]


def line(start: float, end: float, n: int = 9) -> np.ndarray:
    return np.linspace(start, end, n)


BACK = np.concatenate([line(0.2, 0.6, 6), line(0.6, 0.3, 6)])
STILL = np.full(9, 0.5)


@pytest.mark.parametrize(
    ("x", "y", "seconds", "motion"),
    [
        (STILL, STILL, 2, "still"),
        (line(0.2, 0.5), STILL, 2, "right"),
        (line(0.5, 0.2), STILL, 2, "left"),
        (STILL, line(0.2, 0.5), 2, "down"),
        (STILL, line(0.5, 0.2), 2, "up"),
        (line(0.2, 0.5), line(0.2, 0.4), 2, "right"),
        (line(0.2, 0.4), line(0.2, 0.5), 2, "down"),
        (line(0.2, 0.5), line(0.2, 0.5), 2, "right"),
        (BACK, np.full(12, 0.5), 2, "bounce_h"),
        (np.full(12, 0.5), BACK, 2, "bounce_v"),
        # the least way: a slow object's half, 0.05 a second, from 0.03 on and no more than 0.11
        (line(0.2, 0.305), STILL, 2, "right"),
        (line(0.2, 0.295), STILL, 2, "still"),
        (line(0.2, 0.235), STILL, 0.1, "right"),
        (line(0.2, 0.225), STILL, 0.1, "still"),
        (STILL, line(0.2, 0.315), 60, "down"),
        (STILL, line(0.2, 0.305), 60, "still"),
        # where it ends, not where it was just before
        (np.array([0.5, 0.52, 0.52, 0.52, 0.52, 0.48]), np.full(6, 0.5), 0.1, "left"),
    ],
)
def test_what_a_path_is(x: np.ndarray, y: np.ndarray, seconds: float, motion: str) -> None:
    assert j.path_motion(x, y, seconds) == motion


def test_motion_is_read_in_shares_of_the_frame_where_the_object_shows() -> None:
    """A wide picture: eight pixels to the right are less of it than six down; half an object's centre is elsewhere."""
    mask = np.zeros((6, 50, 100), bool)
    x, y = np.linspace(20, 28, 6), np.linspace(20, 26, 6)
    area = [100.0] * 6
    assert j.read_motion(track(mask, area, x=x, y=y), 5) == "down"
    assert j.read_motion(track(mask, area, x=x, y=y), 0.1) == "down"
    assert j.read_motion(track(mask, area, x=x, y=np.full(6, 20.0)), 5) == "right"
    assert j.read_motion(track(mask, area, x=x, y=np.full(6, 20.0)), 1) == "still", "in five seconds"  # fmt: skip
    x6 = np.linspace(20, 26, 6)  # six frames at five a second are one second: 0.05 is the least
    assert j.read_motion(track(mask, area, x=x6, y=np.full(6, 20.0)), 5) == "right"
    far, low = np.linspace(20, 40, 6), np.linspace(20, 24, 6)
    assert j.read_motion(track(mask, area, x=far, y=low), 5) == "right"
    away, part = (
        np.float64([20, 20, 20, 90, 90, 20, 20, 20]),
        [100.0] * 3 + [59.0] * 2 + [100.0] * 3,
    )
    eight = np.zeros((8, 50, 100), bool)
    assert j.read_motion(track(eight, part, x=away, y=np.full(8, 20.0)), 5) == "still"
    half = [100.0, 100, 100, 59, 0, 61]
    x = np.array([20, 20, 20, 90, np.nan, 20.0])
    assert j.read_motion(track(mask, half, x=x, y=np.full(6, 20.0)), 5) == "still"
    x[5], half[5] = 90, 61.0
    assert j.read_motion(track(mask, half, x=x, y=np.full(6, 20.0)), 5) == "right"
    once = [0.0, 0, 100, 0, 0, 0]
    assert j.read_motion(track(mask, once, x=x, y=x), 5) == "still"


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ([0.5, 0.4, 0.3], 0),
        ([0.5, 0.57, 0.5], 1),
        ([0.5, 0.56, 0.5], 0),
        ([0.5, 0.45, 0.53], 0),
        ([0.5, 0.43, 0.5], 1),
        ([0.5, 0.7, 0.64, 0.7], 0),
        ([0.5, 0.7, 0.5, 0.7, 0.5], 3),
        ([0.5, 0.3, 0.5, 0.3], 2),
        ([0.5, 0.55, 0.45, 0.53], 1),
        ([0.9, 0.5, 0.6, 0.7], 1),
        ([0.5], 0),
    ],
)
def test_turns_on_both_sides_of_the_least(path: list[float], count: int) -> None:
    assert j.turns(np.array(path), 0.07 - 1e-9) == count


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_grounds_are_told_apart_under_light_from_a_side(name: str) -> None:
    video = ground(2, 40, 60, BACKGROUNDS[name])
    covered = np.zeros(video.shape[:3], bool)
    assert j.read_background(video, covered) == name
    ramp = np.linspace(0.92, 1.08, 60, dtype=np.float32) / 1.08
    assert j.read_background(video * ramp[None, None, :, None], covered) == name
    video[:, 10:30, 10:30] = COLOURS["red"]
    covered[:, 11:29, 11:29] = True
    assert j.read_background(video, covered) == name


def test_a_ground_that_hardly_shows_is_not_named() -> None:
    video = ground(1, 40, 100)
    covered = np.ones(video.shape[:3], bool)
    covered[:, :, :8] = False  # 6 columns after it has grown by two
    assert j.read_background(video, covered) == "grey"
    covered[:, :, 6:] = True  # 4 of a hundred
    assert j.read_background(video, covered) is None


def test_the_whole_picture_is_read() -> None:
    video = ground(9, 64, 64)
    for t in range(9):
        box(video, t, 8, 8 + 3 * t, 14, "red")
        box(video, t, 40, 40, 12, "blue")
    seen = j.judge(video.astype(np.uint8), 8)
    assert seen.objects == (("red", "square", "right"), ("blue", "square", "still"))
    assert (seen.camera, seen.background) == ("static", "grey")
    one = j.judge(video[:1].astype(np.uint8), 8)
    assert one.objects == (("red", "square", None), ("blue", "square", None))
    assert (one.camera, one.background) == (None, "grey")
    with pytest.raises(ValueError, match=r"non-empty RGB array .* got shape \(9, 64, 64\)"):
        j.judge(video[..., 0].astype(np.uint8), 8)


TRUE = (("red", "circle", "left"), ("blue", "ring", "still"))


@pytest.mark.parametrize(
    ("objects", "camera", "wrong"),
    [
        (TRUE, "static", set()),
        (TRUE[::-1], "static", set()),
        (TRUE, "pan_left", {"camera"}),
        (TRUE, None, {"camera"}),
        (TRUE[:1], "static", {"colour", "shape", "motion"}),
        ((*TRUE, ("green", "ring", "still")), "static", {"colour", "shape", "motion"}),
        ((*TRUE, TRUE[1]), "static", {"colour", "shape", "motion"}),
        ((("red", "ring", "left"), ("blue", "circle", "still")), "static", {"shape"}),
        ((("red", "circle", "still"), ("blue", "ring", "left")), "static", {"motion"}),
        ((("red", "circle", "left"), ("blue", "ring", "up")), "static", {"motion"}),
    ],
)
def test_a_reading_is_held_to_the_truth_word_by_word(
    objects: tuple[tuple[str, str, str], ...], camera: str | None, wrong: set[str]
) -> None:
    score = j.score_against(
        Attributes(objects=TRUE, camera="static"), Attributes(objects=objects, camera=camera)
    )
    assert {name for name, right in score.items() if not right} == wrong
    assert list(score) == ["colour", "shape", "motion", "camera"]


def test_a_truth_that_is_silent_is_met_by_anything() -> None:
    silent = Attributes(objects=(("red", "circle", None),), camera=None)
    seen = Attributes(objects=(("red", "circle", "up"),), camera="zoom_in")
    assert all(j.score_against(silent, seen).values())
