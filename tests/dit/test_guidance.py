"""Guidance against its formulas, worked out by hand for each clip of a pack."""

import pytest
import torch

from dit.guidance import (
    apg,
    cfg,
    cfg_zero_star,
    on_data,
    projection,
    rescaled,
    skip_layer,
    within,
)

CLIP = torch.tensor([0, 0, 1])
C = torch.tensor([[3.0, 1.0], [0.0, 2.0], [4.0, 0.0]])
U = torch.tensor([[1.0, 0.0], [1.0, 2.0], [2.0, 2.0]])
"""Conditional and unconditional velocity of a clip of two tokens and one of one."""


def test_plain_guidance_goes_on_from_the_unconditional_through_the_conditional():
    assert cfg(C, U, 3.0).tolist() == [[7.0, 3.0], [-2.0, 2.0], [8.0, -4.0]]


def test_the_projection_is_that_of_the_whole_clip_and_of_no_other():
    """First clip: c.u = 3 + 0 + 0 + 4 = 7 and u.u = 1 + 1 + 4 = 6; second: c.u = 8 and u.u = 8."""
    factor = projection(C, U, CLIP, 2)
    assert factor.shape == (3, 1)
    torch.testing.assert_close(factor[:, 0], torch.tensor([7 / 6, 7 / 6, 1.0]))
    assert projection(C, torch.zeros(3, 2), CLIP, 2).tolist() == [[0.0]] * 3, (
        "of nothing: 0, no NaN"
    )


def test_a_small_unconditional_velocity_is_projected_on_all_the_same():
    """Late in sampling velocities are small; a floor under their norm must not reach them."""
    factor = projection(0.002 * C, 0.001 * U, CLIP, 2)
    torch.testing.assert_close(factor[:, 0], torch.tensor([7 / 3, 7 / 3, 2.0]))


def test_cfg_zero_star_rescales_the_unconditional_first():
    scaled = torch.tensor([[7 / 6], [7 / 6], [1.0]]) * U
    torch.testing.assert_close(cfg_zero_star(C, U, 3.0, CLIP, 2), scaled + 3 * (C - scaled))


def test_apg_leaves_out_what_is_along_the_conditional_velocity():
    """First clip: d.c = 2*3 + 1*1 + 0 + 0 = 7 and c.c = 14; second: d.c = 8 and c.c = 16; so half of each c goes."""
    across = (C - U) - 0.5 * C
    torch.testing.assert_close(apg(C, U, 3.0, CLIP, 2), C + 2 * across)
    torch.testing.assert_close(apg(C, U, 3.0, CLIP, 2, parallel=0.25), C + 2 * (across + 0.125 * C))


def test_guidance_identities():
    torch.manual_seed(0)
    c, u = torch.randn(12, 5), torch.randn(12, 5)
    clip = torch.arange(3).repeat_interleave(4)
    assert torch.equal(cfg(c, u, 0.0), u)
    torch.testing.assert_close(cfg(c, u, 1.0), c)
    torch.testing.assert_close(apg(c, u, 1.0, clip, 3), c)
    torch.testing.assert_close(apg(c, u, 3.0, clip, 3, parallel=1.0), cfg(c, u, 3.0))
    torch.testing.assert_close(cfg_zero_star(c, u, 1.0, clip, 3), c)
    factor = projection(c, u, clip, 3)
    for i in range(3):
        rows = clip == i
        best = torch.linalg.lstsq(u[rows].reshape(-1, 1), c[rows].reshape(-1, 1)).solution
        torch.testing.assert_close(factor[rows][0, 0], best[0, 0])
    assert torch.allclose(
        (apg(c, u, 3.0, clip, 3) - c).mul(c)[clip == 0].sum(), torch.tensor(0.0), atol=1e-5
    )


@pytest.mark.parametrize("rule", [cfg_zero_star, apg])
def test_a_clip_is_guided_alike_whatever_else_is_in_the_pack(rule):
    whole = rule(C, U, 3.0, CLIP, 2)
    torch.testing.assert_close(whole[2:], rule(C[2:], U[2:], 3.0, CLIP[2:] - 1, 1))


def test_the_direction_of_apg_is_no_longer_than_its_limit():
    """First clip: |d| = sqrt(4 + 1 + 1) = 2.449; second: sqrt(4 + 4) = 2.828. A limit of 1 divides each by its norm."""
    plain = apg(C, U, 3.0, CLIP, 2, parallel=1.0, norm_limit=1.0) - C
    expected = 2 * (C - U) / torch.tensor([[6.0], [6.0], [8.0]]).sqrt()
    torch.testing.assert_close(plain, expected)
    torch.testing.assert_close(
        apg(C, U, 3.0, CLIP, 2, parallel=1.0, norm_limit=9.0), cfg(C, U, 3.0)
    )


def test_a_linear_rule_says_the_same_of_data_and_of_velocities():
    x, levels = torch.randn(3, 2), torch.tensor([0.5, 0.0, 0.9])
    plain = on_data(lambda c, u, s, *_: cfg(c, u, s), C, U, 3.0, CLIP, 2, x, levels)
    expected = cfg(C, U, 3.0)
    expected[1] = C[1]  # a given token, at level 0, has nothing to be guided
    torch.testing.assert_close(plain, expected, atol=1e-5, rtol=1e-5)
    late = torch.tensor([0.02, 0.01, 0.05])  # the last steps, where the data are all but there
    plain = on_data(lambda c, u, s, *_: cfg(c, u, s), C, U, 3.0, CLIP, 2, x, late)
    torch.testing.assert_close(plain, cfg(C, U, 3.0), atol=1e-3, rtol=1e-3)


def test_rescaling_brings_the_deviation_of_each_clip_back():
    guided = cfg(C, U, 5.0)
    whole = rescaled(guided, C, 1.0, CLIP, 2)
    for rows in (slice(0, 2), slice(2, 3)):
        assert float(whole[rows].std(correction=0)) == pytest.approx(
            float(C[rows].std(correction=0)), rel=1e-5
        )
    assert torch.equal(rescaled(guided, C, 0.0, CLIP, 2), guided)
    torch.testing.assert_close(rescaled(guided, C, 0.5, CLIP, 2), (whole + guided) / 2)


def test_skip_layer_guidance_goes_away_from_the_weak_model():
    assert torch.equal(skip_layer(C, C, U, 0.0), C)
    torch.testing.assert_close(skip_layer(C, C, U, 2.0), C + 2 * (C - U))


def test_guidance_is_on_inside_its_interval_alone():
    velocity = within((0.25, 0.75), lambda x, t: x + 1, lambda x, t: x)
    x = torch.zeros(1)
    assert [float(velocity(x, t)) for t in (0.9, 0.75, 0.5, 0.25, 0.2)] == [0, 1, 1, 1, 0]
