"""A model folder says how it wants to be asked, and is asked so."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.ask.model_note import NOTE_NAME, ModelNote, read_note, unlike_training, write_note
from captioner.ask.prompts import PROMPTS, WORLD_PROMPTS, prompt_set
from captioner.config import CaptionConfig


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


def test_a_recipe_that_asks_otherwise_than_was_taught_is_told_so(tmp_path: Path) -> None:
    write_note(tmp_path, ModelNote(prompts={}, kind="dense", frames=4))
    model = str(tmp_path)
    assert unlike_training(CaptionConfig(model=model, frames=4, kinds=("dense",))) is None
    told = unlike_training(CaptionConfig(model=model, frames=8, kinds=("short", "dense")))
    assert told is not None and "fine-tuned for dense captions" in told
    assert told.endswith("asks for frames = 8 instead of 4, kind short")
    assert unlike_training(CaptionConfig()) is None
    (tmp_path / NOTE_NAME).unlink()
    assert unlike_training(CaptionConfig(model=model)) is None


def test_hints_are_for_models_that_follow_instructions() -> None:
    with pytest.raises(ValueError, match="knows two questions by heart"):
        CaptionConfig(hints=("camera",))
    with pytest.raises(ValueError, match="what is measured is camera"):
        CaptionConfig(model="org/vlm", hints=("smell",))
    assert CaptionConfig(model="org/vlm", hints=("camera", "text")).hints == ("camera", "text")


def test_kinds_languages_and_forms_are_checked_before_anything_runs() -> None:
    assert CaptionConfig(kinds=("facts",)).asked == ()
    assert CaptionConfig(kinds=("facts", "dense")).asked == ("dense",)
    for wrong, why in (
        ({"kinds": ("original",)}, "comes with the source"),
        ({"language": "xx"}, "use one of en, de"),
        ({"shown_as": "film"}, "use one of auto"),
        ({"max_model_len": 100}, "must hold the frames"),
        ({"gpu_memory": 0.0}, "above 0 and at most 1"),
    ):
        with pytest.raises(ValueError, match=why):
            CaptionConfig(**wrong)  # type: ignore[arg-type]
    german = prompt_set("org/vlm", None, "de")
    assert all(text.endswith(" Write in German.") for text in german.values())
    assert prompt_set("org/vlm", {"dense": "Mine."}, "de")["dense"] == "Mine."
