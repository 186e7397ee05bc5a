"""Check that an expansion keeps what the prompt said: each object, number, colour and relation."""

from __future__ import annotations

import re

from captioner.truth.claims import COLOURS, NUMBERS, read_claims

_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those is are was were be being been and or but of to in on at by with from for as it "
        "its his her their there while then into onto over under than so very just some please show me video clip "
        "footage shot make generate create scene i want would like see where which who has have having",
    )
)
RELATIONS = (
    "to the left of", "to the right of", "left of", "right of", "on top of", "in front of", "next to", "close to",
    "on the left of", "on the right of", "in the middle of", "behind", "above", "below", "beneath", "under", "beside",
    "between", "inside", "outside", "around", "through", "towards", "toward", "near", "over", "across", "along", "on",
    "in", "at", "onto", "into", "against", "among", "with",
)  # fmt: skip
"""Words that relate two things, the longer ones first where one is in another."""
_DIGITS = {str(value): word for word, value in NUMBERS.items()}
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot",
    "geese": "goose", "teeth": "tooth", "wolves": "wolf", "knives": "knife", "leaves": "leaf", "grey": "gray",
    "center": "centre", "color": "colour", "running": "run", "ran": "run", "going": "go", "goes": "go",
}  # fmt: skip


def stem(word: str) -> str:
    """A word without its endings of number, person and participle; crude, and the same for prompt and expansion."""
    word = _IRREGULAR.get(word, _DIGITS.get(word, word))
    if word in ("upward", "upwards"):
        return "up"
    for ending in ("wards", "ward", "ings", "ing", "ies", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def tokens(text: str) -> list[str]:
    """Lower-case words, and the marks that end a phrase."""
    return re.findall(r"[a-z0-9]+(?:['’-][a-z0-9]+)*|[.,;:!?]", text.lower())


def content(text: str) -> list[str]:
    """Stems of the words that mean something."""
    return [stem(word) for word in tokens(text) if word[0].isalnum() and word not in _STOP]


def lost(prompt: str, expansion: str) -> list[str]:
    """What the prompt says and the expansion does not: words, directions, bound numbers and colours, relations."""
    missing = []
    said = set(content(expansion))
    for word in tokens(prompt):
        if word[0].isalnum() and word not in _STOP and stem(word) not in said:
            missing.append(word)
    for kind in (_bound(prompt, COLOURS), _bound(prompt, (*NUMBERS, *_DIGITS))):
        for first, noun in kind:
            if not _says_bound(expansion, first, noun):
                missing.append(f"{first} {noun}")
    asked, told = read_claims(prompt), read_claims(expansion)
    missing += [f"motion {name}" for name in asked.motion if name not in told.motion]
    missing += [f"camera {name}" for name in asked.camera if name not in told.camera]
    there = _relations(expansion)
    for relation in _relations(prompt):
        if relation not in there:
            missing.append(" ".join(relation))
    return list(dict.fromkeys(missing))


def _bound(text: str, words: tuple[str, ...]) -> list[tuple[str, str]]:
    """(word, the noun it belongs to): the last word of the run without stop words that follows it."""
    found = []
    said = tokens(text)
    for i, word in enumerate(said):
        if word not in words:
            continue
        run = []
        for other in said[i + 1 : i + 5]:
            if not other[0].isalnum() or other in _STOP or other in RELATIONS:
                break
            run.append(other)
        run = [w for w in run if w not in COLOURS and w not in NUMBERS] or run
        if run:
            found.append((word, run[0] if len(run) == 1 else _head(run)))
    return found


_VERBISH = re.compile(
    r"\w+(?:ing|ed)$|^(?:moves?|runs?|walks?|stays?|stands?|sits?|rolls?|drives?|flies|jumps?|bounces?)$"
)


def _head(run: list[str]) -> str:
    """The noun of a run such as ``small wooden boats drifting``: the last word before a verb."""
    for i, word in enumerate(run):
        if i and _VERBISH.match(word):
            return run[i - 1]
    return run[0] if _VERBISH.match(run[-1]) else run[-1]


def _says_bound(text: str, first: str, noun: str) -> bool:
    """``first`` stands before ``noun`` in one phrase, at most four words apart."""
    said = tokens(text)
    stems = [stem(word) for word in said]
    first, noun = stem(first), stem(noun)
    for i, word in enumerate(stems):
        if word != first:
            continue
        for other, raw in zip(stems[i + 1 : i + 6], said[i + 1 : i + 6], strict=True):
            if not raw[0].isalnum() or raw in _STOP or raw in RELATIONS:
                break
            if other == noun:
                return True
    return False


def _relations(text: str) -> set[tuple[str, str, str]]:
    """(stem before, relation, stem after) of every relation between two words that mean something."""
    said = tokens(text)
    found = set()
    i = 0
    while i < len(said):
        for relation in RELATIONS:
            words = relation.split()
            if said[i : i + len(words)] == words:
                before = [w for w in said[max(0, i - 4) : i] if w[0].isalnum() and w not in _STOP]
                after = []
                for word in said[i + len(words) : i + len(words) + 5]:
                    if not word[0].isalnum():
                        break
                    if word not in _STOP:
                        after.append(word)
                if before and after:
                    found.add((stem(before[-1]), relation, stem(after[0])))
                i += len(words) - 1
                break
        i += 1
    return found
