"""Replay: the same outcome from any order of files, undo, and clips that ingest cut anew."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobs.edits.journal import Action, Edit
from jobs.edits.replay import replay, settle


def edit(
    n: int, action: str, value: dict[str, Any], clip: str = "c", who: str = "ann", **more: Any
) -> Edit:
    when = f"2026-11-26T10:00:{n:09.6f}Z"
    return Edit(action=Action(action), who=who, when=when, clip_id=clip, value=value, **more)


def undo(n: int, target: Edit, who: str = "ann") -> Edit:
    return edit(n, "undo", {"of": target.id}, who=who)


def test_the_later_word_counts_and_a_null_takes_it_back() -> None:
    edits = [
        edit(1, "caption", {"kind": "dense", "text": "one"}),
        edit(2, "caption", {"kind": "dense", "text": " two "}),
        edit(3, "decision", {"decision": "keep"}),
        edit(4, "decision", {"decision": None}),
        edit(5, "tag", {"tag": "a"}),
        edit(6, "tag", {"tag": "b"}),
        edit(7, "untag", {"tag": "a"}),
        edit(8, "cut", {"start": -3, "end": 2}),
        edit(9, "verdict", {"kind": "dense", "right": False}),
    ]
    hand = replay(edits).clips["c"]
    assert hand.plain() == {
        "decision": None,
        "captions": {"dense": "two"},
        "tags": ["b"],
        "cut": [-3, 2],
        "verdicts": {"dense": False},
    }
    back = replay([*edits, edit(10, "caption", {"kind": "dense", "text": None})])
    assert back.clips["c"].captions == {} and back.captions() == {}


def test_an_undo_can_be_undone() -> None:
    keep = edit(1, "decision", {"decision": "keep"})
    first = undo(2, keep)
    second = undo(3, first)
    assert replay([keep]).decisions() == {"c": "keep"}
    assert replay([keep, first]).decisions() == {}
    assert replay([keep, first, second]).decisions() == {"c": "keep"}
    assert replay([keep, first, second, undo(4, second)]).decisions() == {}


def test_two_people_who_disagree_are_named() -> None:
    found = replay(
        [
            edit(1, "decision", {"decision": "keep"}),
            edit(2, "decision", {"decision": "reject"}, who="bob"),
            edit(3, "decision", {"decision": "keep"}, "d"),
            edit(4, "decision", {"decision": "keep"}, "d", who="bob"),
            edit(5, "tag", {"tag": "x"}),
            edit(6, "tag", {"tag": "y"}, who="bob"),
        ]
    )
    assert found.disputed == ("c",) and found.decisions()["c"] == "reject"
    assert found.clips["c"].tags == ["x", "y"]


VALUES = st.one_of(
    st.tuples(
        st.just("decision"),
        st.sampled_from(["keep", "reject", None]).map(lambda d: {"decision": d}),
    ),
    st.tuples(st.just("tag"), st.sampled_from("ab").map(lambda t: {"tag": t})),
    st.tuples(st.just("untag"), st.sampled_from("ab").map(lambda t: {"tag": t})),
    st.tuples(
        st.just("caption"), st.sampled_from("xy").map(lambda t: {"kind": "dense", "text": t})
    ),
    st.tuples(st.just("undo"), st.integers(0, 11)),
)


@given(
    st.lists(
        st.tuples(VALUES, st.sampled_from("cd"), st.sampled_from(["ann", "bob"])), max_size=12
    ),
    st.randoms(),
)
def test_any_order_of_files_gives_the_same(steps: list[Any], shuffled: Any) -> None:
    edits: list[Edit] = []
    for n, ((action, value), clip, who) in enumerate(steps):
        if action == "undo":
            if not edits:
                continue
            value = {"of": edits[value % len(edits)].id}
        edits.append(edit(n // 2, action, value, clip, who))
    mixed = [*edits, *edits[::2]]
    shuffled.shuffle(mixed)
    one, other = replay(edits), replay(mixed)
    assert {c: h.plain() for c, h in one.clips.items()} == {
        c: h.plain() for c, h in other.clips.items()
    }
    assert one.undone == other.undone and one.disputed == other.disputed
    whens = [e.order for hand in one.clips.values() for e in hand.edits]
    assert len(whens) == len(set(whens)) and all(
        a.order < b.order for hand in one.clips.values() for a, b in pairwise(hand.edits)
    )


def test_an_edit_finds_its_clip_after_another_ingest() -> None:
    place: dict[str, Any] = {"source_id": "s", "start_s": 10.0, "end_s": 20.0}
    edits = [
        edit(1, "decision", {"decision": "keep"}, "old", **place),
        edit(2, "caption", {"kind": "dense", "text": "t"}, "old", **place),
    ]
    near = {"new": ("s", 10.2, 20.0), "other": ("s", 20.0, 29.0), "far": ("t", 10.0, 20.0)}
    found = settle(edits, near)
    assert found.decisions() == {"new": "keep"} and found.captions() == {"new": {"dense": "t"}}
    half = settle(edits, {"half": ("s", 10.0, 15.0)})
    assert half.decisions() == {} and len(half.waiting) == 2
    assert settle(edits, {"old": ("s", 0.0, 1.0)}).decisions() == {"old": "keep"}  # its id is here


def test_the_last_cut_counts_whole_and_the_clip_is_looked_for_where_it_lies_then() -> None:
    place: dict[str, Any] = {"source_id": "s", "start_s": 10.0, "end_s": 20.0}
    cuts = [
        edit(1, "cut", {"start": -3, "end": 2}, "old", **place),
        edit(2, "cut", {"start": 50, "end": 0}, "old", **place),
    ]
    assert replay(cuts).cuts() == {"old": (50, 0)}, "frames of two words are not added up"
    kept = edit(3, "decision", {"decision": "keep"}, "old", **place)
    # 50 frames at 25 a second: the clip begins at 12 s now
    found = settle([*cuts, kept], {"new": ("s", 12.0, 20.0)}, {"s": 25.0})
    assert found.decisions() == {"new": "keep"} and found.cuts() == {}
    assert settle([kept], {"new": ("s", 12.0, 20.0)}).waiting == (kept,)


def test_a_clip_that_holds_much_more_is_another() -> None:
    place: dict[str, Any] = {"source_id": "s", "start_s": 10.0, "end_s": 20.0}
    kept = edit(1, "decision", {"decision": "keep"}, "old", **place)
    assert settle([kept], {"film": ("s", 0.0, 60.0)}).waiting == (kept,)
    both = {"less": ("s", 10.0, 19.2), "more": ("s", 10.0, 20.1)}
    assert settle([kept], both).decisions() == {"more": "keep"}, "the nearest"


def test_keys_tell_what_changed() -> None:
    tagged = replay([edit(1, "tag", {"tag": "a"})])
    assert tagged.key("decisions") is None and tagged.key("captions", "cuts") is None
    kept = replay([edit(1, "decision", {"decision": "keep"})])
    other = replay([edit(1, "decision", {"decision": "reject"})])
    assert kept.key("decisions") not in (None, other.key("decisions"))
