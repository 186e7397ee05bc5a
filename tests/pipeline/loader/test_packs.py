"""Token packs: every clip once, never over budget, little waste."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.loader.order import epoch_order
from pipeline.loader.packs import (
    Balance,
    alike,
    emptiest,
    exchange,
    first_fit_decreasing,
    packing_waste,
    plan_packs,
    round_packs,
    step_imbalance,
)


def check_partition(lengths: list[int], packs: list[list[int]], budget: int) -> None:
    """Every clip is in one pack, no pack is empty, none over the budget."""
    assert sorted(i for pack in packs for i in pack) == list(range(len(lengths)))
    assert all(0 < sum(lengths[i] for i in pack) <= budget for pack in packs)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=120),
    window=st.integers(1, 40),
    seed=st.integers(0, 5),
)
def test_partition_within_budget(lengths, window, seed):
    order = epoch_order(len(lengths), "x", seed, 0).tolist()
    packs = plan_packs(lengths, order, 50, window)
    check_partition(lengths, packs, 50)
    assert packs == plan_packs(lengths, order, 50, window)


def mixed_lengths(n: int, seed: int = 0) -> list[int]:
    """Tokens (8x8 VAE, patch 2, 4 frames per latent) of images and videos of many sizes and lengths."""
    rng = np.random.default_rng(seed)
    lengths = []
    for _ in range(n):
        height, width = rng.choice([128, 192, 256, 320, 448], 2)
        frames = 1 if rng.random() < 0.3 else 1 + 4 * rng.integers(1, 13)
        lengths.append(int((1 + (frames - 1) // 4) * (height // 16) * (width // 16)))
    return lengths


@pytest.mark.parametrize("seed", range(5))
def test_waste_is_at_most_two_percent_at_window_256(seed):
    lengths = mixed_lengths(4000, seed)
    budget = 16_384
    assert max(lengths) <= budget
    packs = plan_packs(lengths, epoch_order(4000, "x", seed, 0).tolist(), budget, 256)
    assert packing_waste(lengths, packs, budget) <= 0.02


def test_large_clips_do_not_all_come_first():
    lengths = mixed_lengths(4000)
    packs = plan_packs(lengths, epoch_order(4000, "x", 0, 0).tolist(), 16_384, 256)
    per_pack = np.array([len(pack) for pack in packs])
    halves = np.array_split(per_pack, 2)
    assert halves[0].mean() == pytest.approx(halves[1].mean(), rel=0.15)
    early = np.concatenate([per_pack[i : i + 5] for i in range(0, len(per_pack), 50)])
    assert early.mean() == pytest.approx(per_pack.mean(), rel=0.5)


def test_the_emptiest_pack_is_held_back_and_steps_begun_are_filled_first():
    lengths = [6, 5, 4, 3, 9, 2]
    assert emptiest(lengths, [[0, 2], [1], [3, 5], [4]]) == 1, "of several the first"
    balance = Balance(linear_tokens=0, packs_per_step=2)
    bins = [[0], [3], [4], [5], [1]]
    # one pack of the round before waits for another: the first one fills its step, whatever it costs
    found = alike(lengths, [list(each) for each in bins], balance, ahead=1)
    assert found == [[0], [3], [5], [4], [1]]
    assert alike(lengths, [list(each) for each in bins], balance)[-1] == [5], "what is left over"
    three = Balance(linear_tokens=0, packs_per_step=3)
    for before, ahead in ((0, 0), (1, 2), (2, 1), (3, 0)):
        packs, held = round_packs([5, 6, 7, 8, 9], 9, three, before=before, last=True)
        first = [[place] for place in range(ahead)]  # they fill the step that is under way
        assert not held and packs[:ahead] == first
        assert packs[ahead : ahead + 3] == [[4], [3], [2]], "then those of a step cost alike"


def test_first_fit_decreasing_by_hand():
    lengths = [4, 8, 1, 4, 2, 1]
    assert first_fit_decreasing(lengths, range(6), 10) == [[1, 4], [0, 3, 2, 5]]


def test_clip_over_budget_is_named():
    with pytest.raises(ValueError, match="clip 1 has 99 tokens, the pack budget is 64"):
        plan_packs([10, 99], [0, 1], 64)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=120),
    window=st.integers(1, 40),
    size=st.integers(1, 5),
    linear=st.integers(0, 100),
)
def test_balanced_packs_are_a_partition_within_the_budget_too(lengths, window, size, linear):
    balance = Balance(linear_tokens=linear, packs_per_step=size)
    order = epoch_order(len(lengths), "x", 0, 0).tolist()
    packs = plan_packs(lengths, order, 50, window, balance)
    check_partition(lengths, packs, 50)
    assert packs == plan_packs(lengths, order, 50, window, balance)


@pytest.mark.parametrize("seed", range(3))
def test_balance_halves_the_waiting_of_a_step_and_wastes_no_more(seed):
    lengths = mixed_lengths(4000, seed)
    order = epoch_order(4000, "x", seed, 0).tolist()
    balance = Balance(linear_tokens=7 * 768, packs_per_step=8)
    plain = plan_packs(lengths, order, 16_384, 256)
    even = plan_packs(lengths, order, 16_384, 256, balance)
    before, after = (step_imbalance(lengths, packs, balance) for packs in (plain, even))
    assert after < 0.5 * before, (before, after)
    assert packing_waste(lengths, even, 16_384) <= 0.02


def test_what_costs_alike_in_tokens_need_not_cost_alike():
    """One long clip beside eight short ones of as many tokens; linear terms alone see no difference."""
    balance = Balance(linear_tokens=0)
    assert balance.costs(np.array([8])) == 64 and balance.costs(np.ones(8)).sum() == 8
    packs = plan_packs([8, 8, *[1] * 16], range(18), 16, 32, balance)
    assert sorted(sorted([8, 8, *[1] * 16][i] for i in pack) for pack in packs) == [
        [*[1] * 8, 8],
        [*[1] * 8, 8],
    ]
    assert plan_packs([8, 8, *[1] * 16], range(18), 16, 32)[0] != packs[0]


def costs_of(lengths: list[int], bins: list[list[int]], balance: Balance) -> list[int]:
    return [
        sum(lengths[i] * (lengths[i] + balance.linear_tokens) for i in members) for members in bins
    ]


def cheapest_exchange(
    lengths: list[int], bins: list[list[int]], budget: int, balance: Balance
) -> int:
    """The least that the larger of two costs can come to by one exchange, clip by clip: the oracle."""
    cost = costs_of(lengths, bins, balance)
    high, low = cost.index(max(cost)), cost.index(min(cost))
    fill = [sum(lengths[i] for i in members) for members in bins]
    found = [cost[high]]
    for mine in bins[high]:
        for its in [*bins[low], None]:
            if its is None and len(bins[high]) == 1:
                continue  # a pack is not emptied
            back = 0 if its is None else lengths[its]
            more = lengths[mine] - back
            gain = lengths[mine] * (lengths[mine] + balance.linear_tokens)
            gain -= back * (back + balance.linear_tokens)
            if more <= budget - fill[low] and -more <= budget - fill[high]:
                found.append(max(cost[high] - gain, cost[low] + gain))
    return min(found)


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=3, max_size=14),
    count=st.integers(2, 4),
    spare=st.integers(0, 12),
    linear=st.integers(0, 20),
    draw=st.randoms(use_true_random=False),
)
def test_clips_change_places_until_no_exchange_makes_the_costliest_pack_cheaper(
    lengths, count, spare, linear, draw
):
    balance = Balance(linear_tokens=linear)
    bins: list[list[int]] = [[] for _ in range(min(count, len(lengths)))]
    for index in range(len(lengths)):
        bins[index if index < len(bins) else draw.randrange(len(bins))].append(index)
    before = costs_of(lengths, bins, balance)
    budget = max(sum(lengths[i] for i in members) for members in bins) + spare
    least = cheapest_exchange(lengths, bins, budget, balance)
    exchange(lengths, bins, budget, balance)
    check_partition(lengths, bins, budget)
    after = costs_of(lengths, bins, balance)
    assert max(after) <= max(before)
    if least < max(before) and before.count(max(before)) == 1:
        assert max(after) < max(before)
    if len(bins) == 2 and len(lengths) < 6:  # few enough to come to an end
        assert cheapest_exchange(lengths, bins, budget, balance) == max(after)


def test_an_exchange_by_hand():
    bins = [[0, 1, 2], [3]]
    exchange([4, 3, 2, 1], bins, 10, Balance(linear_tokens=0))
    assert [sorted(members) for members in bins] == [[1, 2, 3], [0]], "29 and 1 become 14 and 16"
    tight = [[0, 1, 2], [3]]
    exchange([4, 3, 2, 1], tight, 9, Balance(linear_tokens=0))
    assert [sorted(members) for members in tight] == [[1, 2, 3], [0]], "no pack is over its budget"
    alone = [[0], [1]]
    exchange([9, 1], alone, 20, Balance(linear_tokens=0))
    assert alone == [[0], [1]], "no pack is emptied"


def test_waste_and_waiting_are_shares():
    balance = Balance(linear_tokens=0, packs_per_step=2)
    assert step_imbalance([2, 1], [[0], [1]], balance) == 1 - 5 / 8
    assert packing_waste([3, 4], [[0], [1]], 5) == pytest.approx(0.3)
