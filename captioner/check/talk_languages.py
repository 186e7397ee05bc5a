"""Talk about the video in captions that are asked for in other languages than English.

Chinese, Japanese and Korean marks are written wide by some models and narrow by others: patterns are matched with
all of them narrow, and what stays keeps the marks that it had.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from captioner.check import talk_asian as asian
from captioner.check import talk_european as european
from captioner.check.language import hide_quotes, show_quotes
from captioner.check.talk import Swaps, patterns, swaps

_NARROW = str.maketrans("，。：；！？（）、．｡､", ",.:;!?(),..,")
_SPLIT = re.compile(r"(?<=[.!?])(?!\d)(\s*)(?=\S)")
_LEAST = 4
"""Letters that must be left of a sentence."""
_PASSES = 4
_WEAK = {
    "jungen": "Junge",
    "herrn": "Herr",
    "löwen": "Löwe",
    "hasen": "Hase",
    "affen": "Affe",
    "bären": "Bär",
}
"""German nouns that change as an object."""


@dataclass(frozen=True, kw_only=True)
class _Talk:
    """Compiled patterns of a language."""

    leads: tuple[re.Pattern[str], ...]
    openings: Swaps
    sentences: tuple[re.Pattern[str], ...]
    inside: Swaps


def _compiled(
    leads: tuple[str, ...],
    openings: tuple[tuple[str, str], ...],
    sentences: tuple[str, ...],
    inside: tuple[tuple[str, str], ...] = (),
) -> _Talk:
    return _Talk(
        leads=patterns(*leads),
        openings=swaps(*openings),
        sentences=patterns(*sentences),
        inside=swaps(*inside),
    )


def _of_tongue(
    tongue: european.Tongue,
    extra: tuple[tuple[str, str], ...] = (),
    inside: tuple[tuple[str, str], ...] = (),
    sentences: tuple[str, ...] = (),
) -> _Talk:
    return _compiled(
        european.leads(tongue),
        (*extra, *european.openings(tongue)),
        (*sentences, *european.sentences(tongue)),
        ((rf"({tongue.time}) {tongue.of}(?![\w-])", r"\1"), *inside, *european.tails(tongue)),
    )


_TALK = {
    "zh": _compiled(asian.ZH_LEADS, asian.ZH, asian.ZH_SENTENCES, asian.ZH_INSIDE),
    "ja": _compiled(asian.JA_LEADS, asian.JA, asian.JA_SENTENCES, asian.JA_INSIDE),
    "ko": _compiled(asian.KO_LEADS, asian.KO, asian.KO_SENTENCES, asian.KO_INSIDE),
    "fr": _of_tongue(
        european.FR, inside=((r"\btout au long de (?:la|cette) vidéo\b", "du début à la fin"),)
    ),
    "es": _of_tongue(
        european.ES,
        inside=((r"\ba lo largo (?:del|de este) v[ií]deo\b", "de principio a fin"),),
    ),
    "it": _of_tongue(
        european.IT, inside=((r"\bper tutta la durata del video\b", "dall'inizio alla fine"),)
    ),
    "pt": _of_tongue(
        european.PT, inside=((r"\bao longo (?:do|deste) vídeo\b", "do início ao fim"),)
    ),
    "de": _of_tongue(
        european.DE,
        extra=(
            # Zu Beginn des Videos ist eine Frau zu sehen | Im Video sind zwei Boote zu sehen
            (
                rf"^({european.DE.time}) {european.DE.of} (?:ist|sind) ([^.;]+?) zu sehen(?=[.,;]|$)",
                r"\1 \2",
            ),
            (
                rf"^{european.DE.inside} (?:ist|sind|wird|werden) ([^.;]+?) (?:zu sehen|gezeigt)(?=[.,;]|$)",
                r"\1",
            ),
            (rf"^({european.DE.time}) {european.DE.of},? {european.DE.see} ", r"\1 "),
            # Dann zeigt das Video einen Hund
            (
                rf"^({european.DE.time}|{european.DE.order}) (?:(?:zeigt|zeigen|präsentiert) {european.DE.medium}"
                rf"|{european.DE.see}) ",
                r"\1 ",
            ),
        ),
        # Insgesamt vermittelt das Video ein Gefühl von Ruhe
        sentences=(
            rf"^(?:insgesamt|zusammenfassend|alles in allem|im Großen und Ganzen),? \w+ {european.DE.medium}[^.;]*"
            rf"\b(?:{european.DE.mood})\b[^.;]{{0,60}}\.?$",
        ),
        inside=((r"\bwährend des (?:gesamten|ganzen) Videos\b", "durchgehend"),),
    ),
    "ru": _of_tongue(european.RU),
}


def strip_openings(text: str, language: str) -> str:
    """A text in ``language`` (``fr``, ``zh``) without talk about the video: answers, openings, whole sentences.

    English is not looked at, nor what stands in quotation marks. A text that would lose everything stays as it is.
    """
    talk = _TALK.get(language[:2].lower())
    if talk is None:
        return text
    own, quotes = hide_quotes(text)
    for lead in talk.leads:
        hit = lead.match(narrow(own))
        if hit and len(own[hit.end() :].strip()) >= _LEAST:
            own = own[hit.end() :].lstrip()
    parts = sentences_of(own)
    kept: list[str] = []
    for i in range(0, len(parts), 2):
        shorter = _strip_sentence(parts[i], talk, language[:2].lower())
        gap = parts[i + 1] if i + 1 < len(parts) else ""
        if shorter is None:
            gap = ""
        elif shorter:
            kept.append(shorter)
        kept.append(gap)
    out = "".join(kept).strip()
    if len(out) < _LEAST or not re.search(r"[^\W\d_]", out.replace("\ue000", "a")):
        return text
    return show_quotes(out, quotes)


def narrow(text: str) -> str:
    """The text, as long as it was, with wide marks as narrow ones."""
    return text.translate(_NARROW)


def sentences_of(text: str) -> list[str]:
    """Sentences and, at every other place, what stands between two."""
    parts, last = [], 0
    for hit in _SPLIT.finditer(narrow(text)):
        parts += [text[last : hit.start()], hit[1]]
        last = hit.end()
    return [*parts, text[last:]]


def _strip_sentence(sentence: str, talk: _Talk, language: str) -> str | None:
    """A sentence without its talk; None where it is nothing else."""
    for _ in range(_PASSES):
        flat = narrow(sentence.strip())
        if any(pattern.match(flat) for pattern in talk.sentences):
            return None
        again = _shortened(sentence, talk, language)
        if again == sentence:
            break
        sentence = again
    return sentence


def _shortened(sentence: str, talk: _Talk, language: str) -> str:
    flat = narrow(sentence)
    for pattern, instead in talk.openings:
        hit = pattern.match(flat)
        if hit is None:
            continue
        rest = sentence[hit.end() :].strip()
        put = _expanded(instead, hit, sentence)
        if len(rest) < _LEAST and len(put) < _LEAST:
            continue
        if language == "de" and not instead:
            rest = _as_subject(rest)
        out = (put + (rest if put else rest.lstrip(",，、"))).strip()
        return out[:1].upper() + out[1:]
    for pattern, instead in talk.inside:
        hit = pattern.search(flat)
        if hit is not None:
            out = (
                sentence[: hit.start()] + _expanded(instead, hit, sentence) + sentence[hit.end() :]
            )
            return out[:1].upper() + out[1:]
    return sentence


def _expanded(instead: str, hit: re.Match[str], sentence: str) -> str:
    """What stands for a phrase, with its groups as they are written in the sentence."""
    return re.sub(
        r"\\(\d)",
        lambda m: sentence[slice(*hit.span(int(m[1])))] if hit[int(m[1])] else "",
        instead,
    )


def _as_subject(rest: str) -> str:
    """A German object as what a sentence is about: ``einen alten Bäcker`` as ``ein alter Bäcker``."""
    hit = re.match(r"(einen|den) ((?:[a-zäöüß-]+en ){0,3})([A-ZÄÖÜ][\wäöüß-]+)", rest)
    if not hit:
        return rest
    ending, article = ("er ", "ein") if hit[1] == "einen" else ("e ", "der")
    adjectives = re.sub(r"en ", ending, hit[2])
    noun = _WEAK.get(hit[3].lower(), hit[3])
    return f"{article} {adjectives}{noun}{rest[hit.end() :]}"
