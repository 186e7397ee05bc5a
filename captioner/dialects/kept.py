"""Whether a caption in another dialect says what the fields say: what it lost of them, and what it added.

An assertion is one filled field. It is lost when a content word of it is missing, or its number; a word is added when
it is in no field and no fixed wording of the dialects.
"""

from __future__ import annotations

import re

from captioner.ask.structured import Structured
from captioner.render import NUMBERS

SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those of in on at to from with and or by for as is are was were "
        "be it its has have there into over under",
    )
)
"""Words that assert nothing by themselves."""
WORDING = frozenset(
    re.findall(
        r"[^\W_]+",
        "background camera light scene lit style text can read seconds s shot 1 "
        "integrated_multimodal_description overall_soundscape non_diegetic_music "
        "subjects description appearance_details action actions location number_of_subjects "
        "background_setting lighting conditions cinematography camera_motion style_medium time "
        "text_and_signage_elements temporal_caption resolution h w duration fps",
    )
)
"""Words of the dialects' own frames: ``The background is``, ``The text ... can be read``, names of fields."""


def assertions(fields: Structured) -> list[tuple[str, str]]:
    """(name of the field, what it says) of every filled field, in order."""
    found = []
    for i, subject in enumerate(fields.subjects):
        place = f"subjects[{i}]"
        if subject.count is not None and subject.count > 1:
            found.append((f"{place}.count", str(subject.count)))
        found += [
            (f"{place}.{name}", getattr(subject, name))
            for name in ("name", "appearance", "action", "position")
        ]
    found += [
        (name, getattr(fields, name)) for name in ("background", "camera", "lighting", "style")
    ]
    found += [(f"text[{i}]", text) for i, text in enumerate(fields.text)]
    for i, event in enumerate(fields.events):
        found.append((f"events[{i}]", f"{event.what} {event.start_s:.3g} {event.end_s:.3g}"))
    return [(place, said) for place, said in found if said.strip()]


def lost(fields: Structured, text: str) -> list[str]:
    """Names of the fields that ``text`` no longer states."""
    have = words(text)
    return [
        place
        for place, said in assertions(fields)
        if not all(word in have or _number(word) in have for word in words(said))
    ]


def added(fields: Structured, text: str) -> list[str]:
    """Words of ``text`` that no field states, in order of the alphabet."""
    known = set(WORDING)
    for _, said in assertions(fields):
        known |= words(said) | {_number(word) for word in words(said)}
    known |= {str(s.count) for s in fields.subjects} | {NUMBERS[1]}
    return sorted(words(text) - known)


def words(text: str) -> set[str]:
    """Content words and numbers of a text, lower case; underscores and punctuation part them."""
    found = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower())
    return {word for word in found if word not in SMALL}


def _number(word: str) -> str:
    return NUMBERS[int(word)] if word.isdigit() and 0 < int(word) < len(NUMBERS) else word
