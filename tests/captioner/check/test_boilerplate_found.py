"""What is left of a caption, and which phrases are recorded as taken out of it: both, to the letter.

The record is what ``repairs`` tells a user of a caption that was changed; a phrase that is missing there went unseen.
"""

from __future__ import annotations

import pytest

from captioner.check.boilerplate import Stripped, strip_boilerplate

SHOWS = "The video shows"
JOY = "The colors enhance the sense of joy."
PRESENCE = "The guitarist's presence adds to the overall mood."


def held(text: str, left: str | None, *found: str) -> None:
    assert strip_boilerplate(text) == Stripped(text=left, found=found)


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ("Sure, here is the caption: a man sings.", "A man sings.", ["Sure, here is the caption:"]),
        ("Title: Dawn\nCaption: A dog runs.", "A dog runs.", ["Title: Dawn", "Caption:"]),
        (
            "Here is what I see: Sure! A man sings.",
            "A man sings.",
            ["Here is what I see:", "Sure!"],
        ),
        ("Caption 2: A dog runs on a beach.", "A dog runs on a beach.", ["Caption 2:"]),
        ("A dog runs. Caption: It barks.", "A dog runs. It barks.", ["Caption:"]),
        ("My reading, as requested: A dog runs.", "A dog runs.", ["My reading, as requested:"]),
        ("A man sings. I hope this helps!", "A man sings.", ["I hope this helps!"]),
        (
            "A dog runs. The video is well organized. A cat sits.",
            "A dog runs. A cat sits.",
            ["The video is well organized."],
        ),
        (
            "A dog runs. It is likely a promotional video for a hotel.",
            "A dog runs.",
            ["It is likely a promotional video for a hotel."],
        ),
        (
            "Two men sing, though this cannot be confirmed from the video. A dog barks.",
            "Two men sing. A dog barks.",
            ["though this cannot be confirmed from the video"],
        ),
        ("They sing, but it is unclear.", None, ["They sing, but it is unclear."]),
        (
            "A man sits at a desk, but his name is not known.",
            "A man sits at a desk.",
            ["but his name is not known"],
        ),
        (
            "Two men sit in a tent, whose owner is unknown, while a dog barks.",
            "Two men sit in a tent, while a dog barks.",
            ["whose owner is unknown"],
        ),
    ],
)
def test_talk_about_the_answer(text: str, left: str | None, found: list[str]) -> None:
    held(text, left, *found)


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        (
            "It shows a dog. It then shows a cat sleeping.",
            "A dog. A cat is sleeping.", ["The video shows", "The video then shows"],
        ),
        ("It then zooms in on a dog.", "It then zooms in on a dog.", []),
        ("It shows it from above.", "It shows it from above.", []),
        ("It ends with them leaving.", "It ends with them leaving.", []),
        ("It ends with a dog.", "At the end, a dog.", ["The video ends with"]),
        ("It also features a red boat.", "A red boat.", ["The video also features"]),
        ("It is dark. It shows a dog.", "It is dark. A dog.", ["The video shows"]),
        ("It rains. A cat runs. It shows a dog.", "It rains. A cat runs. It shows a dog.", []),
    ],
)  # fmt: skip
def test_it_is_the_video_after_a_sentence_about_the_video(
    text: str, left: str, found: list[str]
) -> None:
    held(f"{SHOWS} a man. {text}", f"A man. {left}", SHOWS, *found)


@pytest.mark.parametrize(
    "text",
    [
        "A man digs. It rains. It shows a dog.",
        "A photo hangs on a wall. In the photo, a man smiles. The photo shows a boat.",
        "A photo hangs on a wall. Overall, the photo shows a boat.",
        "A photo hangs on a wall. The focal point of the photo is a boat.",
        "A video plays on a wall. A dog runs all the way in said footage.",
        "A clip holds the papers. The clip shows a rusty spring.",
        "A man holds a photo. A dog in this photo is barking.",
        "A camera stands on a shelf. The camera captures him from a low angle.",
        "Slowly, around the middle, a man runs. The dog waits by the end of the pier.",
        "A dog runs. Finally, a man walks.",
        "  A man in the rain.  ",
        '"A dog" and "a cat"',
        "“A dog runs on a beach.”",
        "The video shows and ends with a dog.",
        "The video is dark. It zooms in on a cat.",
        "A man sings. Photos hang on a wall. The photos show a boat.",
        '""',
        "A man sings. ...",
    ],
)
def test_things_in_the_scene_are_not_the_video(text: str) -> None:
    held(text, text)


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ('Sure! “A man waves.”', "A man waves.", ["Sure!"]),
        ('Sure! "A man waves."', "A man waves.", ["Sure!"]),
        ("“The video shows a man who waves.”", "A man who waves.", [SHOWS]),
        ('Sure! "A man waves." and "A dog barks."', '"A man waves." and "A dog barks."', ["Sure!"]),
        ('Sure! “A man waves."', '“A man waves."', ["Sure!"]),
        (
            'Sure! Here is a caption:\n\n"The video shows a man who waves."',
            "A man who waves.",
            ["Sure! Here is a caption:", SHOWS],
        ),
        ('The video shows a sign. It reads "Stop" and "Go".', 'A sign. It reads "Stop" and "Go".', [SHOWS]),
        ('In this clip, "Stop". A dog runs.', '"Stop". A dog runs.', ["In this clip,"]),
        ('A dog runs. The video shows "Stop".', 'A dog runs. "Stop".', [SHOWS]),
        ('The video shows "Stop".', None, [SHOWS]),
    ],
)  # fmt: skip
def test_what_is_quoted(text: str, left: str | None, found: list[str]) -> None:
    held(text, left, *found)


@pytest.mark.parametrize(
    ("medium", "left"),
    [
        ("outdoor clip", "An outdoor clip"),
        ("indoor footage", "Indoor footage"),
        ("aerial footage", "Aerial footage"),
        ("elegant animation", "An elegant animation"),
        ("icy scene", "An icy scene"),
        ("old photo", "An old photo"),
        ("grainy photo", "A grainy photo"),
        ("underwater clip", "An underwater clip"),
        ("upbeat clip", "An upbeat clip"),
        ("unique clip", "A unique clip"),
        ("animated gif", "An animated gif"),
        ("timelapse", "A timelapse"),
    ],
)
def test_a_style_gets_the_article_that_it_is_said_with(medium: str, left: str) -> None:
    held(f"This {medium} shows a man.", f"{left} of a man.", f"This {medium} shows")


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ("The camera captures her from a low angle.", "She is seen from a low angle.", "The camera captures her"),
        ("The camera captures them in profile.", "They are seen in profile.", "The camera captures them"),
        ("The camera captures it from above.", "It is seen from above.", "The camera captures it"),
        ("We see her stepping back.", "She is stepping back.", "We see"),
        ("The camera captures them laughing.", "They are laughing.", "The camera captures"),
        ("First, the video shows them walking home.", "First, they are walking home.", "First, the video shows"),
        (
            "Shot from above, the video shows a man walking home.",
            "Shot from above, a man is walking home.", "Shot from above, the video shows",
        ),
        ("We then see a man walking home.", "A man is walking home.", "We then see"),
        ("In this clip, a man walking home waves.", "A man walking home waves.", "In this clip,"),
        ("Overall, the video shows a man walking home.", "A man is walking home.", "Overall, the video shows"),
        ("What stands out is a man walking home.", "A man is walking home.", "What stands out is"),
        ("Overall, what stands out is a man walking home.", "A man is walking home.", "Overall, what stands out is"),
        ("The next scene shows a man walking home.", "Then a man walking home.", "The next scene shows"),
        ("In the next frame, a cat sits.", "Then a cat sits.", "In the next frame,"),
        ("In the next part, a cat sits.", "Then a cat sits.", "In the next part, "),
        ("Overall, in the next part, a cat sits.", "Then a cat sits.", "In the next part, "),
        ("The video then shows a cook and then cuts to a cat.", "A cook, then a cat.", "The video then shows"),
        (
            "The final frame shows a cook who turns and then tilts the pan.",
            "At the end, a cook who turns and then tilts the pan.", "The final frame shows",
        ),
        (
            "The video is shot in black and white, and a trio plays.",
            "Shot in black and white, a trio plays.", "The video is",
        ),
        ("The video also quietly relies on macro close-ups.", "Macro close-ups.", "The video also quietly relies on"),
        (
            "The video captures the beauty of two swans in the mist.",
            "The beauty of two swans in the mist.", "The video captures",
        ),
        (
            "The scene celebrates the beauty of a lake at dawn.",
            "A lake at dawn.",
            "The scene celebrates the beauty of",
        ),
        ("We see Her stepping back.", "She is stepping back.", "We see"),
        (
            "If you look closely, a cat sits on the roof.",
            "A cat sits on the roof.",
            "If you look closely",
        ),
        ("Additionally, it can be seen that a cat sleeps.", "A cat sleeps.", "It can be seen that"),
        ("A cat barks, as seen in the video.", "A cat barks.", "as seen in the video"),
        ("At the end of the video, a man walks.", "At the end, a man walks.", "At the end of the video"),
    ],
)  # fmt: skip
def test_after_another_sentence(text: str, left: str, found: str) -> None:
    held(f"A dog runs. {text}", f"A dog runs. {left}", found)


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ("The video shows a man walking home.", "A man walking home.", [SHOWS]),
        ("What stands out is a man walking home.", "A man walking home.", ["What stands out is"]),
        ("In the next frame, a dog runs.", "A dog runs.", ["In the next frame,"]),
        ("In the next part, a man runs.", "A man runs.", ["In the next part, "]),
        ("Overall, in the next part, a man runs.", "A man runs.", ["In the next part, "]),
        ("The video shows a dog and then cuts to a cat.", "A dog, then a cat.", [SHOWS]),
        ("The video shows two dogs.", "Two dogs.", [SHOWS]),
        ("The blurry images show a man.", "Blurry images of a man.", ["The blurry images show"]),
        ("The old pictures show a man.", "Old pictures of a man.", ["The old pictures show"]),
        ("The clip, A time-lapse, shows a man.", "A time-lapse of a man.", ["The clip, A time-lapse, shows"]),
        ("The clip ends with them leaving.", "It ends with them leaving.", ["The clip ends with"]),
        ("In this clip, is a dog.", None, ["In this clip"]),
        ("  With care, in this clip, a dog runs.", "With care, a dog runs.", ["in this clip"]),
        ("The clip is lovely.", None, ["The clip is lovely."]),
        ('"', None, ['"']),
        ("The video shows dogs.", None, [SHOWS]),
        ("a dog barks, as seen in the video.", "A dog barks.", ["as seen in the video"]),
        (
            "The beginning of the video is dark. Around the middle, a man runs.",
            "The beginning is dark. Midway, a man runs.",
            ["of the video", "Around the middle"],
        ),
        (
            "Slowly, around the middle, a man runs. A dog waits at the end of the clip.",
            "Slowly, around the middle, a man runs. A dog waits at the end.",
            ["at the end of the clip"],
        ),
        (
            ", ".join(["In this clip"] * 9) + ", a dog runs.",
            "A dog runs.",
            ["In this clip,"] * 9,
        ),
    ],
)  # fmt: skip
def test_at_the_beginning(text: str, left: str | None, found: list[str]) -> None:
    held(text, left, *found)


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ("a dog runs, evoking a sense of joy.", "A dog runs.", "evoking a sense of joy"),
        (
            "A dog runs in the surf, underscoring the loss.",
            "A dog runs in the surf.",
            "underscoring the loss",
        ),
        (
            "A dog runs all the way, as seen across said footage.",
            "A dog runs all the way.",
            "as seen across said footage",
        ),
        (
            "A man drums. The camera pans left. The camera captures him from a low angle.",
            "A man drums. The camera pans left. He is seen from a low angle.",
            "The camera captures him",
        ),
        ("Mist rises, creating a cozy atmosphere.", "Mist rises.", "creating a cozy atmosphere"),
        (
            "A man sings, adding a touch of cinematic drama to the scene, with no other objects visible.",
            "A man sings, adding a touch of cinematic drama to the scene.",
            "with no other objects visible",
        ),
        (
            "A photo hangs on a wall. The photo shows a boat, adding a touch of whimsy to the scene.",
            "A photo hangs on a wall. The photo shows a boat.",
            "adding a touch of whimsy to the scene",
        ),
        (
            "A dog runs through the surf, which is a delight to watch.",
            "A dog runs through the surf.",
            "which is a delight to watch.",
        ),
        (
            "A sign on the left of the image is red, and a dog in the image is barking.",
            "A sign on the left of the image is red, and a dog is barking.",
            "in the image",
        ),
        (
            "A photo hangs on a wall. In the photo, a man smiles at the end of the video.",
            "A photo hangs on a wall. In the photo, a man smiles at the end.",
            "at the end of the video",
        ),
        (
            "A photo hangs. A man in this photo waves as a dog in this clip barks.",
            "A photo hangs. A man in this photo waves as a dog barks.",
            "in this clip",
        ),
        (
            "A man sings. The dancers in red skirts convey a sense of joy.",
            "A man sings. The dancers in red skirts.",
            "convey a sense of joy",
        ),
        ("A dog runs. However, nothing else happens.", "A dog runs.", "However, nothing else happens."),
        (
            "A dog runs. Moreover, the video is humorous in nature.",
            "A dog runs.",
            "Moreover, the video is humorous in nature.",
        ),
    ],
)  # fmt: skip
def test_further_on_in_a_sentence(text: str, left: str, found: str) -> None:
    held(text, left, found)


@pytest.mark.parametrize(
    "talk",
    [
        JOY,
        PRESENCE,
        f"Slowly, {JOY[0].lower()}{JOY[1:]}",
        "Slowly, it is likely a promotional video for a hotel.",
        "The frames are arranged in chronological order.",
        "The clip is lovely.",
        "The video shows.",
    ],
)
def test_a_sentence_that_goes_is_recorded_once(talk: str) -> None:
    held(f"A man sings. {talk} A dog runs.", "A man sings. A dog runs.", talk)
