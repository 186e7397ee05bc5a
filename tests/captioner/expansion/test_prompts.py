"""``captioner.expand``: one prompt or several, by the world's captions or a dataset's."""

from __future__ import annotations

import inspect

import pytest

from captioner import expand


def test_one_prompt_gives_one_expansion_and_several_a_list():
    one = expand("a red circle moves right")
    assert "red" in one.text and "circle" in one.text
    assert len(one.text.split()) > 10
    many = expand(["a red circle moves right", "gore and a severed head"])
    assert many[0] == one
    assert (many[1].method, many[1].text) == ("refused", "")


def test_a_server_needs_the_name_of_a_model():
    with pytest.raises(ValueError, match="name of a model"):
        expand("a red circle", base_url="http://127.0.0.1:1/v1")


def test_a_server_that_is_not_there_is_warned_of_and_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
):
    import captioner.expansion.llm as llm

    monkeypatch.setattr(llm, "TRIES", 1)
    lines: list[str] = []
    found = expand("a red circle", base_url="http://127.0.0.1:1/v1", model="m", warn=lines.append)
    assert found.text == expand("a red circle").text
    assert len(lines) == 1 and lines[0].endswith("this prompt is expanded offline")


def test_a_folder_without_captions_is_an_error(tmp_path):
    with pytest.raises(ValueError):
        expand("a red circle", like=tmp_path)


def test_its_overloads_know_all_that_it_takes_beside_prompts():
    from captioner.expansion.prompts import ExpandOptions
    from captioner.expansion.prompts import expand as written

    parameters = inspect.signature(written).parameters
    assert set(parameters) - {"prompts"} == set(ExpandOptions.__annotations__)
