"""What a step asks for: a function of its number."""

import dataclasses

import pytest

from jobs.core.errors import UserError
from jobs.reward.asks import FilePrompts, WorldPrompts, as_asks, read_prompts
from pipeline.world.claims import claims_of
from tests.helpers.pixel_models import PixelVae

WORLD = WorldPrompts(
    seed=0, count=6, sizes=((64, 64), (80, 48)), frames=17, fps=8.0, image_share=0.3, short_share=0.3,
    max_objects=2,
)  # fmt: skip


def test_scenes_never_come_twice_and_are_the_same_for_a_step():
    assert WORLD.at(4) == WORLD.at(4)
    dense = dataclasses.replace(WORLD, short_share=0.0)
    prompts = [text for step in range(20) for text, _ in dense.at(step)]
    assert len(set(prompts)) == len(prompts)
    assert dataclasses.replace(WORLD, seed=1).at(4) != WORLD.at(4)


def test_forms_and_captions_are_mixed_as_asked():
    found = [item for step in range(60) for item in WORLD.at(step)]
    images = [text for text, form in found if form.frames == 1]
    assert 0.2 < len(images) / len(found) < 0.4
    assert {(form.width, form.height) for _, form in found} == {(64, 64), (80, 48)}
    short = sum(claims_of(text).light is None for text, _ in found)
    assert 0.2 < short / len(found) < 0.4
    assert all(1 <= len(claims_of(text).objects) <= 2 for text, _ in found)


def test_prompts_of_a_file_all_come_once_a_pass(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("one\n\n two \nthree\nfour\nfive\n")
    prompts = read_prompts(path)
    assert prompts == ("one", "two", "three", "four", "five")
    stream = FilePrompts(prompts=prompts, seed=0, count=3, sizes=((8, 8),), frames=5)
    seen = [text for step in range(5) for text, _ in stream.at(step)]
    assert all(sorted(seen[i : i + 5]) == sorted(prompts) for i in (0, 5, 10))
    asks = as_asks(stream.at(0), PixelVae())
    assert [ask.shape for ask in asks] == [(2, 8, 8)] * 3


def test_a_file_without_prompts_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(UserError, match="holds no prompt"):
        read_prompts(tmp_path / "empty.txt")
    with pytest.raises(UserError, match="cannot read --prompts"):
        read_prompts(tmp_path / "none.txt")
    (tmp_path / "odd.txt").write_text("a\x07b\n")
    with pytest.raises(UserError, match="control characters"):
        read_prompts(tmp_path / "odd.txt")
