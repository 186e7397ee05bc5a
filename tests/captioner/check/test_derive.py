"""Structured replies: stored in one form, judged by what they say; the embedded captioner's are taken from prose."""

from __future__ import annotations

import json

from captioner.ask.structured import parse, to_json
from captioner.check.derive import DERIVED, derive_structured, judge_kind, judge_structured
from pipeline.schema import CaptionOutcome
from pipeline.world.captions import caption, structured
from pipeline.world.scene import random_scene
from tests.captioner.ask.test_structured import FULL


def test_json_is_stored_in_one_form_and_is_no_leftover_markup():
    loose = json.dumps(json.loads(to_json(FULL)) | {"style": ""}, indent=2)
    text, verdict = judge_structured(loose)
    assert verdict.outcome == CaptionOutcome.OK and verdict.checks == ()
    assert text == to_json(parse(loose))


def test_the_embedded_captioners_prose_becomes_fields_and_says_so():
    scene = random_scene(3, split="heldout")
    text, verdict = judge_structured(caption(scene, "dense"))
    assert parse(text) == parse(json.dumps(structured(scene)))
    assert verdict.outcome == CaptionOutcome.OK and verdict.checks == (DERIVED,)


def test_what_is_no_structured_caption_ends_typed_and_unchanged():
    for text, outcome in (
        ("A dog runs along a beach.", CaptionOutcome.MALFORMED),
        ('{"subjects": []}', CaptionOutcome.MALFORMED),
        ("", CaptionOutcome.EMPTY),
        ("I'm sorry, but I can't help with that.", CaptionOutcome.REFUSED),
    ):
        assert derive_structured(text) is None
        stored, verdict = judge_structured(text)
        assert stored == text and verdict.outcome == outcome
    cut, verdict = judge_structured('{"subjects": [{"name": "do', finish="length")
    assert verdict.outcome == CaptionOutcome.TRUNCATED and cut.endswith("do")
    said = (
        '{"subjects": [{"name": "dog"}], "background": "a park a park a park a park a park a park"}'
    )
    assert judge_structured(said)[1].outcome == CaptionOutcome.LOOPED


def test_every_defect_of_a_structured_reply_is_listed_once_and_in_its_language():
    german = "Die Frau geht mit dem Hund durch die Stadt und sieht nicht auf die Straße."
    assert judge_structured(german)[1].checks == ("malformed", "off_language")
    assert judge_structured(german, language="de")[1].checks == ("malformed",)
    assert judge_structured("")[1].checks == ("empty", "malformed")
    said = json.dumps({"subjects": [{"name": "Frau", "action": german[9:]}]}, ensure_ascii=False)
    assert judge_structured(said, language="de")[1].checks == ()
    assert judge_structured(said)[1].checks == ("off_language",)
    cut = judge_structured(said, finish="length", language="de")[1]
    assert (cut.outcome, cut.checks) == ("truncated", ("truncated",))


def test_a_whole_caption_is_judged_as_what_its_kind_is():
    said = json.dumps({"subjects": [{"name": "dog", "action": "runs along the beach"}]})
    stored, verdict = judge_kind("structured", said)
    assert (json.loads(stored)["subjects"][0]["name"], verdict.outcome) == ("dog", "ok")
    assert judge_kind("dense", said) == (said, judge_kind("short", said)[1])
    assert judge_kind("dense", said)[1].outcome == "malformed"
    german = "Die Frau geht mit dem Hund durch die Stadt und sieht nicht auf die Straße"  # no stop at its end
    assert judge_kind("dense", german)[1].outcome == "off_language"
    assert judge_kind("dense", german, language="de") == (
        german,
        judge_kind("dense", "Ein Hund rennt.", language="de")[1],
    )
