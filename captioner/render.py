"""Prose from a structured caption: the same fields, dropped and ordered differently per clip and epoch.

HunyuanVideo (2024) drops and permutes the fields of its structured captions to vary length and order; SkyReels-V2
(2025) drops appearance, position and lighting with 10 %. Here every choice is a hash of (seed, epoch, clip_id, field),
so it depends neither on workers nor on where a run was resumed.
"""

from __future__ import annotations

import re

import xxhash

from captioner.ask.structured import Event, Structured, Subject, parse

DROPOUT = 0.1
"""Share of droppable fields that a rendering leaves out."""
NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DETERMINERS = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those his her its their my your our some several many few no "
        "another both all each every",
    )
)
_FOLLOWS = re.compile(r"^(?:with|in|of|on|wearing|holding|made|covered|that|which|who)\b", re.I)
"""Openings of an appearance that stands after its noun."""
_PREDICATE = re.compile(r"^(?:(?:is|are|was|has|does|remains?|stays?)\b|[a-z]+(?<![sui])s\b)", re.I)
_AN = re.compile(r"^(?:[aeio]|u(?!ni|se|su|ti)|hour|hono|heir)", re.I)
_A_ALL_THE_SAME = re.compile(r"^(?:one\b|once\b|eu|ewe)", re.I)


def plain(structured: Structured) -> str:
    """Everything, in the usual order: subjects, background, camera, lighting, style, text, events."""
    return render(structured, dropout=0.0, permute=False)


def render(
    structured: Structured,
    *,
    seed: int = 0,
    epoch: int = 0,
    clip_id: str = "",
    dropout: float = DROPOUT,
    permute: bool = True,
) -> str:
    """Dense caption of the fields that are drawn, in the order that is drawn; a pure function of its arguments.

    Each droppable field is left out with probability ``dropout`` in [0, 1]: a subject's appearance and position, every
    subject but the main one, background, camera, lighting, style, text, events. The main subject is always named,
    with its number and what it does. ``permute`` shuffles the blocks; the main subject stays first among the
    subjects, and events stay in order of time.
    """
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout = {dropout} is not a share between 0 and 1")
    key = f"{seed}:{epoch}:{clip_id}"

    def kept(field: str) -> bool:
        return dropout == 0 or _uniform(f"drop:{key}:{field}") >= dropout

    blocks: dict[str, str] = {}
    sentences = []
    for i, subject in enumerate(structured.subjects):
        if i and not kept(f"subject{i}"):
            continue
        appearance = subject.appearance if kept(f"appearance{i}") else ""
        position = subject.position if kept(f"position{i}") else ""
        sentences.append(subject_sentence(subject, appearance, position))
    blocks["subjects"] = " ".join(sentences)
    parts = {
        "background": background_sentence(structured.background),
        "camera": camera_sentence(structured.camera),
        "lighting": lighting_sentence(structured.lighting),
        "style": sentence(f"The style is {structured.style}") if structured.style.strip() else "",
        "text": text_sentence(structured.text),
        "events": " ".join(event_sentence(event) for event in structured.events),
    }
    blocks |= {name: text for name, text in parts.items() if text and kept(name)}
    order = list(blocks)
    if permute:
        order.sort(key=lambda name: _uniform(f"order:{key}:{name}"))
    return " ".join(blocks[name] for name in order)


def render_text(text: str, *, seed: int, epoch: int, clip_id: str) -> str:
    """``render`` of a stored structured caption (JSON)."""
    return render(parse(text), seed=seed, epoch=epoch, clip_id=clip_id)


def _uniform(key: str) -> float:
    return xxhash.xxh3_64_intdigest(key.encode()) / 2.0**64


def sentence(text: str) -> str:
    """One sentence: spaces tidied, first letter large, one full stop at the end."""
    text = " ".join(text.split()).rstrip(" ,;:")
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def article(words: str) -> str:
    """``a`` or ``an``, by the sound that the words most likely begin with."""
    return "an" if _AN.match(words) and not _A_ALL_THE_SAME.match(words) else "a"


def subject_phrase(subject: Subject, appearance: str | None = None) -> str:
    """Number, appearance and name: ``two large red balls``, ``a man in a blue coat``, ``the Moon``."""
    look = " ".join((subject.appearance if appearance is None else appearance).split()).strip(" ,.")
    name = " ".join(subject.name.split()).strip(" ,.")
    before = look if look and len(look.split()) <= 3 and not _stands_after(look) else ""
    words = name.split()
    if words[0].lower() in _DETERMINERS:
        phrase = f"{words[0]} {before} {' '.join(words[1:])}" if before else name
    else:
        noun = f"{before} {name}".strip()
        number = _number(subject.count, noun, proper=name[0].isupper() and not before)
        phrase = f"{number} {noun}".strip()
    if look and not before:
        phrase += f" {look}" if _FOLLOWS.match(look) else f", {look},"
    return phrase


def _stands_after(look: str) -> bool:
    return bool(_FOLLOWS.match(look)) or "," in look or " with " in look or " in " in look


def _number(count: int | None, noun: str, *, proper: bool) -> str:
    if count is None or (count == 1 and proper):
        return ""
    if count == 1:
        return article(noun)
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def subject_sentence(subject: Subject, appearance: str | None = None, position: str = "") -> str:
    """What the subject is, does, and where: a sentence without a verb where it does nothing that was stated."""
    phrase, action = subject_phrase(subject, appearance), subject.action.strip(" .,")
    position = position.strip(" .,")
    if not action and position:
        action, position = f"{'is' if subject.count == 1 else 'are'} {position}", ""
    if action:
        phrase += f" {action}"
    if position:
        phrase += f", {position}" if position.split()[0].endswith("ing") else f" {position}"
    return sentence(phrase)


def background_sentence(background: str) -> str:
    """The surroundings, or nothing."""
    background = background.strip(" .")
    return sentence(f"The background is {background}") if background else ""


def camera_sentence(camera: str) -> str:
    """The camera, from a predicate (``pans left``) or a noun phrase (``slow push-in``)."""
    return _predicated("camera", camera)


def lighting_sentence(lighting: str) -> str:
    """The light, from a predicate (``comes from the left``) or a noun phrase (``soft window light``)."""
    return _predicated("light", lighting)


def _predicated(noun: str, words: str) -> str:
    words = words.strip(" .")
    if not words:
        return ""
    if re.match(rf"(?:the |an? )?{noun}\b(?!-)", words, re.I):  # a whole sentence already
        return sentence(words)
    if _PREDICATE.match(words):
        return sentence(f"The {noun} {words}")
    if noun == "light" and re.search(r"\b(?:light|lighting|sun|sunlight|glow|lamps?)\b", words):
        return sentence(f"The scene is lit by {words}")
    return sentence(f"The {noun} is {words}" if noun == "light" else f"Camera: {words}")


def text_sentence(texts: list[str]) -> str:
    """Legible text, quoted."""
    quoted = [f'"{" ".join(text.split())}"' for text in texts if text.strip()]
    if not quoted:
        return ""
    return f"The text {' and '.join([', '.join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)} can be read."


def event_sentence(event: Event) -> str:
    """When something happens, and what."""
    if event.end_s - event.start_s < 0.05:
        return sentence(f"At {event.start_s:.3g} seconds {event.what.strip()}")
    return sentence(f"From {event.start_s:.3g} to {event.end_s:.3g} seconds {event.what.strip()}")
