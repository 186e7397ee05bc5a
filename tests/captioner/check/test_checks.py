"""Reply checks on defects and, just as important, on captions that only resemble them."""

from __future__ import annotations

import pytest

from captioner.check.checks import LONG_QUOTE, LONG_WORDS, is_looped, is_truncated, judge_reply
from captioner.check.refusal import is_refusal, without_limits
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

GOOD = [
    "A man in a red coat walks a dog along a snowy street while cars pass behind him.",
    "Two boys play chess at a table in a park. One of them laughs, the other is unable to hide his annoyance.",
    'A woman says she cannot help it and shrugs, in front of a blue door with white text reading "Open".',
    "A video camera stands on a tripod beside a lake; the picture on its screen shows mountains.",
    "A scene painter works on a large backdrop of clouds, up and down and up and down a ladder.",
    "Waves roll in, one after the other, and break on dark rocks.",
    "An image of a lion is carved above the gate; visitors walk past it without looking up.",
    "A café terrace in São Paulo with people in the shade of umbrellas.",
    "Red.",
    "A very, very tall man ducks under a doorway and, smiling, straightens up again.",
    'A crowd holds up letters that spell "GO GO GO GO GO GO" while a cyclist passes.',
    "A boy leans against a wall on which the rules of a swimming pool are painted.",
    "World War I soldiers cannot cross a flooded trench and pass planks along the line.",
    "A farmer says no, no, no to a goose and shoos it out with a broom.",
]
BAD = {
    "boilerplate": [
        "The video shows a man walking his dog.",
        "This short clip depicts a busy street at night.",
        "In this video, a man walks his dog.",
        "The image is of a lion in the grass.",
        "Sure! A man walks his dog.",
        "Here is a description of the frames: a man walks.",
        "A series of frames showing a dog. The frames show it running.",
        "Caption: a dog runs over the grass.",
    ],
    "refused": [
        "I'm sorry, but I can't help with identifying people in images.",
        "I cannot describe this image.",
        "As an AI language model, I do not have eyes.",
        "Unfortunately I am unable to view the frames you sent.",
    ],
    "empty": ["", "  \n "],
    "looped": [
        "A dog runs. " + "The dog runs to the left. " * 4,
        "A red car, a red car, a red car, a red car, a red car.",
        "very very very very very very very very tall tree by the road",
        "A The The The The",
        "A The The The The at the bottom. The background is static.",
        "A woman walks to the to the to the to the to the to the to the door.",
        'A sign reads "' + "open and closed and " * 8 + '" over a door.',
        "A long waaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay",
    ],
    "malformed": [
        '{"subject": "a dog"}',
        "A dog runs.<|im_end|>",
        "```A dog runs```",
        "Assistant: A dog runs over the grass.",
        "A dog \ufffd\ufffd runs.",
        "... !!",
        "4 5 6",
    ],
    "off_language": [
        "\u4e00\u53ea\u72d7\u5728\u8349\u5730\u4e0a\u5954\u8dd1\u3002",
        "A dog runs over the \u8349\u5730\u4e0a\u5954\u8dd1 grass.",
        "Ein Hund läuft schnell über eine grüne Wiese und bellt dabei laut.",
        "Un chien court sur une pelouse verte pendant que les enfants jouent.",
    ],
}


@pytest.mark.parametrize("text", GOOD)
def test_good_captions_pass(text: str) -> None:
    assert judge_reply(text, finish="stop").outcome == "ok", judge_reply(text).checks


@pytest.mark.parametrize(("outcome", "text"), [(k, t) for k, ts in BAD.items() for t in ts])
def test_defects_are_named(outcome: str, text: str) -> None:
    verdict = judge_reply(text, finish="stop")
    assert outcome in verdict.checks, verdict
    if outcome != "boilerplate":
        assert verdict.outcome != "ok"


QUOTED = [
    'A sign on the door reads "Sorry, I cannot let you in." A man turns away.',
    "A sign on the door reads \u201cSorry, I cannot let you in.\u201d A man turns away.",
    'A robot in a tin suit says, "As an AI I have no eyes", and bows to the crowd.',
    'White text says "No video was found" over a blue screen.',
    'A poster reads "Please provide your ticket" above a turnstile.',
    'A subtitle reads "I refuse to describe it" while a woman looks out of a window.',
]


@pytest.mark.parametrize("text", QUOTED)
def test_what_is_quoted_is_no_refusal(text: str) -> None:
    """Text in the picture, said word for word, is what a dense caption is for; taken for a refusal, it is lost."""
    assert judge_reply(text, finish="stop").checks == ()
    assert is_refusal(text.replace('"', "").replace("\u201c", "").replace("\u201d", "")) or (
        "provide" in text
    ), "the quotes are what makes the difference"


def test_a_refusal_with_a_quotation_in_it_is_one() -> None:
    assert is_refusal('I cannot say who is in the picture, but a sign reads "Open".')
    assert is_refusal('The caption "a dog" is wrong. I am unable to describe the frames.')


def test_true_world_captions_are_never_flagged() -> None:
    for seed in range(100):
        for kind in ("short", "dense"):
            text = caption(random_scene(seed), kind)
            assert judge_reply(text, finish="stop").checks == (), text


def test_how_generation_ended_decides_too() -> None:
    text = "A dog runs over the grass"
    assert judge_reply(text, finish="length").outcome == "truncated"
    assert judge_reply(text, finish="content_filter").outcome == "refused"
    assert judge_reply(None, error="timeout: 5 s").outcome == "error"
    looped = judge_reply("The dog runs to the left. " * 9, finish="length")
    assert looped.outcome == "looped" and "truncated" in looped.checks


@pytest.mark.parametrize(
    ("text", "looped"),
    [
        ("A The The The The The at the bottom. The background is static. The static.", True),
        ("A The The The The", True),
        ("A dog runs to to to the left.", True),
        ("A man waves at the camera, and then at the the end he bows.", False),
        ('A sign reads "THE THE THE" above the door.', False),
        ("A very, very, very long train passes.", False),
        ("The cat, the dog, the bird and the fish sit in a row.", False),
    ],
)
def test_a_stutter_is_a_loop(text: str, looped: bool) -> None:
    assert is_looped(text) is looped


WORDS = "a dog runs over the wet green grass of a wide lawn"


@pytest.mark.parametrize("mark", list(".!?…:;)]\"'”’*") + [".**", '."'])
def test_a_server_that_does_not_say_how_it_ended_is_judged_by_the_last_mark(mark: str) -> None:
    """Cut captions that count as whole teach a model to stop in the middle."""
    assert len(WORDS.split()) == LONG_WORDS
    assert is_truncated(WORDS, None) and judge_reply(WORDS).outcome == "truncated"
    assert not is_truncated(WORDS + mark, None)
    assert all(is_truncated(WORDS + open_end, None) for open_end in (",", " -", " and")), (
        "a comma ends no text"
    )
    assert not is_truncated(WORDS.rpartition(" ")[0], None), "a short one may be a title"
    assert not is_truncated(WORDS, "stop") and is_truncated(WORDS + mark, "length")


def test_an_error_is_one_with_and_without_text() -> None:
    for text in (None, "", "A dog runs."):
        verdict = judge_reply(text, error="timeout: 5 s")
        assert (verdict.outcome, verdict.checks) == ("error", ("error",))
    assert judge_reply(None).checks == ("error",)


def test_counting_is_a_loop_and_two_of_a_kind_are_none() -> None:
    assert is_looped("Progress 5 percent, progress 10 percent, progress 15 percent.")
    assert not is_looped("Progress 5 percent, progress 10 percent, then the end.")
    assert is_looped("The dog runs. the Dog runs, THE DOG RUNS and then it stops.")


@pytest.mark.parametrize(
    ("text", "looped"),
    [
        ("Left right left right left right, and home.", False),
        ("Left right left right left right left right left right left right.", True),
        ("Very very very dark.", False),
        ("Very very very very dark.", True),
        ("The score is 5 5 5 5 5.", False),
        ("The score is 5 5 5 5 5 5.", True),
        ("A dog runs a dog runs a dog.", False),
        ("Here a dog runs a dog runs a dog.", False),
        ("A dog runs a dog runs a dog runs.", True),
        ("A dog runs a dog runs past us, then a dog runs.", False),
        ('A sign "go" a sign "stop" a sign "left".', False),
        ("A dog runs home. A cat sleeps. A dog runs home. It rains. A dog runs home.", True),
        ("A dog runs home. A cat sleeps. A dog runs home. It rains.", False),
        ("It is dark. A dog runs home. It is dark. A cat sleeps. It is dark.", False),
        (f'"{("go on now " * 9)[: LONG_QUOTE - 2]}"', False),
        (f'"{("go on now " * 9)[: LONG_QUOTE - 1]}"', True),
    ],
)
def test_where_a_loop_begins(text: str, looped: bool) -> None:
    """A caption called a loop is asked for again and may be lost; a loop called a caption is trained on."""
    assert is_looped(text) == looped


SCENE = "A man in a red coat walks past a shop with two bags."
SHORTEST = "A man walks past two shops."


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"{SCENE} I cannot read the sign.", SCENE),
        (f"{SHORTEST} I cannot read the sign.", SHORTEST),
        (SHORTEST.replace("two ", "") + " I cannot read the sign.", None),
        (
            'A shop with a sign "OPEN LATE" and one "50 % OFF" above the door at night. I cannot read the rest.',
            'A shop with a sign "OPEN LATE" and one "50 % OFF" above the door at night.',
        ),
        (f"I cannot tell who it is, but a man, bags in hand, walks past us. {SCENE}",
         f"A man, bags in hand, walks past us. {SCENE}"),
        (f"I cannot tell who it is, but a dog runs home. {SCENE}", SCENE),
        (f"I cannot tell who it is, but a dog runs home over the wet grass. {SCENE}",
         f"A dog runs home over the wet grass. {SCENE}"),
        (f"I cannot tell the time, which would need a clock on the wall. {SCENE}", SCENE),
        (f"I cannot tell who they are, Two men in red coats are sitting there. {SCENE}",
         f"Two men in red coats are sitting there. {SCENE}"),
        (f'{SCENE} I cannot read it all, but the heading reads "Bread."', f'{SCENE} The heading reads "Bread."'),
        (f"I can see a dog on a mat. {SCENE} I cannot read the sign.", f"I can see a dog on a mat. {SCENE}"),
        (f"{SCENE} I cannot describe this video.", None),
        (f"{SCENE} Let me know if you need more. I cannot read the sign.", None),
    ],
)  # fmt: skip
def test_only_what_cannot_be_made_out_is_left_out(said: str, left: str | None) -> None:
    assert without_limits(said) == left


@pytest.mark.parametrize(
    ("language", "text", "refused"),
    [
        ("zh", "抱歉,我无法查看该视频内容,请您提供更多信息。", True),
        ("zh", "对不起，作为AI我不能描述这个视频。", True),
        ("zh", "男孩无法打开罐子,于是请母亲帮忙。", False),
        ("ja", "申し訳ありませんが、この動画を説明することはできません。", True),
        ("ko", "죄송하지만 이 영상을 설명할 수 없습니다.", True),
        ("fr", "Je suis désolé, mais je ne peux pas décrire cette vidéo.", True),
        ("fr", "Un homme ne peut pas ouvrir la porte.", False),
        ("es", "No puedo ver el video. Por favor, súbelo de nuevo.", True),
        ("it", "Mi dispiace, ma non posso descrivere questo video.", True),
        ("pt", "Desculpe, mas não consigo assistir a vídeos.", True),
        ("de", "Es tut mir leid, aber ich kann dieses Video nicht beschreiben.", True),
        ("de", "Ein Mann kann die Tür nicht öffnen und klopft ans Fenster.", False),
        ("ru", "К сожалению, я не могу описать это видео.", True),
    ],
)
def test_refusals_in_the_language_that_was_asked_for(
    language: str, text: str, refused: bool
) -> None:
    assert ("refused" in judge_reply(text, finish="stop", language=language).checks) == refused


def test_what_cannot_be_made_out_is_no_refusal_in_other_languages_either() -> None:
    from captioner.check.refusal_languages import without_limits_in

    text = "街角站着一个卖气球的人。我无法辨认远处的招牌。孩子们围着他。"
    assert without_limits_in(text, "zh") == "街角站着一个卖气球的人。孩子们围着他。"


def test_pairs_without_a_brace_are_no_prose() -> None:
    assert judge_reply('"description": "A red balloon", "camera": "pan"').outcome == "malformed"
    assert "malformed" not in judge_reply('"Stop" says a sign by the road.').checks


@pytest.mark.parametrize("end", ["to untie the", "starts to foam and", "an old man and an", "into"])
def test_a_sentence_that_hangs_is_cut_whatever_the_server_says(end: str) -> None:
    text = f"A man steps onto the nearest boat and goes {end}"
    assert judge_reply(text, finish="stop").outcome == "truncated"
    assert judge_reply(f"{text} rope.", finish="stop").outcome == "ok"


def test_a_text_without_a_full_stop_need_not_hang() -> None:
    text = "A man in a red coat walks along the snowy street that his dog pulls him to"
    assert judge_reply(text, finish="stop").outcome == "ok"
    assert judge_reply("Sie zündet eine Kerze an", finish="stop", language="de").outcome == "ok"
