"""Ids that stand in every folder ever written: a change here must be a decision, not an accident."""

from __future__ import annotations

from pipeline import schema as s


def test_ids_are_those_of_every_run_before() -> None:
    """Another hash, and every finished run begins anew with other clip ids."""
    source = s.source_id(10, b"head", b"middle", b"tail")
    assert source == "8a5b2f4970163d7d"
    assert s.clip_id(source, 0, 100) == "79121e77a63dfb2d4a8a"
    assert len({s.source_id(10, b"a", b"b", b"c"), s.source_id(11, b"a", b"b", b"c"),
                s.source_id(10, b"x", b"b", b"c"), s.source_id(10, b"a", b"x", b"c"),
                s.source_id(10, b"a", b"b", b"x")}) == 5  # fmt: skip
    assert len({s.clip_id("a", 0, 1), s.clip_id("a", 0, 2), s.clip_id("a", 1, 2),
                s.clip_id("b", 0, 1), s.clip_id("a", 1, 20), s.clip_id("a", 12, 0)}) == 6  # fmt: skip
