"""Suggestions: a near miss is named, a wild guess gets the list. Refusals from below become errors of the user."""

from __future__ import annotations

import pytest

from jobs.core.errors import Refused, UserError, nearest, no_kind, unknown, user_errors

KNOWN = ("max_clip_s", "min_clip_s", "crf")


def test_a_near_miss_is_suggested():
    assert nearest("max-clip-s", KNOWN) == "max_clip_s"
    assert nearest("CRF", KNOWN) == "crf"
    assert unknown("key", "min_clip", KNOWN) == "unknown key 'min_clip'; did you mean 'min_clip_s'?"


def test_a_wild_guess_gets_the_list():
    assert nearest("zzz", KNOWN) is None
    assert unknown("key", "zzz", KNOWN) == "unknown key 'zzz'; known: crf, max_clip_s, min_clip_s"


def test_a_refusal_of_the_code_below_becomes_one_that_a_person_can_fix():
    with pytest.raises(UserError, match="^no such model$") as found, user_errors():
        raise ValueError("no such model")
    assert not isinstance(found.value, Refused)


def test_what_is_a_user_error_already_and_what_is_a_crash_stay_as_they_are():
    with pytest.raises(Refused, match="^unsafe$"), user_errors():
        raise Refused("unsafe")
    with pytest.raises(KeyError), user_errors():
        raise KeyError("a")


def test_a_kind_of_caption_that_no_clip_has_is_named_beside_those_that_are_there():
    assert str(no_kind("dense", ["short", "facts"])) == (
        "no clip has a caption of kind 'dense': there are short, facts"
    )
    assert str(no_kind("dense", [], " of a")) == (
        "no clip of a has a caption of kind 'dense': there are no captions at all"
    )
