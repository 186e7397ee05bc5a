"""Repairs change only what they say they change, and say it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from captioner.backends.base import Reply
from captioner.check.outcome import settle

FIELDS = {"subjects": [{"name": "dog", "count": 1, "action": "runs to the left"}], "text": ["OPEN"]}


def reply(text: str | None, kind: str = "dense", **what: Any) -> Reply:
    return Reply(clip_id="c", kind=kind, frames_hash="f", text=text, **({"finish": "stop"} | what))


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("The video shows a man. In this clip, he runs home.", "A man. He runs home."),
        ("Sure! Here is a caption:\n\na dog runs over the grass.", "A dog runs over the grass."),
        ("A dog runs throughout the video, and barks.", "A dog runs, and barks."),
        ("<think>A dog?\nYes.</think>\nA dog runs.", "A dog runs."),
        ("In the video, we see two cats. One sleeps.", "Two cats. One sleeps."),
    ],
)
def test_wording_is_repaired_recapitalised_and_kept_beside(said: str, stored: str) -> None:
    settled = settle(reply(said))
    assert (settled.text, settled.raw_text, settled.outcome) == (stored, said, "ok")
    assert settled.repairs == ("thinking",) if "<think>" in said else ("boilerplate",)
    assert settled.checks == ()


def test_what_cannot_be_repaired_safely_stays_and_is_named() -> None:
    for text in ("The video is of poor quality and", "In this clip,", "The video shows."):
        settled = settle(reply(text))
        assert settled.text == text and settled.raw_text is None and not settled.repairs
        assert settled.outcome != "ok"
    fine = settle(reply("A dog runs."))
    assert (fine.raw_text, fine.repairs, fine.outcome, fine.frames_hash) == (None, (), "ok", "f")


def test_structured_replies_are_validated_and_their_json_mended() -> None:
    whole = json.dumps(FIELDS)
    sound = settle(reply(whole, "structured"))
    assert sound.outcome == "ok" and sound.repairs == ()
    for said in (f"```json\n{whole}\n```", whole[:-1] + ",}", str(FIELDS), f"Here: {whole}"):
        settled = settle(reply(said, "structured"))
        assert settled.text == sound.text and settled.raw_text == said
        assert settled.outcome == "ok" and settled.repairs == ("json",)
    for said in (
        "A dog runs.",
        whole.replace("subjects", "things"),  # unknown field
        whole.replace('"count": 1', '"count": "one"'),  # wrong type
        '{"subjects": []}',
    ):
        settled = settle(reply(said, "structured"))
        assert settled.text == said and settled.outcome == "malformed" and not settled.repairs
    cut = settle(reply(whole[:-20], "structured", finish="length"))
    assert cut.outcome == "truncated", "half of the fields are not the caption"


def test_the_better_of_two_answers_is_taken_and_the_second_question_is_recorded() -> None:
    looped = settle(reply("The dog runs to the left. " * 9))
    fine = settle(reply("A dog runs."), before=looped)
    assert (fine.text, fine.outcome, fine.repairs) == ("A dog runs.", "ok", ("asked_again",))
    refused = settle(reply("I'm sorry, but I can't help with that."))
    kept = settle(reply(None, error="timeout: 5 s"), before=refused)
    assert kept.outcome == "refused" and kept.error is None and kept.repairs == ("asked_again",)
    failed = settle(reply(None, error="timeout: 5 s"))
    assert (failed.text, failed.outcome, failed.error) == (None, "error", "timeout: 5 s")
    assert settle(reply("A dog.", schema_refused=True)).repairs == ("schema_refused",)
