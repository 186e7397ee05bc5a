"""Structured captions: strict parsing with the field named, a plain schema, the world's scenes in the same fields."""

from __future__ import annotations

import json

import pytest

from captioner.ask.structured import Event, Structured, Subject, json_schema, parse, to_json
from pipeline.world.captions import structured, structured_from_dense
from pipeline.world.scene import random_scene

FULL = Structured(
    subjects=[
        Subject(
            name="dogs", count=2, appearance="small brown", action="run", position="on the left"
        ),
        Subject(name="water", count=None),
    ],
    background="an empty beach",
    camera="pans left",
    style="hand-drawn animation",
    lighting="is soft",
    text=["SALE", 'a "quote"'],
    events=[Event(start_s=0.5, end_s=2, what="one dog jumps")],
)


def test_stored_form_is_read_back_and_leaves_out_what_says_nothing():
    assert parse(to_json(FULL)) == FULL
    assert to_json(Structured(subjects=[Subject(name="dog")])) == '{"subjects":[{"name":"dog"}]}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The dog runs.", "is not JSON"),
        ('{"subjects": [{"name": "dog"}]', "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        ("[]", "Expected `object`"),
        ("{}", "required field `subjects`"),
        ('{"subjects": []}', "subjects: Expected `array` of length >= 1"),
        ('{"subjects": [{"count": 1}]}', r"subjects\[0\]: Object missing required field `name`"),
        ('{"subjects": [{"name": " "}]}', r"subjects\[0\].name: empty"),
        ('{"subjects": [{"name": "a", "count": 0}]}', r"subjects\[0\].count: Expected `int` >= 1"),
        ('{"subjects": [{"name": "a", "count": "2"}]}', r"count: Expected `int \| null`"),
        ('{"subjects": [{"name": "a", "colour": "red"}]}', "unknown field `colour`"),
        ('{"subjects": [{"name": "a"}], "camera": null}', "camera: Expected `str`"),
        (
            '{"subjects": [{"name": "a"}], "events": [{"start_s": 2, "end_s": 1, "what": "b"}]}',
            r"events\[0\].end_s: 1 is before start_s = 2",
        ),
    ],
)
def test_what_is_wrong_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


def depth(node):
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + max((depth(item) for item in below), default=0)


def test_schema_is_plain_and_strict():
    schema = json_schema()
    text = json.dumps(schema)
    assert "$ref" not in text and "default" not in text and depth(schema) <= 64
    for part in (schema, *(schema["properties"][name]["items"] for name in ("subjects", "events"))):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    everything = {name: [] if name in ("text", "events") else "" for name in schema["properties"]}
    everything["subjects"] = [
        {"name": "dog", "count": 1, "appearance": "", "action": "", "position": ""}
    ]
    assert parse(json.dumps(everything)) == Structured(subjects=[Subject(name="dog")])


@pytest.mark.parametrize("split", ["heldout", "novel"])
def test_scenes_of_the_world_are_structured_captions(split):
    for seed in range(40):
        scene = random_scene(seed, split=split)
        for still in (False, True):
            fields = structured(scene, still=still)
            found = parse(json.dumps(fields))
            assert [subject.name for subject in found.subjects] == [o.shape for o in scene.objects]
            assert bool(found.camera) != still


def test_dense_captions_of_other_wording_are_not_guessed_at():
    assert structured_from_dense("A dog runs along a beach. The light is even.") is None
