"""Kept options are those of the class, under the rules that it is parsed by, and no value goes from parse to parse."""

from __future__ import annotations

import dataclasses

import pytest
from tyro import _parsers

from jobs.core.args import options_of, parse_args
from jobs.core.errors import UserError
from jobs.train.dit_args import Args


def of_one_name(option: str, default: int) -> type:
    return dataclasses.make_dataclass("Same", [(option, int, default)], frozen=True, kw_only=True)


def test_classes_of_one_name_have_options_of_their_own():
    one, other = of_one_name("first", 1), of_one_name("second", 2)
    for _ in range(2):
        assert parse_args(one, ["--first", "5"], "x").first == 5
        assert parse_args(one, [], "x").first == 1
        assert parse_args(other, [], "x").second == 2
        with pytest.raises(UserError, match="--first"):
            parse_args(other, ["--first", "5"], "x")
        assert set(options_of(one)) == {"--help", "--first"}


def test_a_class_is_read_once_and_no_value_stays(monkeypatch):
    words = ["latents", "--out", "run"]
    plain = parse_args(Args, words, "train-dit")
    given = parse_args(Args, [*words, "--mix", "dense", "1", "--steps", "7"], "train-dit")
    assert (given.mix, given.train.steps) == ({"dense": 1.0}, 7)

    def read(*_, **__):
        raise AssertionError("its options are read again")

    monkeypatch.setattr(_parsers._fields, "field_list_from_type_or_callable", read)
    assert parse_args(Args, words, "train-dit") == plain
    assert plain.mix == {} and plain.train.steps != 7
