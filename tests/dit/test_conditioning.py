"""Which frames are given, and what being given means for a token: level 0, its clean value, wherever it lies."""

import pytest
import torch

from dit.conditioning import (
    MODES,
    Condition,
    draw_around,
    draw_given,
    given_frames,
    hold,
    spread_masks,
    token_times,
)
from dit.packing import make_layout


def test_conditioning_masks():
    assert given_frames(5, "first").tolist() == [True, False, False, False, False]
    assert given_frames(5, "prefix", 3).tolist() == [True, True, True, False, False]
    assert given_frames(5, "suffix", 9).tolist() == [False, True, True, True, True]
    assert given_frames(5, "ends").tolist() == [True, False, False, False, True]
    assert not given_frames(1, "first").any()
    g = torch.Generator().manual_seed(0)
    drawn = [draw_given(5, 0.4, g) for _ in range(2000)]
    share = sum(bool(mask.any()) for mask in drawn) / 2000
    assert share == pytest.approx(0.4, abs=0.04)
    assert not any(bool(mask.all()) for mask in drawn)
    layout = make_layout([(2, 4, 4), (1, 2, 4)], [None, None], patch=(1, 2, 2), text_dim=16)
    mask = spread_masks([given_frames(2, "first"), given_frames(1, None)], layout, (1, 2, 2))
    assert mask.tolist() == [True] * 4 + [False] * 6
    t = token_times(torch.tensor([0.5, 0.25]), layout, mask)
    assert t.tolist() == [0.0] * 4 + [0.5] * 4 + [0.25] * 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [2, 3, 5, 9])
@pytest.mark.parametrize("count", [-1, 0, 1, 2, 4, 100])
def test_some_frame_is_given_and_some_is_left(mode, frames, count):
    given = given_frames(frames, mode, count).tolist()
    assert 0 < sum(given) < frames
    many = max(1, min(count, frames - 1))
    expected = {
        "first": {0},
        "prefix": set(range(many)),
        "suffix": set(range(frames - many, frames)),
        "ends": {0, frames - 1} if frames > 2 else {0},
    }
    assert {i for i, one in enumerate(given) if one} == expected[mode]


def test_an_image_and_no_mode_have_nothing_given_and_a_wrong_mode_is_named():
    assert given_frames(1, "ends").tolist() == [False]
    assert given_frames(3, None).tolist() == [False] * 3
    with pytest.raises(
        ValueError, match="'last' is unknown; use one of first, prefix, suffix, ends"
    ):
        given_frames(3, "last")


def test_every_mode_is_drawn_as_often_as_it_says():
    """Half of the time the first frame; the rest in equal parts, each number of given frames among them."""
    g = torch.Generator().manual_seed(1)
    drawn = [tuple(draw_given(5, 1.0, g).tolist()) for _ in range(6000)]
    assert all(any(mask) and not all(mask) for mask in drawn)
    share = {mask: drawn.count(mask) / len(drawn) for mask in set(drawn)}
    first, ends = share[True, False, False, False, False], share[True, False, False, False, True]
    assert ends == pytest.approx(1 / 6, abs=0.02)
    assert first == pytest.approx(1 / 2 + 1 / 6 / 4, abs=0.025)  # prefixes of one frame among them
    for count in (2, 3, 4):
        prefix = tuple(i < count for i in range(5))
        assert share[prefix] == pytest.approx(1 / 24, abs=0.012)
    for count in (1, 2, 3, 4):
        suffix = tuple(i >= 5 - count for i in range(5))
        assert share[suffix] == pytest.approx(1 / 24, abs=0.012)
    assert len(share) == 9
    assert not any(bool(draw_given(5, 0.0, g).any()) for _ in range(50))
    assert not bool(draw_given(1, 1.0, g).any())


def test_the_same_generator_draws_the_same_and_as_many_numbers_whatever_comes_out():
    """Else one clip's draw would change those of every clip after it."""
    after = []
    for share in (0.0, 1.0):
        g = torch.Generator().manual_seed(3)
        draw_given(7, share, g)
        after.append(float(torch.rand(1, generator=g)))
    assert after[0] == after[1]


def test_masks_follow_patches_of_several_frames_and_odd_sides():
    layout = make_layout([(4, 3, 5), (2, 2, 2)], [None, None], patch=(2, 2, 2), text_dim=8)
    masks = [torch.tensor([True, True, False, False]), torch.tensor([False, False])]
    token = spread_masks(masks, layout, (2, 2, 2))
    assert token.tolist() == [True] * 6 + [False] * 6 + [False]
    levels = token_times(torch.tensor([0.75, 0.5]), layout, token)
    assert levels.tolist() == [0.0] * 6 + [0.75] * 6 + [0.5]


def test_given_tokens_are_held_at_their_clean_values():
    x, clean = torch.randn(4, 3), torch.randn(4, 3)
    mask = torch.tensor([True, False, True, False])
    held = hold(x, clean, mask)
    assert torch.equal(held[mask], clean[mask]) and torch.equal(held[~mask], x[~mask])


def test_boxes_are_drawn_in_every_frame_as_whole_frames_and_both():
    g = torch.Generator().manual_seed(2)
    shape = (5, 4, 6)
    spatial = spans = both = 0
    for _ in range(600):
        made = ~draw_around(shape, g)
        t, h, w = (made.any(tuple({0, 1, 2} - {axis})) for axis in range(3))
        assert made.sum() == t.sum() * h.sum() * w.sum() > 0, "a box"
        for axis in (t, h, w):
            assert int(axis.int().diff().abs().sum()) <= 2, "whose sides are in one piece"
        spatial += bool(t.all() and not (h.all() and w.all()))
        spans += bool(h.all() and w.all() and not t.all())
        both += bool(not t.all() and not (h.all() and w.all()))
    assert min(spatial, spans, both) > 120
    assert draw_around((1, 1, 1), g).tolist() == [[[False]]]


def test_boxes_have_every_length_and_lie_at_every_place():
    """Where they never touch the far edge, or are never whole, the model is not trained to fill the end of a video."""
    g = torch.Generator().manual_seed(4)
    spans = []
    for _ in range(4000):
        made = (~draw_around((4, 3, 3), g)).nonzero()
        spans.append((made.min(0).values.tolist(), (1 + made.max(0).values).tolist()))
    for axis, side in ((0, 4), (1, 3), (2, 3)):
        inside = [(a[axis], b[axis]) for a, b in spans if b[0] - a[0] < 4 or axis]
        assert set(inside) >= {(a, b) for a in range(side) for b in range(a + 1, side + 1)} - {
            (0, 4)
        }
    rows = [b[1] - a[1] for a, b in spans]
    whole = 1 / 3 + 2 / 3 * 1 / 3  # whole frames, or one of three lengths
    assert rows.count(3) / len(rows) == pytest.approx(whole, abs=0.03)


@pytest.mark.parametrize("level", [-0.001, 1.001])
def test_levels_end_at_one(level):
    start = torch.full((1, 2, 2), 0.5)
    start[0, 0, 0] = level
    with pytest.raises(ValueError, match="they must lie in 0 to 1"):
        Condition(clean=torch.zeros(4, 1, 2, 2), start=start)


def test_a_token_is_given_where_all_of_its_cells_are():
    layout = make_layout([(1, 4, 4)], [None], patch=(1, 2, 2), text_dim=16)
    given = torch.ones(1, 4, 4, dtype=torch.bool)
    given[0, 0, 3] = given[0, 2, 0] = False
    assert spread_masks([given], layout, (1, 2, 2)).tolist() == [True, False, False, True]
