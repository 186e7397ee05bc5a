"""Sentences with the words that are talk, for the judge of talk: from labelled captions, clauses and clean texts."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from captioner.check.judge_tokens import Token, sentences_of

LABELS = Path(__file__).with_name("labels")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One sentence: its tokens, which of them are talk, and whether it opens and ends its caption."""

    tokens: list[Token]
    talk: list[bool]
    first: bool
    last: bool
    source: str


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


def of_marked(marked: str, source: str) -> list[Example]:
    """The sentences of a marked caption."""
    text, talk = spans(marked)
    return of_text(text, talk, source)


def of_text(text: str, talk: list[bool], source: str) -> list[Example]:
    """The sentences of a text of which each letter is talk or not."""
    cut = sentences_of(text)
    return [
        Example(
            tokens=tokens,
            talk=[sum(talk[t.start : t.end]) * 2 > t.end - t.start for t in tokens],
            first=at == 0,
            last=at == len(cut) - 1,
            source=source,
        )
        for at, tokens in enumerate(cut)
    ]


def of_clean(text: str, source: str) -> list[Example]:
    """The sentences of a text without talk."""
    return of_text(text, [False] * len(text), source)


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


def marked_of(path: Path, language: str = "en") -> list[str]:
    """The marked good captions of a corpus in one language."""
    found = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        outcome, said, marked = line.split(" ", 2)
        if outcome == "ok" and said == language:
            found.append(marked.replace("\\n", "\n"))
    return found


def of_captions(captions: list[str], source: str) -> list[Example]:
    """Every sentence of marked captions: as prose, as the rules leave it, and without its talk."""
    from captioner.check.boilerplate import strip_boilerplate
    from captioner.check.markdown import plain_prose

    found: list[Example] = []
    for marked in captions:
        text, talk = spans(marked)
        forms = [(text, talk)]
        prose = plain_prose(text)
        if prose != text:
            forms = [(prose, transferred(text, talk, prose))]
        stripped = strip_boilerplate(prose).text or ""
        if stripped and stripped != prose:
            forms.append((stripped, transferred(text, talk, stripped)))
        for form, its in forms:
            found += of_text(form, its, source)
        if any(talk):
            clean = plain_prose(without_talk(marked))
            if clean not in [form for form, _ in forms]:
                found += of_clean(clean, source)
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


CORPORA = ("", "_2", "_3", "_4", "_5", "_6", "_7", "_8")
WRITTEN = ("a", "b")
"""Names of the corpora that were written to train on."""
THIRDS = 3


def training_examples(without: str | None = None) -> tuple[list[Example], list[float]]:
    """All sentences to train on and how often each is drawn; ``without`` a corpus, and then without the third of the
    other texts that is measured beside it."""
    import json

    from benchmarks.caption_checks import texts, world_captions

    out = None if without is None else ("6", "7", "8").index(without)
    rng = random.Random(0)
    examples: list[Example] = []
    weights: list[float] = []

    def add(more: list[Example], talk: float, clean: float) -> None:
        examples.extend(more)
        weights.extend(talk if any(one.talk) else clean for one in more)

    def kept(all_of: list[str]) -> list[str]:
        return [one for at, one in enumerate(all_of) if out is None or at % THIRDS != out]

    captions = [
        marked
        for name in CORPORA
        if name != f"_{without}"
        for marked in marked_of(LABELS / f"vlm_captions{name}.txt")
    ]
    for name in WRITTEN:
        captions += kept(marked_of(LABELS / f"talk_captions_{name}.txt"))
    add(of_captions(captions, "captions"), 2.0, 1.0)
    seen = kept(lines_of(LABELS / "seen_sentences.txt"))
    clauses = {tag: kept(said) for tag, said in tagged(LABELS / "seen_clauses.txt").items()}
    plain = [
        sentence
        for marked in captions
        for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", without_talk(marked))
        if len(sentence.split()) >= 5 and not re.search(r"[\n*]", sentence)
    ]
    plain += [one for one in seen if len(one.split()) > 5]
    plain += [f"{one}." for one in clauses["open"]]
    for marked in with_talk(tagged(LABELS / "talk_clauses.txt"), plain, rng):
        add(of_marked(marked, "clauses"), 0.6, 0.1)
    for text in without_any(clauses, rng):
        add(of_clean(text, "seen"), 1.0, 0.8)
    for text in seen:
        add(of_clean(text, "seen"), 1.0, 1.5)
        add(of_clean(f"{text} {rng.choice(plain)}", "seen"), 1.0, 0.4)
        add(of_clean(f"{rng.choice(plain)} {text}", "seen"), 1.0, 0.4)
    templates = json.loads((LABELS / "caption_defects_dev.json").read_text())
    for entry in templates["clean"]:
        for text in texts(entry, templates):
            add(of_clean(text, "templates"), 1.0, 0.7)
    for text in world_captions(150):
        add(of_clean(text, "world"), 1.0, 0.2)
    return examples, weights
