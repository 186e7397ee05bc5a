"""What a captioner is asked, per kind, and the hash that ties a caption to the question it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from captioner.ask.model_note import read_note
from captioner.config import LANGUAGES

PROMPTS: dict[str, str] = {
    "short": (
        "These are {frames} frames, in order and evenly spaced, from a {seconds} second video. "
        "State its main subject and what it does in one sentence of at most 20 words. "
        "Begin with the subject itself."
    ),
    "dense": (
        "These are {frames} frames, in order and evenly spaced, from a {seconds} second video. "
        "Describe it in one paragraph of 60 to 150 words for someone who cannot see it: each subject with its "
        "number, appearance, position and what it does from beginning to end; the surroundings; the camera's "
        "movement; light, colours and style; any legible text, quoted. State only what is visible, plainly, "
        "without guesses or mention of what is absent. Begin with the subject itself, "
        "not with a phrase about the video or its frames."
    ),
    "structured": (
        "These are {frames} frames, in order and evenly spaced, from a {seconds} second video. "
        "Describe it as one JSON object with these keys. subjects: a list, the main subject first, each with "
        "name (the noun as written for its count), count (a whole number, or null when they cannot be counted), "
        "appearance, action (a predicate that says what it does from beginning to end) and position (where in the "
        "frame). background: the surroundings. camera: a predicate for the camera, such as pans left or is static. "
        "lighting: a predicate for the light. style: the look of the medium. text: a list of legible texts, "
        "verbatim. events: a list in order of time, each with start_s and end_s in seconds from the start and what, "
        "a short clause. State only what is visible; leave a text empty, and a list empty, where there is nothing "
        "to say, and never state what is absent. Answer with the JSON object alone."
    ),
}
"""Asked of general vision-language models."""

WORLD_PROMPTS: dict[str, str] = {
    "short": "{frames} frames of {seconds} seconds. Name the main subject.",
    "dense": "{frames} frames of {seconds} seconds. Describe everything.",
    "structured": "{frames} frames of {seconds} seconds. Describe everything.",
}
"""Asked of the embedded captioner, which was trained on two questions and understands no others: its structured caption
is its dense one taken apart (``captioner.check.derive``)."""

HINTED = (
    "The following was measured in the video and is certain. Say nothing that contradicts it, and work into the "
    "description, in your own words, what belongs there:"
)
"""Before the hints."""


def prompt_set(
    model: str, prompts: Mapping[str, str] | None = None, language: str = "en"
) -> dict[str, str]:
    """Prompt template per kind for a model: the caller's, those that it was trained with, or ours.

    Ours asks for another language than English by name; a caller's prompt is not touched.
    """
    if model == "embedded":
        base = WORLD_PROMPTS
    else:
        note = read_note(model)
        ours = PROMPTS
        if language != "en":
            ours = {kind: f"{text} Write in {LANGUAGES[language]}." for kind, text in ours.items()}
        base = ours if note is None else {**ours, **note.prompts}
    return {**base, **(prompts or {})}


def fill(template: str, *, frames: int, seconds: float) -> str:
    """The question for one clip; ``seconds`` is stated to a tenth."""
    try:
        return template.format(frames=frames, seconds=f"{seconds:.1f}")
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"prompt {template[:60]!r} has a placeholder that is not {{frames}} or {{seconds}} "
            f"({error}); double literal braces"
        ) from None


def with_hints(question: str, hints: Sequence[str]) -> str:
    """The question, and what was measured beforehand: sentences that the model may rely on."""
    if not hints:
        return question
    return f"{question} {HINTED} {' '.join(hints)}"


def prompt_hash(template: str, hints: Sequence[str] = ()) -> str:
    """Hash of a prompt template and the hints given with it: 16 hex digits."""
    return hashlib.blake2b(with_hints(template, hints).encode(), digest_size=8).hexdigest()


def sampling_hash(**settings: object) -> str:
    """Hash of the settings that shape decoding (token limit, temperature): 16 hex digits."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
