"""Captions with the letters that are talk, for the judge of talk: labelled ones and made ones."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from captioner.check.judge import LANGUAGES

LABELS = Path(__file__).with_name("labels")
CORPORA = ("", *(f"_{number}" for number in range(2, 12)))
WRITTEN = ("a", "b", "c", "d", "e", "f", "g", "de", "es", "fr", "zh")
"""Names of the corpora that were written to train on."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A caption, which of its letters are talk, and how often it is drawn beside others."""

    text: str
    talk: list[bool]
    weight: float


def spans(marked: str) -> tuple[str, list[bool]]:
    """A marked caption as text, and for each letter whether it is talk."""
    text: list[str] = []
    talk: list[bool] = []
    inside = False
    for part in re.split(r"(\[\[|\]\])", re.sub(r"[{}]", "", marked)):
        if part in ("[[", "]]"):
            inside = part == "[["
            continue
        text.append(part)
        talk += [inside] * len(part)
    return "".join(text), talk


def transferred(text: str, talk: list[bool], other: str) -> list[bool]:
    """For each letter of another form of the text whether it is talk."""
    given = [False] * len(other)
    for block in SequenceMatcher(None, text, other, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            given[block.b + step] = talk[block.a + step]
    return given


def without_talk(marked: str) -> str:
    """A marked caption of which the talk is gone."""
    text = re.sub(r"\[\[.*?\]\]", "", re.sub(r"[{}]", "", marked), flags=re.S)
    text = re.sub(r"\s+([.,;!?])", r"\1", text)
    text = re.sub(r"(^|[.!?]\s+)[,;:]\s*", r"\1", " ".join(text.split(" ")))
    text = re.sub(r"(?:^|(?<=[.!?] )|(?<=\n))[a-z]", lambda m: m[0].upper(), text.strip(" "))
    return re.sub(r"[ ]{2,}", " ", text)


def marked_of(path: Path) -> list[tuple[str, str]]:
    """The language and the marked text of a corpus' good captions, of the languages that the judge reads."""
    found: list[tuple[str, str]] = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        outcome, said, marked = line.split(" ", 2)
        if outcome == "ok" and said in LANGUAGES:
            found.append((said, marked.replace("\\n", "\n")))
    return found


def forms(marked: str, language: str) -> list[Example]:
    """A marked caption as a model said it, as prose, as the rules leave it, and without its talk."""
    from captioner.check.markdown import plain_prose
    from captioner.check.outcome import by_rules

    text, talk = spans(marked)
    found = [Example(text=text, talk=talk, weight=0.4)]

    def add(other: str, its: list[bool], weight: float) -> None:
        if other and all(one.text != other for one in found):
            found.append(Example(text=other, talk=its, weight=weight))

    prose = plain_prose(text)
    add(prose, transferred(text, talk, prose), 0.5)
    stripped = by_rules(prose, language) or ""
    add(stripped, transferred(text, talk, stripped), 0.8)
    if any(talk):
        clean = plain_prose(without_talk(marked))
        add(clean, [False] * len(clean), 0.4)
    if len(found) == 1:
        return [replace(found[0], weight=1.0)]
    return found


def tagged(path: Path) -> dict[str, list[str]]:
    """Clauses by what they are: ``open``, ``tail``, ``mid``, ``whole``."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            tag, _, said = line.partition("\t")
            found.setdefault(tag, []).append(said)
    return found


def lines_of(path: Path) -> list[str]:
    """The lines of a file of sentences."""
    return [
        line.removeprefix("ok en ")
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]


def with_talk(clauses: dict[str, list[str]], plain: list[str], rng: random.Random) -> list[str]:
    """Marked captions of clauses of talk and clean sentences, two of each clause."""
    found = []
    for tag, said in clauses.items():
        for clause in (*said, *said):
            base = rng.choice(plain)
            base = base if base[-1] in ".!?" else f"{base}."
            other = rng.choice(plain)
            if tag == "whole":
                forms = (
                    f"{base} [[{clause}]]",
                    f"{base} [[{clause}]] {other}",
                    f"[[{clause}]] {base}",
                )
                found.append(rng.choice(forms))
                continue
            if tag == "open":
                found.append(rng.choice((f"[[{clause}]] {_lowered(base)}", f"[[{clause}]] {base}")))
                if rng.random() < 0.3:
                    found[-1] = f"{other} {found[-1]}"
                    continue
            else:
                found.append(_inside(clause, base, rng) if tag == "mid" else _at_end(clause, base))
            if rng.random() < 0.6:
                found[-1] += f" {other}"
    return found


def _at_end(clause: str, base: str) -> str:
    gap = "" if clause[0] in ",;:.(" else " "
    return f"{base[:-1]}[[{gap}{clause.rstrip('.')}]]{base[-1]}"


def _inside(clause: str, base: str, rng: random.Random) -> str:
    places = [hit.start() for hit in re.finditer(r",? (?:and|as|while|with|in|on|at|of)\b|,", base)]
    if not places:
        return _at_end(clause, base)
    where = rng.choice(places)
    gap = "" if clause[0] in ",;-—–(" else " "
    rest = base[where:]
    if clause.endswith(",") and rest.startswith(","):
        rest = rest[1:]
    return f"{base[:where]}{gap}[[{clause}]]{rest}"


def _lowered(sentence: str) -> str:
    first = sentence.split(" ", 1)[0]
    name = first[1:] != first[1:].lower() or first == "I"
    return sentence if name else sentence[:1].lower() + sentence[1:]


def without_any(clauses: dict[str, list[str]], rng: random.Random, *, times: int = 2) -> list[str]:
    """Captions of clauses that are seen: openings with ends, and whole sentences beside openings."""
    found = []
    starts = clauses["open"]
    for clause in (clauses["tail"] + clauses["mid"]) * times:
        gap = "" if clause[0] in ",;:-—–(" else " "
        end = "" if clause.rstrip()[-1] in ".!?" else "."
        text = f"{rng.choice(starts)}{gap}{clause.rstrip(',')}{end}"
        found.append(text if rng.random() < 0.5 else f"{text} {rng.choice(clauses['whole'])}")
    for clause in clauses["whole"] * times:
        said = clause if clause[-1] in ".!?" else f"{clause}."
        start = f"{rng.choice(starts)}."
        found.append(rng.choice((f"{said} {start}", f"{start} {said}", said)))
    return found


def training_examples(without: Sequence[str] = ()) -> list[Example]:
    """All captions to train on; ``without`` the corpora of these file names."""
    from benchmarks.caption_checks import texts, world_captions

    rng = random.Random(0)
    names = [f"vlm_captions{name}" for name in CORPORA]
    names += [f"talk_captions_{letter}" for letter in WRITTEN]
    captions = [
        pair for name in names if name not in without for pair in marked_of(LABELS / f"{name}.txt")
    ]
    found = [one for language, marked in captions for one in forms(marked, language)]

    def clean(text: str, weight: float) -> None:
        found.append(Example(text=text, talk=[False] * len(text), weight=weight))

    seen = lines_of(LABELS / "seen_sentences.txt")
    plain = [
        sentence
        for language, marked in captions
        if language == "en"
        for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", without_talk(marked))
        if len(sentence.split()) >= 5 and not re.search(r"[\n*]", sentence)
    ]
    plain += [one for one in seen if len(one.split()) > 5]

    def beside(text: str, most: int) -> str:
        return " ".join([*rng.choices(plain, k=rng.randint(0, most)), text])

    for marked in with_talk(tagged(LABELS / "talk_clauses.txt"), plain, rng):
        text, talk = spans(beside(marked, 2))
        found.append(Example(text=text, talk=talk, weight=0.35))
    for text in without_any(tagged(LABELS / "seen_clauses.txt"), rng):
        clean(text, 0.35)
    for text in seen:
        clean(beside(text, 2), 0.8)
    templates = json.loads((LABELS / "caption_defects_dev.json").read_text())
    for entry in templates["clean"]:
        for text in texts(entry, templates):
            clean(text, 0.15)
    for text in world_captions(100):
        clean(text, 0.1)
    return found
