"""Boilerplate goes, and no other word does: what is left is the reply's own words, in their order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.check.boilerplate import Stripped, strip_boilerplate
from captioner.check.checks import has_boilerplate
from captioner.check.outcome import THINKING
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

REST = "a man in a red coat walks a dog along a snowy street"
OPENINGS = [
    "The video shows ",
    "This short clip depicts ",
    "The frames provided show that ",
    "In this video, we see ",
    "In this clip, there is ",
    "This is a video of ",
    "There is a short clip in which ",
    "Here is a description of the frames: ",
    "Sure! ",
    "Of course, here is the caption: the video shows ",
    "Caption: ",
    "What we see here is ",
    "Based on the frames, it is clear that ",
    "The footage opens with ",
    "The video seems to show ",
]


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_opening_about_the_video_goes_and_the_rest_stays_word_for_word(opening: str) -> None:
    stripped = strip_boilerplate(f"{opening}{REST}.")
    assert stripped.text == f"A{REST[1:]}." and stripped.found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The video shows a man. In this clip, he runs.", "A man. He runs."),
        ("A dog runs throughout the video. It barks.", "A dog runs throughout. It barks."),
        ("A dog runs, in this clip, over the grass.", "A dog runs, over the grass."),
        ("There is a dog on the lawn.", "There is a dog on the lawn."),
        ("In this clip, there is a dog on the lawn.", "A dog on the lawn."),
        (
            'The video shows a sign. "The video shows a dog," it says.',
            'A sign. "The video shows a dog," it says.',
        ),
        ("The video camera stands on a tripod.", "The video camera stands on a tripod."),
        ("The clip shows us two boys.", "Two boys."),
    ],
)
def test_sentences_keep_their_order(text: str, left: str) -> None:
    assert strip_boilerplate(text).text == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The video provides an aerial view of a farm.", "An aerial view of a farm."),
        ("The clip gives us a close-up look at a bee.", "A close-up look at a bee."),
        ("The video offers a brief glimpse into a bakery.", "A bakery."),
        ("The shot begins on a shoe and cranes up.", "The shot begins on a shoe and cranes up."),
        ("The final frame shows an empty swing.", "At the end, an empty swing."),
        ("A boy digs. The next images show a dog.", "A boy digs. Then a dog."),
        ("Shot from above, the video shows a beach.", "Shot from above, a beach."),
        (
            "The video starts with a street and then zooms in on a shop.",
            "A street; the camera then zooms in on a shop.",
        ),
        ("Boys run over a lawn, creating a sense of joy.", "Boys run over a lawn."),
        ("Mist rises, creating a sense of depth.", "Mist rises, creating a sense of depth."),
        ("A cow eats. No other animals are visible.", "A cow eats."),
        (
            "A cow eats. No camera movement is visible.",
            "A cow eats. No camera movement is visible.",
        ),
        ("A man sings. The exact city cannot be determined.", "A man sings."),
        ("These frames are taken from a video. A man sings.", "A man sings."),
        ("A man sings. The video is humorous in nature.", "A man sings."),
        ("A man sings. The video is blurry.", "A man sings. The video is blurry."),
        (
            "In the first frame, it is dark; in the last frame, it rains.",
            "At first, it is dark; at the end, it rains.",
        ),
        ("At around the 8-second mark, a dog jumps in.", "A dog jumps in."),
        ("A pot boils. At the 12-second mark, steam rises.", "A pot boils. Then steam rises."),
        ("Halfway through the clip, a rider falls.", "Midway, a rider falls."),
        ("As the video draws to a close, candles go out.", "At the end, candles go out."),
        ("Title: The Last Bus\nDescription: A bus waits in the rain.", "A bus waits in the rain."),
        (
            "A pot boils. The video then shows the lid rattling.",
            "A pot boils. The lid is rattling.",
        ),
        ("First, the clip shows a smith heating the iron.", "First, a smith is heating the iron."),
        ("The camera captures a herd of goats.", "A herd of goats."),
        (
            "A man drums. The camera captures him from a low angle.",
            "A man drums. He is seen from a low angle.",
        ),
        ("The clip, which is about ten seconds long, depicts a frog.", "A frog."),
        ("The video, a time-lapse, shows clouds.", "A time-lapse of clouds."),
        ("The video is shot in sepia, and a trio plays.", "Shot in sepia, a trio plays."),
        ("The footage has a shaky, distant look.", "A shaky, distant look."),
        ("It is worth noting that the video has no sound. A pot boils.", "A pot boils."),
        (
            "It looks like a lab, though this cannot be confirmed from the video.",
            "It looks like a lab.",
        ),
        (
            "It is hard to see in the fog; a man sings.",
            "It is hard to see in the fog; a man sings.",
        ),
    ],
)
def test_what_is_seen_stays_and_what_is_only_said_goes(text: str, left: str) -> None:
    assert strip_boilerplate(text).text == left


@pytest.mark.parametrize(
    "text",
    [
        "The camera captures a cyclist and then pans to the crowd.",
        "A woman holds a camera. The camera captures a bird on her arm.",
        "A frame of a window hangs in the first frame shop on the left.",
        "In the middle, a red car is parked. Around the middle, she wears a belt.",
        "A worker checks the last frame of the conveyor and the clip on the belt.",
        "A music video style shot of a singer in rain.",
        "The screen shows a match while the men cheer.",
        "At 7:30, the alarm rings and a hand slaps it.",
        "A man speaks, though he is not clear in the fog.",
        "Its tail sways from frame to frame.",
        "A film crew records a scene in front of a photo on a wall.",
        "[00:00 - 00:03] A hand draws a circle.",
    ],
)
def test_what_only_looks_like_talk_stays(text: str) -> None:
    assert strip_boilerplate(text) == Stripped(text=text, found=())


@pytest.mark.parametrize("text", ["Caption:", "Sure!", "In this clip,", "The video shows."])
def test_what_would_leave_nothing_is_found_and_not_repaired(text: str) -> None:
    stripped = strip_boilerplate(text)
    assert stripped.text is None and stripped.found


@pytest.mark.parametrize("text", ["", "   ", "Dog.", "Rain"])
def test_what_is_no_boilerplate_is_not_touched_however_short(text: str) -> None:
    assert strip_boilerplate(text) == Stripped(text=text, found=())


@pytest.mark.parametrize(
    "text",
    ["The video shows.", "The video is of.", "The video shows it.", "This clip features and ends."],
)
def test_a_rest_that_does_not_stand_alone_is_left_as_it_was(text: str) -> None:
    assert strip_boilerplate(text).text in (None, text)


def test_true_captions_pass_unchanged() -> None:
    for seed in range(60):
        text = caption(random_scene(seed), "dense")
        assert strip_boilerplate(text) == Stripped(text=text, found=())
        assert strip_boilerplate(f"The video shows {text[0].lower()}{text[1:]}").text == text


WORDS = st.sampled_from(
    ("red", "dog", "runs", "over", "the", "grass", "while", "watch", "and", "laugh")
)


@given(st.lists(WORDS, min_size=3, max_size=12), st.sampled_from(["", *OPENINGS]), st.booleans())
def test_no_word_is_made_up_and_none_of_the_description_is_lost(
    words: list[str], opening: str, second: bool
) -> None:
    """The words that are left are the last ones of the reply: only its beginning may go."""
    body = " ".join(["three", "boys", *words])
    text = f"{opening}{body}." + (" Then they go home." if second else "")
    stripped = strip_boilerplate(text)
    left = stripped.text
    if left is None:
        return
    if not stripped.found:
        assert left == text
        return
    said, kept = (re.findall(r"\w+", part.lower()) for part in (text, left))
    assert kept == said[len(said) - len(kept) :], "words were changed, added or left out inside"
    assert len(kept) >= len(words) + 2 + 4 * second, "the description lost words"
    assert left[0] == left[0].upper()


def test_what_is_repaired_is_boilerplate_no_more() -> None:
    for opening in OPENINGS:
        left = strip_boilerplate(f"{opening}{REST}.").text
        assert left is not None and not has_boilerplate(left)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>Two dogs?\nNo, one.</think>\n\nA dog.", "A dog."),
        ("  <THINKING>hm</THINKING> A dog.", "A dog."),
        ("A dog. <think>late</think>", "A dog. <think>late</think>"),
        ("<think>never ends. A dog.", "<think>never ends. A dog."),
        ("<think>a</think>b</think> A dog.", "b</think> A dog."),
    ],
)
def test_thinking_aloud_goes_only_in_front_of_the_answer(reply: str, answer: str) -> None:
    assert THINKING.sub("", reply, count=1) == answer


def test_where_it_unfolds_stays_whatever_unfolds() -> None:
    text = "The video narrative unfolds in a bustling kitchen, where a chef sears scallops."
    left = strip_boilerplate(text).text
    assert left == "In a bustling kitchen, where a chef sears scallops."


def test_a_scene_of_a_film_is_more_than_a_guess_at_its_source() -> None:
    text = "This is a scene from an animated film in which a blue monster carries a girl."
    left = strip_boilerplate(f"{text} He tiptoes.").text
    assert left == "An animated film in which a blue monster carries a girl. He tiptoes."


def test_a_quoted_caption_between_two_pieces_of_talk_is_the_caption() -> None:
    text = 'Sure! Here is a caption for the video:\n\n"A dog runs on a beach."\n\nLet me know if you want another!'
    assert strip_boilerplate(text).text == "A dog runs on a beach."


def test_an_announcement_without_a_caption_is_none() -> None:
    assert strip_boilerplate("Here is a detailed description of the video:").text is None


def test_the_look_of_a_thing_goes_with_what_it_is_said_to_do() -> None:
    text = "A girl dances. The colors symbolize unity and the triumph of good over evil."
    assert strip_boilerplate(text).text == "A girl dances."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "A cat sits on a wall. As the video continues, a dog runs.",
            "A cat sits on a wall. Then a dog runs.",
        ),
        ("The video shows them walking home.", "They are walking home."),
        ("We see him stepping back from the door.", "He is stepping back from the door."),
        ("This animated clip shows a man.", "An animated clip of a man."),
        ("This colorful clip shows a man.", "A colorful clip of a man."),
        (
            "A cat sits. The focal point of the clip is a boat drifting past the pier.",
            "A cat sits. A boat is drifting past the pier.",
        ),
        ("A dog runs. The video shows a man walking home.", "A dog runs. A man is walking home."),
    ],
)
def test_what_is_left_is_a_sentence_again(text: str, left: str) -> None:
    """Captions in pieces teach a model to write in pieces."""
    assert strip_boilerplate(text).text == left


def test_one_of_two_arms_is_no_viewer():
    text = "She bends backward, and lets one arm trail behind her. Light falls through a window."
    assert strip_boilerplate(text).text == text
    assert strip_boilerplate("A dog yawns on a mat, making one feel sleepy.").text == (
        "A dog yawns on a mat."
    )


def test_what_a_video_shows_how_to_do_stays():
    text = "The video shows how to change a flat tire. A hand flips the lever of the wheel."
    assert strip_boilerplate(text).text == (
        "How to change a flat tire. A hand flips the lever of the wheel."
    )
