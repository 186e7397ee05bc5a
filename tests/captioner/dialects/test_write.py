"""Dialects: what each says of the same fields, and that none loses or adds anything."""

from __future__ import annotations

import json

import pytest

from captioner.ask.structured import Event, Structured, Subject
from captioner.dialects.kept import added, assertions, lost
from captioner.dialects.write import DIALECTS, NeedsFields, Told, cosmos_fields

FIELDS = Structured(
    subjects=[
        Subject(name="dogs", count=2, appearance="small brown", action="run along the beach"),
        Subject(name="man", appearance="in a blue coat", action="waves", position="on the left"),
    ],
    background="a sandy shore at dusk",
    camera="pans left",
    lighting="comes from the right",
    style="grainy film footage",
    text=["NO SWIMMING"],
    events=[Event(start_s=1.5, end_s=2.5, what="the dogs leap over a log")],
)
TOLD = Told(prose="", fields=FIELDS, seconds=4.0, width=640, height=360, fps=24.0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_dialect_loses_or_adds_anything(dialect):
    text = DIALECTS[dialect](TOLD)
    known = {"4s", "640", "360", "24"} if dialect == "cosmos" else set()
    assert lost(FIELDS, text) == []
    assert set(added(FIELDS, text)) <= known | {"4"}


def test_what_is_lost_or_added_is_found():
    assert lost(FIELDS, "Two small brown dogs run along the beach.") == [
        place for place, _ in assertions(FIELDS) if place not in (
            "subjects[0].count", "subjects[0].name", "subjects[0].appearance", "subjects[0].action",
        )
    ]  # fmt: skip
    assert "subjects[0].count" in lost(FIELDS, DIALECTS["prose"](TOLD).replace("Two", "The"))
    assert added(FIELDS, DIALECTS["prose"](TOLD) + " A cat sleeps.") == ["cat", "sleeps"]


def test_ltx_is_one_paragraph_that_begins_with_what_happens():
    text = DIALECTS["ltx"](TOLD)
    assert "\n" not in text and text.startswith("Two small brown dogs run along the beach.")
    assert text.index("leap over a log") < text.index("background")
    listed = Told(prose="A dog runs.\n\n- It is brown.\n2. It barks.")
    assert DIALECTS["ltx"](listed) == "A dog runs. It is brown. It barks."


def test_h3_has_its_three_fields_and_invents_no_sound():
    text = DIALECTS["h3"](TOLD)
    first, second, third = text.split("\n\n")
    assert first.startswith("integrated_multimodal_description: [Shot 1] Grainy film footage. Two")
    assert (second, third) == ("overall_soundscape:", "non_diegetic_music:")
    assert "[Shot 1] A dog." in DIALECTS["h3"](Told(prose="A dog."))


def test_cosmos_has_the_fields_of_its_schema():
    found = json.loads(DIALECTS["cosmos"](TOLD))
    assert found == cosmos_fields(TOLD)
    assert found["subjects"][0] == {
        "description": "dogs",
        "appearance_details": "small brown",
        "action": "run along the beach",
        "number_of_subjects": 2,
    }
    assert found["actions"] == [{"time": "1.5s-2.5s", "description": "the dogs leap over a log"}]
    assert found["resolution"] == {"H": 360, "W": 640} and found["fps"] == 24
    assert "audio_description" not in found
    assert json.loads(DIALECTS["cosmos"](Told(prose="A dog."))) == {"temporal_caption": "A dog."}


def test_tags_are_phrases_and_booru_tags_have_no_spaces():
    assert DIALECTS["tags"](TOLD).startswith("two small brown dogs, run along the beach, a man in")
    tags = DIALECTS["booru"](TOLD).split(", ")
    assert tags[0] == "2_small_brown_dogs" and "camera_pans_left" in tags
    assert not any(" " in tag or tag != tag.lower() for tag in tags)


@pytest.mark.parametrize("dialect", ["tags", "booru"])
def test_tags_are_not_guessed_from_prose(dialect):
    with pytest.raises(NeedsFields):
        DIALECTS[dialect](Told(prose="A dog runs."))
