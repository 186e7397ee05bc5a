"""Suggestions: a near miss is named, a wild guess gets the list."""

from __future__ import annotations

from jobs.core.errors import nearest, unknown

KNOWN = ("max_clip_s", "min_clip_s", "crf")


def test_a_near_miss_is_suggested():
    assert nearest("max-clip-s", KNOWN) == "max_clip_s"
    assert nearest("CRF", KNOWN) == "crf"
    assert unknown("key", "min_clip", KNOWN) == "unknown key 'min_clip'; did you mean 'min_clip_s'?"


def test_a_wild_guess_gets_the_list():
    assert nearest("zzz", KNOWN) is None
    assert unknown("key", "zzz", KNOWN) == "unknown key 'zzz'; known: crf, max_clip_s, min_clip_s"
