"""Forms are read off the code: a function that takes a prompt and models has one at once."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.serve import forms


def dream(
    video: Any, prompt: str, *, models: Any, speed: float = 0.5, seed: int = 0, config: Any = None
) -> Any:
    """The video as in a dream.

    Args:
        video: The video.
        speed: How fast
            it goes.
    """


def test_a_new_verb_has_its_form_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import dit

    monkeypatch.setattr(dit, "__all__", [*dit.__all__, "dream"])
    monkeypatch.setattr(dit, "dream", dream, raising=False)
    forms.verbs.cache_clear()
    try:
        verb = forms.verbs()["dream"]
    finally:
        forms.verbs.cache_clear()
    fields = {field.name: field for field in verb.fields}
    assert verb.about == "The video as in a dream."
    assert fields["video"].required and fields["video"].kind == "video"
    assert (fields["speed"].default, fields["speed"].about) == (0.5, "How fast it goes.")
    assert "steps" in fields and "frames" not in fields
    assert verb.settings({"video": "result:" + "0" * 16})["speed"] == 0.5


def test_every_verb_of_the_sampler_is_there_with_help_and_limits() -> None:
    found = forms.verbs()
    assert {"sample", "animate", "extend", "loop", "connect", "edit", "inpaint"} <= set(found)
    for verb in found.values():
        assert [field.name for field in verb.fields if not field.about] == [], verb.name
        assert all(f.most is not None for f in verb.fields if f.kind in ("integer", "number"))
    solver = next(field for field in found["sample"].fields if field.name == "solver")
    assert "heun" in solver.choices and ":" not in "".join(solver.choices)
