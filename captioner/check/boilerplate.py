"""Talk about the video, or about answering, instead of what is seen: found and taken out by one grammar.

What a video model must learn stays: shot sizes, styles, speeds and viewpoints ("an aerial shot of", "a slow-motion
video of", "this black-and-white footage shows"), what the camera does, when things happen, and where they are in the
picture ("in the center of the image"). Only a medium without any such word is empty talk. What is said in quotation
marks is never touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from captioner.check.answering import (
    answer_label,
    answer_lead,
    is_answering,
    is_unknown,
    without_hedge,
)
from captioner.check.asides import STYLE_WORDS, is_talk, is_vague
from captioner.check.clauses import framed, without_time
from captioner.check.effects import (
    before_thing,
    effect_at_end,
    effect_beside,
    effect_of_thing,
    is_effect,
)
from captioner.check.grammar import as_sentence
from captioner.check.language import hide_quotes, show_quotes
from captioner.check.leftover import GUESS, left_of
from captioner.check.phrases import OPENINGS, STYLES
from captioner.check.phrases_camera import AND_THEN, BESIDE, CAMERA, HEDGE
from captioner.check.phrases_inside import AFTER, ASIDES, TAILS
from captioner.check.phrases_time import AROUND, LATER, TIMES
from captioner.check.talk import BARE, SHOWS, SURE

_TITLE = re.compile(
    r"^\W*(?:title|headline)\W{0,3}[:–-][^\n]{0,100}?\s+\W*(?=(?:[\w-]+ ){0,2}(?:description|caption|summary)\W{0,3}:)",
    re.I,
)
"""``Title: Morning at the Harbor``, before a description with a label of its own."""
_LEAD = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|alright|definitely|gladly|got it|no problem)\b"
    r"(?: thing)?[^.!:,\n\ue000]{0,20}[.!:,—]\s*)?"
    r"(?:(?:here(?: is|['’]s| are)|below is|the following is|what follows is)\b[^:.\n\ue000]{0,60}\b(?:captions?"
    r"|descriptions?|summary|answer|paragraph|analysis|breakdown|response|overview|it"
    r"|what['’]?s?)\b[^:.\n\ue000]{0,40}[:.](?:\s+|$)"
    r"|here (?:you go|it is)[:.!]\s+)?"
    r"(?:(?![^.:\n]*\b(?:not|unable|cannot|can['’]?t|won['’]?t|sorry|but|don['’]?t)\b)(?:i['’]ll|i will|let me"
    r"|allow me to|i can|i['’]d(?: be (?:happy|glad) to)?|i have|i['’]ve)\b[^.:\n\ue000]{0,60}"
    r"\b(?:describe|caption|summari[sz]e|walk|provide|break|analy[sz]e|review)[^.:!\n\ue000]{0,80}[:.!]\s+)?"
    r"(?:\W*(?:[\w-]+ ){0,3}(?:caption|description|answer|summary|response|output|overview)(?: of (?:the|this) \w+"
    r"(?: \w+)?)?(?: \([\w ,]{1,24}\))?\W{0,3}(?:[:\n]|[-–—] )\W{0,3}\s*)?",
    re.I,
)
"""Phrases about answering, before the answer."""
_POSITION = re.compile(
    r"\b(?:cent(?:er|re)|middle|left|right|top|bottom|side|corner|edge|foreground|background|half|part|portion|third"
    r"|area|rest|frame)s?$",
    re.I,
)
"""Before "of the image": a place in the picture, or something that is said of it."""
_NOT_ALONE = re.compile(
    r"^(?:is|are|was|were|be|being|been|has|have|had|them|him|and|or|but|of|to|as|that|which|by|with|from|into)\b",
    re.I,
)
"""Openings with which the rest of a sentence does not stand by itself."""
_NOTHING_ELSE = re.compile(rf"^(?:in )?{BARE}(?: {SHOWS})?\W*$", re.I)
_SPLIT = re.compile(r"(?<=[.!?])\s+(?=[\"'(“\ue000]?[A-Z\ue000])|(?<=\ue001)\s*\n\s*\n\s*(?=[A-Z])")
"""Between sentences; a quote that stands as a paragraph keeps its own full stop inside."""
_TIMED = re.compile(
    r"\b(?:beginning|start|end|opening|middle) of (?:the|this) (?:video|clip|footage)\b", re.I
)
_CAMERA = re.compile(r"\bcamera\b", re.I)
MEDIA_WORD = re.compile(
    r"\b(video|clip|image|picture|photo|photograph|film|recording|screenshot|footage)s?\b", re.I
)
"""A medium; one that was spoken of before what is said of the video is a thing in the scene."""

_ROUNDS = 4
"""What is left after a phrase is taken out may show another."""
_SENTENCES = 1024
"""Sentences of which is remembered what was found in them: in each round, all but one are as they were."""


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """A text without its empty talk."""

    text: str | None
    """What is left, re-capitalised; None where nothing stands by itself."""
    found: tuple[str, ...]
    """The phrases that were found."""


@lru_cache(maxsize=256)
def strip_boilerplate(text: str) -> Stripped:
    """Take talk about the video and about answering out of a text; sentences keep their order and all other words.

    ``The video shows a man. In this clip, he runs.`` becomes ``A man. He runs.``; ``This grainy footage shows a man``
    becomes ``Grainy footage of a man``.
    """
    found: tuple[str, ...] = ()
    left = text
    for _ in range(_ROUNDS):
        once = _strip_once(left)
        found += once.found
        if once.text is None or not once.found:
            return Stripped(text=once.text, found=found)
        left = _unwrapped(once.text)
    return Stripped(text=left, found=found)


def _strip_once(text: str) -> Stripped:
    own, quotes = hide_quotes(_unwrapped(text.strip()))
    found: list[str] = []
    if title := _TITLE.match(own):
        found.append(title[0].strip())
        own = own[title.end() :]
    lead = _LEAD.match(own)
    if lead and re.search(r"\w", lead[0]):
        found.append(lead[0].strip())
        own = own[lead.end() :]
    if named := answer_lead(own):
        found.append(named[0].strip())
        own = own[named.end() :]
    if _NOTHING_ELSE.match(own):
        return Stripped(text=None, found=(text,))
    out: list[str] = []
    about = False
    for sentence in _SPLIT.split(own):
        shorter = sentence
        if about and (it := _IT.match(sentence)):
            said: list[str] = []
            told = _strip_sentence(f"The video{sentence[it.end() :]}", "x", said, timed=False)
            if not told.startswith(("The video", "It ", "The camera")):
                shorter = told
                found += said
        about = bool(_ABOUT.match(sentence)) or (about and sentence.startswith("It "))
        if (hedge := HEDGE.search(sentence)) and len(sentence[: hedge.start()].split()) >= 3:
            shorter = _without(hedge, sentence, found)
        for _ in range(_PASSES):
            if _says_nothing(shorter):
                break
            before = " ".join(out)
            again = _strip_sentence(shorter, before, found, timed=bool(_TIMED.search(own)))
            if again == shorter:
                again = _strip_clause(shorter, before, found)
            if again == shorter:
                break
            shorter = again
        if _says_nothing(shorter) or is_answering(shorter) or is_unknown(shorter):
            found.append(sentence)
            continue
        if shorter == sentence and is_vague(sentence):
            found.append(sentence)
        elif re.search(r"\w|\ue000", shorter):
            out.append(shorter)
        elif sentence.strip():
            found.append(sentence)
    if not found:
        return Stripped(text=text, found=())
    stripped = show_quotes(" ".join(out), quotes).strip()
    stripped = stripped[:1].upper() + stripped[1:]
    cut_short = _NOT_ALONE.match(stripped) and not text.lstrip().startswith(stripped.split()[0])
    alone = len(stripped.split()) >= 2 and not cut_short
    return Stripped(text=stripped if alone else None, found=tuple(found))


def _unwrapped(text: str) -> str:
    """A caption that stands in quotation marks as a whole, without them."""
    inner = text[1:-1]
    whole = len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"))
    return inner if whole and not re.search(r"[\"“”]", inner) else text


def _expanded(hit: re.Match[str], replacement: str) -> str:
    """What stands for a phrase; a style that has lost its "this" gets an article, unless its medium is a mass."""
    out = hit.expand(replacement)
    named = re.match(r"an? ", out, re.I)
    if not named and (replacement.startswith(r"\1\2") or replacement == r"\1 of "):
        medium = out.removesuffix(" of ").split()[-1]
        if medium.lower() not in ("footage", "images", "pictures"):
            out = f"{'an' if _VOWEL.match(out) else 'a'} {out}"
    return out


def _as_subject(rest: str) -> str:
    """``him stepping back`` as ``he is stepping back``."""
    return re.sub(
        r"^(him|her|them) (?=\w+ing\b)",
        lambda m: {"him": "he is ", "her": "she is ", "them": "they are "}[m[1].lower()],
        rest,
        flags=re.I,
    )


def _without(hit: re.Match[str], sentence: str, found: list[str]) -> str:
    found.append(hit[0].strip(" ,"))
    return sentence[: hit.start()] + sentence[hit.end() :]


def _strip_sentence(sentence: str, before: str, found: list[str], *, timed: bool) -> str:
    """A sentence without its phrases about the video; ``before`` is the text so far: a picture that was spoken of is a
    thing in the scene. ``timed``: the text tells the beginning or the end of the video."""
    named = {word.lower() for word in MEDIA_WORD.findall(before)}
    if timed and (hit := AROUND.match(sentence)):
        found.append(hit[0].strip(" ,"))
        return f"Midway, {sentence[hit.end() :]}"
    for hit, replacement in _fronts(sentence):
        if named & {word.lower() for word in MEDIA_WORD.findall(hit[0])}:
            continue
        if replacement == "then " and not before:
            replacement = ""
        after = sentence[hit.end() :]
        if hit.re in _ABOUT_CAMERA:
            if _CAMERA.search(before.replace("The camera", "")):
                continue  # it is a thing in the scene
            if replacement.startswith("who "):
                rest = f"{_WHO[hit['who'].lower()]} seen {after}"
                found.append(hit[0].strip())
                return rest
        if not replacement.startswith("it "):
            after = _as_subject(after)
        if (
            before
            and (not replacement or _ASKS_VERB.search(hit[0]))
            and _SHOWN.search(hit[0])
            or replacement == r"\1, "
        ):
            after = as_sentence(after)
        if not replacement:
            after = AND_THEN.sub(r"\1, ", after)
        rest = _expanded(hit, replacement) + after
        if re.search(r"\w{2}|\ue000", after) and (replacement or not _NOT_ALONE.match(after)):
            found.append(hit[0].strip())
            for further, instead in AFTER if not replacement else ():
                rest = further.sub(instead, rest, count=1)
            return rest[:1].upper() + rest[1:]
    if tail := _tail(sentence):
        return _without(tail, sentence, found)
    for hit, replacement in _insides(sentence):
        if _POSITION.search(sentence[: hit.start()]) or named & {
            word.lower() for word in MEDIA_WORD.findall(hit[0])
        }:
            continue
        found.append(hit[0].strip(" ,"))
        rest = sentence[: hit.start()] + hit.expand(replacement) + sentence[hit.end() :]
        return rest[:1].upper() + rest[1:]
    return sentence


@lru_cache(maxsize=_SENTENCES)
def _fronts(sentence: str) -> tuple[tuple[re.Match[str], str], ...]:
    """Phrases about the video that a sentence begins with, and what stands for each."""
    patterns = (*TIMES, *CAMERA, *OPENINGS, *STYLES)
    return tuple((hit, put) for pattern, put in patterns if (hit := pattern.match(sentence)))


@lru_cache(maxsize=_SENTENCES)
def _tail(sentence: str) -> re.Match[str] | None:
    """A phrase about the video at the end of a sentence."""
    hits = (tail.search(sentence) for tail in TAILS)
    return next((hit for hit in hits if hit and not STYLE_WORDS.search(hit[0])), None)


@lru_cache(maxsize=_SENTENCES)
def _insides(sentence: str) -> tuple[tuple[re.Match[str], str], ...]:
    """Phrases about the video anywhere in a sentence, and what stands for each."""
    patterns = (*LATER, *BESIDE, *ASIDES)
    return tuple((hit, put) for pattern, put in patterns for hit in pattern.finditer(sentence))


def _strip_clause(sentence: str, before: str, found: list[str]) -> str:
    """A sentence without the first clause whose role is to speak of the video, of its viewer, of doubt or of effect.

    "" where it says nothing else; who asks records the whole sentence.
    """
    named = {word.lower() for word in MEDIA_WORD.findall(before)}
    if label := answer_label(sentence):
        found.append(label[0].strip())
        return sentence[label.end() :]
    if praise := before_thing(sentence):
        found.append(praise[0].strip())
        return sentence[praise.end() :][:1].upper() + sentence[praise.end() + 1 :]
    if frame := framed(sentence, named):
        rest, phrase, put = frame
        found.append(phrase.strip(" ,"))
        return as_sentence(rest) if before and not put else rest
    if timed := without_time(sentence, before):
        found.append(timed[1])
        return timed[0]
    if hedge := without_hedge(sentence):
        found.append(hedge[1])
        return hedge[0]
    if tail := effect_at_end(sentence):
        return _without(tail, sentence, found)
    if beside := effect_beside(sentence):
        found.append(beside[1].strip(" ,"))
        return beside[0]
    if link := _LINKS.match(sentence):
        rest = sentence[link.end() :][:1].upper() + sentence[link.end() + 1 :]
        if _says_nothing(rest):
            return ""
        again = _strip_sentence(rest, before, found, timed=False)
        if again == rest:
            again = _strip_clause(rest, before, found)
        if again != rest:
            return again
    if left := left_of(sentence, named):
        rest, gone = left
        found += [gone.strip(" ,")] * bool(rest.strip(" .!"))
        return rest
    if effect := effect_of_thing(sentence):
        if _ALL_LOOK.fullmatch(effect["what"]):
            return ""
        found.append(effect[0][effect.end("what") :].strip())
        return effect["what"] + sentence[effect.end() :]
    return sentence


_ALL_LOOK = re.compile(
    r"(?:the|its|their) (?:colou?rs?|lines?|shapes?|tones?|textures?|contrasts?|details?|elements?|movements?)",
    re.I,
)
"""Of these nothing is left to see without what they are said to do."""


@lru_cache(maxsize=_SENTENCES)
def _says_nothing(sentence: str) -> bool:
    """A sentence that is talk, whatever words are taken out of it."""
    return is_talk(sentence) or is_effect(sentence) or bool(GUESS.match(sentence))


_LINKS = re.compile(
    r"^(?:overall|however|unfortunately|additionally|also|moreover|furthermore|finally|that said"
    r"|in (?:summary|short|essence|general|conclusion|other words)|all in all"
    r"|of note|on the whole|at (?:its|the) (?:core|heart)|\w+ly),? (?=\w)",
    re.I,
)
_VOWEL = re.compile(r"[aeio]|u(?:n(?!i)|[lpr])", re.I)
"""Beginnings of words that are said with ``an``: ``underwater``, and not ``unique``."""
_ABOUT = re.compile(rf"^(?:in summary, |overall, )?(?:{BARE}|{SURE})(?= )", re.I)
_IT = re.compile(r"^It\b(?= (?:then |also |later |finally |now |eventually |first )?[a-z]+)")
"""What stands for the recording after a sentence about it."""
_PASSES = 8
_ABOUT_CAMERA = frozenset(pattern for pattern, _ in CAMERA[:3])
_WHO = {"him": "He is", "her": "She is", "them": "They are", "it": "It is"}
_SHOWN = re.compile(rf"\b{SHOWS}|camera|\bsee\b", re.I)
_ASKS_VERB = re.compile(r"\bthen\b", re.I)
