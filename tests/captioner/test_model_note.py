"""A model folder says how it wants to be asked, and is asked so."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.model_note import NOTE_NAME, ModelNote, read_note, write_note
from captioner.prompts import PROMPTS, WORLD_PROMPTS, prompt_set


def test_a_note_comes_back_and_decides_the_prompts(tmp_path: Path) -> None:
    note = ModelNote(prompts={"dense": "Say all."}, kind="dense", frames=4, base="m@1")
    write_note(tmp_path, note)
    assert read_note(str(tmp_path)) == note
    assert prompt_set(str(tmp_path)) == {**PROMPTS, "dense": "Say all."}
    assert prompt_set(str(tmp_path), {"dense": "Mine."})["dense"] == "Mine."


def test_models_without_a_note_are_asked_as_ever(tmp_path: Path) -> None:
    for name in ("org/name", str(tmp_path), str(tmp_path / "nowhere")):
        assert read_note(name) is None and prompt_set(name) == PROMPTS
    assert prompt_set("embedded") == WORLD_PROMPTS


def test_a_broken_note_is_one_line(tmp_path: Path) -> None:
    (tmp_path / NOTE_NAME).write_text('{"prompts": 3}')
    with pytest.raises(ValueError, match="filmstock.json is not what filmstock writes"):
        read_note(str(tmp_path))
