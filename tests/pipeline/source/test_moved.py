"""Moved cuts as arithmetic: who keeps a frame that two clips want, which clip a move means, and what is left over."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline import schema as s
from pipeline.source.clips import Dropped, Plan
from pipeline.source.moved import BY_HAND, Move, apart, gaps, move_cuts, nearest
from pipeline.video.cut import Span

SOURCE = "f" * 16
FRAMES = 40


def span(first: int, stop: int, shot: int = 0) -> Span:
    """Frames [first, stop) of a film of ten ticks a frame."""
    return Span(
        start_pts=10 * first,
        end_pts=10 * stop,
        transition_in="cut",
        transition_out="cut",
        shot=shot,
    )


def name(one: Span) -> str:
    return s.clip_id(SOURCE, one.start_pts, one.end_pts)


def plan_of(*spans: Span, dropped: tuple[Dropped, ...] = ()) -> Plan:
    probe: Any = SimpleNamespace(time_base=Fraction(1, 100))
    return Plan(probe=probe, duration_s=4.0, n_frames=FRAMES, spans=tuple(spans), dropped=dropped)


def moved(plan: Plan, *moves: Move, least: float = 0.0) -> Plan:
    analysis: Any = SimpleNamespace(
        pts=np.arange(FRAMES) * 10, end_pts=10 * FRAMES, probe=plan.probe
    )
    return move_cuts(plan, analysis, source=SOURCE, moves=moves, min_clip_s=least)


def frames(plan: Plan) -> list[tuple[int, int]]:
    return [(one.start_pts // 10, one.end_pts // 10) for one in plan.spans]


def test_ends_move_by_frames_as_far_as_the_file_goes() -> None:
    plan = plan_of(span(0, 10), span(30, 40))
    first, last = (name(one) for one in plan.spans)
    found = moved(plan, Move(clip_id=first, start=2, end=-1))
    assert frames(found) == [(2, 9), (30, 40)]
    assert (found.spans[0].transition_in, found.spans[0].transition_out) == (BY_HAND, BY_HAND)
    far = moved(plan, Move(clip_id=first, start=-5, end=3), Move(clip_id=last, start=0, end=99))
    assert frames(far) == [(0, 13), (30, 40)], "the last frame of the film is its last"
    assert far.spans[0].transition_in == "cut", "an end that did not move is as it was"
    for start, end in ((10, 0), (0, -10), (99, 0), (0, 0)):
        assert moved(plan, Move(clip_id=first, start=start, end=end)) is plan
    one = moved(plan, Move(clip_id=first, start=9))
    assert frames(one)[0] == (9, 10), "one frame is a clip"


def test_the_longer_part_of_a_neighbour_is_left_and_a_short_one_goes() -> None:
    plan = plan_of(span(0, 10), span(10, 30), span(30, 34))
    last = plan.spans[2]
    grown = Move(clip_id=name(plan.spans[0]), end=7)
    assert frames(moved(plan, grown)) == [(0, 17), (17, 30), (30, 34)]
    grown = Move(clip_id=name(last), start=-18)
    assert frames(moved(plan, grown, least=0.3)) == [(0, 10), (12, 34)], "two frames are no clip"
    assert frames(moved(plan, grown, least=0.0)) == [(0, 10), (10, 12), (12, 34)]
    inside = plan_of(span(0, 30), span(30, 40))
    cut = Move(
        clip_id=name(inside.spans[1]), start=-20, end=-12
    )  # lands in the middle of the first
    assert frames(moved(inside, cut)) == [(0, 10), (10, 28)]


def test_a_short_clip_that_nobody_moved_stays() -> None:
    plan = plan_of(span(0, 10), span(10, 12), span(20, 30))
    found = moved(plan, Move(clip_id=name(plan.spans[2]), start=1), least=0.5)
    assert frames(found) == [(0, 10), (10, 12), (21, 30)]


def test_a_neighbour_that_is_only_touched_is_as_it_was() -> None:
    plan = plan_of(span(0, 10), span(10, 30), span(30, 40))
    for number, move in ((0, {"start": 2}), (2, {"end": -2})):
        found = moved(plan, Move(clip_id=name(plan.spans[number]), **move))
        assert found.spans[1] == plan.spans[1], "its cuts are still the film's"


def test_moves_of_a_clip_and_of_what_it_became_follow_each_other() -> None:
    plan = plan_of(span(0, 10), span(10, 20))
    first = Move(clip_id=name(plan.spans[0]), end=-2)
    then = Move(clip_id=name(span(0, 8)), start=3)
    for order in ((first, then), (then, first)):
        assert frames(moved(plan, *order)) == [(3, 8), (10, 20)]


def test_a_clip_of_another_id_is_found_by_its_time_where_nearly_all_of_it_is_shared() -> None:
    spans = [span(0, 10), span(10, 30), span(30, 40)]
    lost = Move(clip_id="gone", start_s=1.05, end_s=3.0, start=2)
    assert nearest(lost, spans, set(), 0.01) == 1
    assert nearest(lost, spans, {1}, 0.01) is None
    assert nearest(Move(clip_id="gone", start=2), spans, set(), 0.01) is None
    part = Move(clip_id="gone", start_s=1.3, end_s=3.0)  # 17 of 20 frames
    whole = Move(clip_id="gone", start_s=0.0, end_s=4.0)
    assert nearest(part, spans, set(), 0.01) is nearest(whole, spans, set(), 0.01) is None
    for end, found in ((2.81, 1), (2.79, None)):  # a little more, and less, than nine tenths
        assert nearest(Move(clip_id="gone", start_s=1.0, end_s=end), spans, set(), 0.01) == found
    assert frames(moved(plan_of(*spans), lost)) == [(0, 10), (12, 30), (30, 40)]


def test_what_no_clip_holds_is_told_with_its_reason() -> None:
    old = (Dropped(start_s=1.0, end_s=2.0, reason="short"),)
    plan = plan_of(span(0, 10), span(20, 30), dropped=old)
    found = moved(plan, Move(clip_id=name(plan.spans[0]), start=2, end=4))
    told = [(round(each.start_s, 3), round(each.end_s, 3), each.reason) for each in found.dropped]
    assert told == [(0.0, 0.2, BY_HAND), (1.4, 2.0, "short")]
    assert gaps(0.0, 4.0, [(1.0, 2.0), (3.0, 5.0)]) == [(0.0, 1.0), (2.0, 3.0)]
    assert gaps(1.0, 2.0, [(0.0, 1.0), (2.0, 3.0)]) == [(1.0, 2.0)]
    assert gaps(1.0, 2.0, [(0.5, 2.5)]) == []
    assert gaps(0.0, 4.0, [(1.0, 3.0), (1.5, 2.0)]) == [(0.0, 1.0), (3.0, 4.0)]


@given(
    edges=st.sets(st.integers(0, FRAMES), min_size=2, max_size=8),
    moves=st.lists(
        st.tuples(st.integers(0, 6), st.integers(-9, 9), st.integers(-9, 9)), max_size=4
    ),
    least=st.sampled_from([0.0, 0.25]),
)
def test_no_frame_is_in_two_clips_and_none_is_lost_unsaid(
    edges: set[int], moves: list[tuple[int, int, int]], least: float
) -> None:
    marks = sorted(edges)
    plan = plan_of(*(span(a, b, n) for n, (a, b) in enumerate(zip(marks, marks[1:], strict=False))))
    wanted = {
        name(plan.spans[at % len(plan.spans)]): Move(
            clip_id=name(plan.spans[at % len(plan.spans)]), start=start, end=end
        )
        for at, start, end in moves
    }
    found = moved(plan, *wanted.values(), least=least)
    held = [n for a, b in frames(found) for n in range(a, b)]
    assert held == sorted(set(held))
    assert all(a < b for a, b in frames(found))
    before = {n for a, b in frames(plan) for n in range(a, b)}
    told = {
        n for each in found.dropped for n in range(round(each.start_s * 10), round(each.end_s * 10))
    }
    assert before - set(held) == told, (
        "what is in no clip any more is in the list of what was dropped"
    )
    assert apart(found.spans, set(), 0) == list(found.spans)
