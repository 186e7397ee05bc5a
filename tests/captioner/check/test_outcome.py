"""Repairs change only what they say they change, and say it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.backends.base import Reply
from captioner.check.outcome import check_reply

FIELDS = {"subjects": [{"name": "dog", "count": 1, "action": "runs to the left"}], "text": ["OPEN"]}


def reply(text: str | None, kind: str = "dense", **what: Any) -> Reply:
    return Reply(clip_id="c", kind=kind, frames_hash="f", text=text, **({"finish": "stop"} | what))


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("The video shows a man. In this clip, he runs home.", "A man. He runs home."),
        ("Sure! Here is a caption:\n\na dog runs over the grass.", "A dog runs over the grass."),
        ("A dog runs throughout the video, and barks.", "A dog runs throughout, and barks."),
        ("Over the course of the video, it turns.", "Over time, it turns."),
        ("This grainy footage shows a man at a bar.", "Grainy footage of a man at a bar."),
        ("This animated clip features a fox.", "An animated clip of a fox."),
        ("The video zooms in on a door.", "The camera zooms in on a door."),
        ('"The video shows a man."', "A man."),
        ("<think>A dog?\nYes.</think>\nA dog runs.", "A dog runs."),
        ("In the video, we see two cats. One sleeps.", "Two cats. One sleeps."),
    ],
)
def test_wording_is_repaired_recapitalised_and_kept_beside(said: str, stored: str) -> None:
    checked = check_reply(reply(said))
    assert (checked.text, checked.raw_text, checked.outcome) == (stored, said, "ok")
    assert checked.repairs == (("thinking",) if "<think>" in said else ("boilerplate",))
    assert checked.checks == ()


def test_what_cannot_be_repaired_safely_stays_and_is_named() -> None:
    for text in ("In this clip,", "The video shows."):
        checked = check_reply(reply(text))
        assert checked.text == text and checked.raw_text is None and not checked.repairs
        assert checked.outcome != "ok"
    fine = check_reply(reply("A dog runs."))
    assert (fine.raw_text, fine.repairs, fine.outcome, fine.frames_hash) == (None, (), "ok", "f")


@pytest.mark.parametrize(
    ("said", "stored", "repairs"),
    [
        (
            "**Camera:** slow pan\n- **Subject:** a red dog",
            "Camera: slow pan Subject: a red dog.",
            ("markdown",),
        ),
        ("## Video Description\nA dog runs home.", "A dog runs home.", ("markdown",)),
        ("```\nA dog runs home.\n```", "A dog runs home.", ("markdown",)),
        (
            "A wide shot of a street at night with a tram. I am unable to read its number. "
            "It turns left at the church.",
            "A wide shot of a street at night with a tram. It turns left at the church.",
            ("limits",),
        ),
        (
            "I'm unable to identify him, but a man in a red coat walks past a shop. He carries two bags of apples.",
            "A man in a red coat walks past a shop. He carries two bags of apples.",
            ("limits",),
        ),
    ],
)
def test_marks_and_what_a_model_cannot_make_out_are_taken_out(
    said: str, stored: str, repairs: tuple[str, ...]
) -> None:
    checked = check_reply(reply(said))
    assert (checked.text, checked.raw_text, checked.outcome) == (stored, said, "ok")
    assert checked.repairs == repairs and checked.checks == ()


@pytest.mark.parametrize(
    "text",
    [
        "A slow-motion video of a dog.",
        "An aerial shot of a river in autumn.",
        "A time-lapse sequence of clouds over a city.",
        "A white cup stands in the center of the image.",
        "A logo is in the top right corner of the video.",
        'A poster says "The video shows nothing" in red.',
        "A boy watches a video on a phone. The video shows a cat.",
        "One watches the pond, the other reads.",
        "A house stands by a lake. It features a red roof.",
    ],
)
def test_what_a_video_model_must_learn_is_not_touched(text: str) -> None:
    checked = check_reply(reply(text))
    assert (checked.text, checked.outcome, checked.repairs) == (text, "ok", ())


WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "a the two dog man street red slow-motion close-up aerial wide shot walks turns left camera pans static on "
        "in of night rain slowly then frame center bright image view moves lens and",
    )
)


@settings(max_examples=50)
@given(st.lists(st.lists(WORDS, min_size=3, max_size=14), min_size=1, max_size=5))
def test_no_word_is_lost_where_the_video_is_not_spoken_of(sentences: list[list[str]]) -> None:
    """Whatever the words, only talk about a medium is ever taken out."""
    text = " ".join("Dogs " + " ".join(words) + "." for words in sentences)
    checked = check_reply(reply(text))
    assert checked.text == text and checked.repairs == ()


def test_checks_of_english_words_are_for_english_captions() -> None:
    german = (
        "Die Kamera folgt einer Frau, die in der Stadt an einem Haus und einem Baum vorbei geht."
    )
    assert check_reply(reply(german)).outcome == "off_language"
    assert check_reply(reply(german), language="de").outcome == "ok"
    spanish = "El video muestra una mujer."
    assert check_reply(reply(spanish), language="es").text == "Una mujer."
    mixed = check_reply(reply(f"{spanish} The video shows a man in the street."), language="es")
    assert mixed.outcome == "off_language"
    refused = "I'm sorry, but I can't help with that request."
    assert check_reply(reply(refused), language="de").outcome == "refused"
    looped = "Die Frau geht nach links. " * 5
    assert check_reply(reply(looped), language="de").outcome == "looped"


def test_structured_replies_are_validated_and_their_json_mended() -> None:
    whole = json.dumps(FIELDS)
    sound = check_reply(reply(whole, "structured"))
    assert sound.outcome == "ok" and sound.repairs == ()
    for said in (f"```json\n{whole}\n```", whole[:-1] + ",}", str(FIELDS), f"Here: {whole}"):
        checked = check_reply(reply(said, "structured"))
        assert checked.text == sound.text and checked.raw_text == said
        assert checked.outcome == "ok" and checked.repairs == ("json",)
    for said in (
        "A dog runs.",
        whole.replace("subjects", "things"),  # unknown field
        whole.replace('"count": 1', '"count": "one"'),  # wrong type
        '{"subjects": []}',
    ):
        checked = check_reply(reply(said, "structured"))
        assert checked.text == said and checked.outcome == "malformed" and not checked.repairs
    cut = check_reply(reply(whole[:-20], "structured", finish="length"))
    assert cut.outcome == "truncated", "half of the fields are not the caption"


def test_the_better_of_two_answers_is_taken_and_the_second_question_is_recorded() -> None:
    looped = check_reply(reply("The dog runs to the left. " * 9))
    again = check_reply(reply("A cat sleeps on the mat. " * 9), before=looped)
    assert again.text != looped.text, "of two as bad the later one: it was asked for"
    fine = check_reply(reply("A dog runs."), before=looped)
    assert (fine.text, fine.outcome, fine.repairs) == ("A dog runs.", "ok", ("asked_again",))
    refused = check_reply(reply("I'm sorry, but I can't help with that."))
    for first, second in ((looped, refused), (refused, looped)):
        both = check_reply(reply(first.text), before=second)
        assert both.text == looped.text, "words about the picture go before words about the model"
    kept = check_reply(reply(None, error="timeout: 5 s"), before=refused)
    assert kept.outcome == "refused" and kept.error is None and kept.repairs == ("asked_again",)
    failed = check_reply(reply(None, error="timeout: 5 s"))
    assert (failed.text, failed.outcome, failed.error) == (None, "error", "timeout: 5 s")
    assert check_reply(reply("A dog.", schema_refused=True)).repairs == ("schema_refused",)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("A dog runs over the grass.", "dense"),
        ("The video shows a dog that runs over the grass.", "dense"),
        ("**A dog** runs over the grass.", "dense"),
        (json.dumps(FIELDS), "structured"),
        (f"```json\n{json.dumps(FIELDS)}\n```", "structured"),
    ],
)
def test_how_generation_ended_is_judged_through_every_repair(said: str, kind: str) -> None:
    """A caption cut at the token limit that counts as whole trains a model to stop in the middle."""
    assert check_reply(reply(said, kind)).outcome == "ok"
    cut = check_reply(reply(said, kind, finish="length"))
    assert (cut.outcome, "truncated" in cut.checks) == ("truncated", True)
    filtered = check_reply(reply(said, kind, finish="content_filter"))
    assert filtered.outcome == "refused" and "refused" in filtered.checks


def test_what_no_repair_saves_is_kept_word_for_word() -> None:
    said = "The video shows a dog that runs over the grass."
    cut = check_reply(reply(said, finish="length"))
    assert (cut.text, cut.raw_text, cut.repairs) == (said, None, ())


@pytest.mark.parametrize(
    ("text", "error"), [(None, "timeout: 5 s"), (None, None), ("A dog runs.", "reset")]
)
def test_an_error_is_an_error_whatever_text_came_with_it(
    text: str | None, error: str | None
) -> None:
    """Half an answer of a broken connection is no caption."""
    checked = check_reply(reply(text, finish=None, error=error))
    assert (checked.outcome, checked.checks) == ("error", ("error",))
    assert (checked.text, checked.raw_text, checked.error) == (None, text, error)


def test_only_the_first_thought_is_taken_off() -> None:
    """What follows is the answer, even if it speaks in the same marks; it is judged as such."""
    checked = check_reply(reply("<think>one</think><think>two</think> A dog runs."))
    assert checked.text is not None and checked.text.startswith("<think>two</think>")
    assert checked.outcome == "malformed" and checked.repairs == ("thinking",)


GERMAN = "Die Frau geht mit einem Hund durch die Stadt und sieht nicht auf die Straße"


def test_the_language_asked_for_reaches_every_check_and_repair() -> None:
    """Else each caption of a set in another language ends as one in the wrong language, and is asked for again."""
    marked = check_reply(reply(f"**Frau:** {GERMAN}."), language="de")
    assert (marked.outcome, marked.repairs) == ("ok", ("markdown",))
    cut = check_reply(reply(GERMAN, finish="length"), language="de")
    assert (cut.outcome, cut.checks) == ("truncated", ("truncated",))
    fields = json.dumps({"subjects": [{"name": "Frau", "action": GERMAN[9:]}]}, ensure_ascii=False)
    for said, repairs in ((fields, ()), (fields[:-1] + ",}", ("json",))):
        checked = check_reply(reply(said, "structured"), language="de")
        assert (checked.outcome, checked.repairs) == ("ok", repairs)
        assert "off_language" in check_reply(reply(said, "structured")).checks
    quoted = f"{GERMAN}. I am unable to read the number of the tram."
    assert check_reply(reply(quoted), language="de").text == quoted


SEEN = (
    "A brown dog runs over wet grass.",
    "Two women in red coats cross a busy street at night.",
    "The camera pans slowly to the left.",
    "Behind them a neon sign reads OPEN.",
    "It is raining, and 3 cars wait at the light.",
    "An old man, who looks tired, sorts letters.",
)
AROUND = (
    ("", ""),
    ("Sure! Here is a caption:\n\n", ""),
    ("The video shows the following scene. ", ""),
    ("", " I hope this helps!"),
    ("", "\n\nLet me know if you need anything else."),
    ("**Caption:** ", ""),
    ("<think>What do I see?</think>", ""),
    ("Certainly! ", " Overall, the video captures a moment of daily life."),
)


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from(SEEN), min_size=1, max_size=5, unique=True),
    st.sampled_from(AROUND),
    st.sampled_from([" ", "\n\n", "\n- "]),
)
def test_no_word_of_what_is_seen_is_lost_whatever_is_said_around_it(
    sentences: list[str], around: tuple[str, str], between: str
) -> None:
    """Repairs take off what models say of themselves; a word about the picture that goes with it is a caption less."""
    body = between.join(sentences)
    if between == "\n- ":
        body = f"- {body}"
    checked = check_reply(reply(f"{around[0]}{body}{around[1]}"))
    assert checked.text is not None
    kept = re.findall(r"\w+", checked.text.lower())
    for sentence in sentences:
        words = re.findall(r"\w+", sentence.lower())
        places = range(len(kept) - len(words) + 1)
        assert any(kept[at : at + len(words)] == words for at in places), (sentence, checked.text)
    said = re.findall(r"\w+", f"{around[0]}{body}{around[1]}".lower())
    assert set(kept) <= set(said), "and none is made up"


@settings(max_examples=50)
@given(
    st.sampled_from(["", "The video shows a dog. It barks. ", "**Dogs** bark at cats. "]),
    st.text(max_size=200),
    st.sampled_from(["dense", "structured"]),
)
def test_whatever_is_said_the_reply_itself_is_kept(begin: str, rest: str, kind: str) -> None:
    """What is stored is the reply, or the reply lies beside it and a repair says why; the same reply ends the same."""
    said = begin + rest
    checked = check_reply(reply(said, kind))
    assert said in (checked.text, checked.raw_text)
    assert (checked.raw_text is None) == (checked.text == said)
    if kind == "dense":
        assert bool(checked.repairs) == (checked.text != said) or "thinking" in checked.repairs
    assert check_reply(reply(said, kind)) == checked


@pytest.mark.parametrize(
    ("left", "text", "repairs"),
    [
        ("A dog runs home.", "A dog runs home.", ("judged",)),
        ("A dog runs.", "A dog runs.", ("judged",)),
        ("The video shows a dog that runs.", "A dog that runs.", ("judged",)),
        ("A dog.", "A dog runs home. Quite so.", ()),
        ("", "A dog runs home. Quite so.", ()),
    ],
)
def test_what_the_judge_leaves_is_the_caption_if_it_still_is_one(
    monkeypatch: pytest.MonkeyPatch, left: str, text: str, repairs: tuple[str, ...]
) -> None:
    """Unless it is off; less than three words are no caption, and the rules look at what it leaves."""
    said, asked = "A dog runs home. Quite so.", []

    def strip_learned(prose: str, **_: str) -> tuple[str, tuple[str, ...]]:
        asked.append(prose)
        return (left, ("Quite so.",)) if prose == said else (prose, ())

    monkeypatch.setattr("captioner.check.judge.strip_learned", strip_learned)
    checked = check_reply(reply(said), judge=True)
    assert (checked.text, checked.outcome, checked.repairs) == (text, "ok", repairs)
    assert checked.raw_text == (said if repairs else None)
    marked = check_reply(reply(f"**{said}**"), judge=True)
    assert marked.repairs == ("markdown", *repairs), "it is asked of what the rules leave"
    assert asked == [said, said]
    for words, how in ((said, {"judge": False}), (said, {"language": "it"})):
        assert "judged" not in check_reply(reply(words), **how).repairs
    assert check_reply(reply("A cat sleeps."), judge=True).repairs == () and len(asked) == 3


def test_talk_in_another_language_is_recorded_as_a_repair() -> None:
    """What was taken out is counted by these words in every report."""
    checked = check_reply(reply("El video muestra una mujer."), language="es")
    assert (checked.text, checked.repairs) == ("Una mujer.", ("boilerplate",))
    refused = "Lo siento, pero no puedo describir esta imagen."
    kept = check_reply(reply(refused), language="es")
    assert (kept.text, kept.outcome, kept.repairs) == (refused, "refused", ())
