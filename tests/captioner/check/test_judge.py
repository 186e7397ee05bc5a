"""The learned judge takes out talk that no rule finds, and nothing that is seen."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from captioner.backends.base import Reply
from captioner.check.judge import Scorer, strip_learned
from captioner.check.judge_tokens import Token
from captioner.check.outcome import JUDGED, CheckedReply, check_reply
from captioner.config import CaptionConfig
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

SEEN = [
    "One of them laughs, the other is unable to hide his annoyance.",
    "The car brakes hard, leaving two black marks on the asphalt.",
    "A waiter stumbles, drawing laughter from the next table.",
    "She hesitates, gathers her courage and jumps from the rock.",
    "The mood is festive: paper lanterns, drums, people dancing in the street.",
    "The camera pans left and comes to rest on a stack of chairs.",
    "A man edits a video on two monitors; the timeline is full of green clips.",
    "They pivot beneath a chandelier.",
    'A title reads "The video shows how it all ends" in white letters.',
]


def talk_at(*words: str) -> Scorer:
    """A judge that is sure of these words, and of all others that they are seen."""

    def score(text: str, sentences: list[list[Token]]) -> list[np.ndarray]:
        return [
            np.array([6.0 if token.name in words else -6.0 for token in one]) for one in sentences
        ]

    return score


def checked(text: str, **how: bool) -> CheckedReply:
    """What becomes of a reply."""
    return check_reply(
        Reply(clip_id="c", kind="dense", frames_hash="", text=text, finish="stop"), **how
    )


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [
        ("A dog runs. Quite so indeed.", "quite so indeed", "A dog runs."),
        ("A dog runs, quite so.", "quite so", "A dog runs."),
        ("A dog runs – quite so.", "quite so", "A dog runs."),
        ("Quite so, a dog runs.", "quite so", "A dog runs."),
        ("Quite so a dog runs.", "quite so", "A dog runs."),
        ("A dog, quite so, runs home.", "quite so", "A dog runs home."),
        ("A dog runs, quite so, and barks.", "quite so", "A dog runs, and barks."),
        ("A dog (quite so) runs home.", "quite so", "A dog runs home."),
        ("A dog runs and quite so.", "and quite so", "A dog runs and quite so."),
        ('A dog runs. "Quite so." It barks.', "quite so", 'A dog runs. "Quite so." It barks.'),
        ("Quite so is a dog.", "quite so", "Quite so is a dog."),
        ("A well-quite so dog runs.", "quite so dog runs", "A well-quite so dog runs."),
        ("Style: quite so, a dog runs.", "quite so", "Style: quite so, a dog runs."),
        ("A dog runs, quite a so.", "quite so", "A dog runs, quite a so."),
    ],
)
def test_whole_pieces_go_and_what_stays_stands_by_itself(text, words, left):
    assert strip_learned(text, talk_at(*words.split()))[0] == left


@pytest.mark.parametrize("text", SEEN)
def test_what_is_seen_stays(text):
    assert strip_learned(text) == (text, ())


def test_a_medium_in_the_scene_is_no_recording():
    text = "A boy watches a video on a phone. The video on it shows a cat that falls off a shelf."
    assert strip_learned(text) == (text, ())


def test_captions_of_the_world_stay():
    for seed in range(30):
        text = caption(random_scene(seed), "dense")
        assert strip_learned(text) == (text, ())


TALK = [
    ("A gymnast chalks her hands. It goes without saying that this takes years.", "saying"),
    ("A father lets go of a bicycle. Every parent will recognise the mixture of pride.", "parent"),
]


def test_talk_that_no_rule_finds_goes_unless_the_judge_is_off():
    for text, word in TALK:
        on, off = checked(text), checked(text, judge=False)
        assert word not in on.text and JUDGED in on.repairs and on.raw_text == text
        assert on.outcome == "ok"
        assert off.text == text and JUDGED not in off.repairs


def test_a_caption_of_talk_alone_stays_as_it_is():
    text = "The energy is infectious."
    assert checked(text).text == text


def test_the_embedded_captioner_is_not_read():
    assert CaptionConfig().judge and not CaptionConfig().judges
    assert CaptionConfig(model="org/some-vlm").judges
    assert not CaptionConfig(model="org/some-vlm", judge=False).judges


def test_nothing_is_loaded_where_it_is_off():
    code = (
        "import sys; from captioner.backends.base import Reply; "
        "from captioner.check.outcome import check_reply; "
        f"check_reply(Reply(clip_id='c', kind='dense', frames_hash='', text={TALK[0][0]!r}, finish='stop'), "
        "judge=False); "
        "sys.exit('captioner.check.judge_net' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_other_languages_and_structured_replies_are_not_judged():
    text = "La energía es contagiosa y un zorro cruza la carretera."
    reply = Reply(clip_id="c", kind="dense", frames_hash="", text=text, finish="stop")
    assert JUDGED not in check_reply(reply, language="es").repairs
