"""Expand a short prompt to a caption like those a model was trained on.

Offline: the prompt's own subjects are kept; what it leaves open (size, speed, place, background, camera, light) is
taken from the nearest dense captions of a dataset, field by field, and everything is rendered by the renderer of the
training captions. The order of the fields is thus that of training, as in SkyReels-V2.
With a language model the same captions are its examples. Either way the result is checked (``fidelity.lost``), and what
does not keep all that the prompt said is not used.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from captioner.ask.structured import Structured, Subject, parse
from captioner.expansion.fidelity import content, lost, stem, tokens
from captioner.expansion.safety import SafetyVerdict, judge_prompt
from captioner.render import camera_sentence, lighting_sentence, plain, sentence
from captioner.truth.assertions import sentences

NEAREST = 24
"""Captions that may fill a field."""
_DETERMINER = re.compile(
    r"^(an?|the|one|two|three|four|five|six|seven|eight|nine|ten|\d+)\s+", re.I
)
_COUNT = {
    w: i
    for i, w in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
    )
}
_CLAUSE = re.compile(
    r"\s*(?:[.;!?]+(?=\s|$)|,?\s+(?:and|while|but|as|with)\s+(?=(?:an?|the|one|two|three|four|five|\d+)\s)"
    r"|,\s+(?=(?:an?|the|one|two|three|four|five|\d+)\s|camera\b))\s*"
)
_CAMERA = re.compile(r"^(?:the )?camera (?:is )?(.+)$", re.I)
_FIELD_SENTENCES = (
    ("background", re.compile(r"^the background is (.+?)[.]?$", re.I)),
    ("camera", re.compile(r"^the camera (.+?)[.]?$", re.I)),
    ("lighting", re.compile(r"^the light(?:ing)? (.+?)[.]?$", re.I)),
    ("style", re.compile(r"^the style is (.+?)[.]?$", re.I)),
)
_PLACE = re.compile(
    r"\b(?:background|backdrop)\b|\b(?:in|on|at|inside|under|over|across|along|through|near|against|by) (?:an?"
    r"|the|his|her|its)?\s*"
    r"(?!left|right|top|bottom|cent|middle|frame|upper|lower)\w+",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A dense caption of the dataset, and the fields that it states."""

    text: str
    """The caption."""
    subjects: tuple[Subject, ...] = ()
    """Its subjects; empty when it is plain prose."""
    fields: dict[str, str] = field(default_factory=dict)
    """background, camera, lighting and style, as far as it states them."""


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """What became of a prompt."""

    prompt: str
    """What the user wrote."""
    text: str
    """The caption to generate from; empty when refused."""
    method: str
    """``template``, ``verbatim`` (the prompt and what was filled in), ``llm``, ``refused``."""
    verdict: SafetyVerdict
    """Why it was refused, if it was."""
    lost: tuple[str, ...] = ()
    """What a first attempt had lost, so that it was not used."""


class Library:
    """The dense captions of a dataset, found by their words (BM25, Robertson and Zaragoza 2009)."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self.examples = list(examples)
        if not self.examples:
            raise ValueError("no dense caption to expand prompts by")
        self._words = [Counter(content(example.text)) for example in self.examples]
        self._length = sum(sum(words.values()) for words in self._words) / len(self._words)
        spread: Counter[str] = Counter()
        for words in self._words:
            spread.update(words.keys())
        n = len(self.examples)
        self._weight = {w: math.log(1 + (n - c + 0.5) / (c + 0.5)) for w, c in spread.items()}
        self.names = {
            stem(name.split()[-1])
            for example in self.examples
            for name in (subject.name.lower() for subject in example.subjects)
        }

    def nearest(self, prompt: str, count: int = NEAREST) -> list[Example]:
        """The captions most like the prompt, best first; equal scores in order of the dataset."""
        asked = set(content(prompt))

        def score(words: Counter[str]) -> float:
            norm = 1.2 * (0.25 + 0.75 * sum(words.values()) / self._length)
            return sum(
                self._weight[w] * words[w] * 2.2 / (words[w] + norm) for w in asked if w in words
            )

        scored = [(-score(words), i) for i, words in enumerate(self._words)]
        return [self.examples[i] for _, i in sorted(scored)[:count]]


def example_of(dense: str, structured: str | None = None) -> Example:
    """A dense caption with its fields: of its structured form, or as far as its sentences name them."""
    if structured:
        found = parse(structured)
        named = {
            name: getattr(found, name)
            for name in ("background", "camera", "lighting", "style")
            if getattr(found, name)
        }
        return Example(text=dense, subjects=tuple(found.subjects), fields=named)
    named = {}
    for said in sentences(dense):
        for name, pattern in _FIELD_SENTENCES:
            if (hit := pattern.match(said)) and name not in named:
                named[name] = hit[1]
    return Example(text=dense, fields=named)


def expand(
    prompt: str,
    library: Library,
    *,
    ask: Callable[[str, Sequence[str], Sequence[str]], dict] | None = None,
    examples: Sequence[Example] = (),
) -> Expansion:
    """Expand one prompt.

    Args:
        prompt: What the user wrote.
        library: Captions to be like.
        ask: A language model: (prompt, example captions, what the last answer had lost) to ``{"verdict", "caption"}``,
            see ``expand_llm``; errors are its caller's. None expands offline.
        examples: Captions that go before those nearest by their words, such as retrieved ones: the model is shown them
            in place of those, and offline a field that the prompt leaves open is taken from the first that states it.
    """
    prompt = " ".join(prompt.split())
    verdict = judge_prompt(prompt)
    if not verdict.safe:
        return Expansion(prompt=prompt, text="", method="refused", verdict=verdict)
    shown = examples or library.nearest(prompt, 3)
    near = [*examples, *(each for each in library.nearest(prompt) if each not in examples)]
    missing: list[str] = []
    if ask is not None:
        for _ in range(2):
            answer = ask(prompt, [example.text for example in shown], missing)
            if answer["verdict"] != "ok":
                said = SafetyVerdict(category=answer["verdict"], matched="by the language model")
                return Expansion(prompt=prompt, text="", method="refused", verdict=said)
            missing = lost(prompt, answer["caption"])
            if not missing and judge_prompt(answer["caption"]).safe:
                return Expansion(
                    prompt=prompt, text=answer["caption"], method="llm", verdict=verdict
                )
    method, text = "template", fill(prompt, library, near)
    if not text or (gone := lost(prompt, text)):
        missing = missing or (gone if text else [])
        method, text = "verbatim", " ".join([sentence(prompt), *filled_sentences(prompt, near)])
    return Expansion(prompt=prompt, text=text, method=method, verdict=verdict, lost=tuple(missing))


def fill(prompt: str, library: Library, near: Sequence[Example]) -> str:
    """The structured template filled from prompt and captions, rendered; empty when no clause names a known subject."""
    subjects: list[Subject] = []
    own: dict[str, str] = {}
    known = 0
    for clause in (part.strip(" ,") for part in _CLAUSE.split(prompt)):
        if not re.search(r"\w", clause):
            continue
        if hit := _CAMERA.match(clause):
            own["camera"] = _matching(
                hit[1], [e.fields.get("camera", "") for e in library.examples]
            )
            continue
        subject = read_subject(clause, library.names)
        if subject is not None:
            known += 1
            subjects.append(complete(subject, library, near))
        else:
            subjects.append(Subject(name=clause[0].lower() + clause[1:], count=None))
    if not known:
        return ""
    scene = scene_fields(prompt, near) | own
    return plain(
        Structured(
            subjects=subjects,
            background=scene.get("background", ""),
            camera=scene.get("camera", ""),
            lighting=scene.get("lighting", ""),
            style=scene.get("style", ""),
        )
    )


def read_subject(clause: str, names: set[str]) -> Subject | None:
    """Number, adjectives, name and predicate of a clause that names exactly one subject of the dataset's vocabulary."""
    found = _DETERMINER.match(clause)
    determiner = found[1].lower() if found else "a"
    words = clause[found.end() :].split() if found else clause.split()
    at = [i for i, word in enumerate(words) if stem(word.lower().strip(",.")) in names]
    if len(at) != 1 or at[0] > 4:
        return None
    count = _COUNT.get(determiner, int(determiner) if determiner.isdigit() else 1)
    return Subject(
        name=words[at[0]].lower().strip(",."),
        count=max(1, count),
        appearance=" ".join(words[: at[0]]).lower(),
        action=" ".join(words[at[0] + 1 :]).strip(" ,."),
    )


def complete(subject: Subject, library: Library, near: Sequence[Example]) -> Subject:
    """The subject with appearance, action and position of one in the captions that says all it says, and more."""
    pool = [each for example in (*near, *library.examples) for each in example.subjects]
    name, look, does = stem(subject.name), _set(subject.appearance), _set(subject.action)
    same = [each for each in pool if each.count == subject.count]
    action, position = subject.action, ""
    for each in same:
        # Not by its position: "starting on the right" is no "moves right".
        if does <= _set(each.action) and (does or stem(each.name) == name):
            action, position = each.action, each.position
            break
    appearance = subject.appearance
    for each in same:
        if stem(each.name) == name and look <= _set(each.appearance):
            appearance = each.appearance
            break
    else:
        for each in same:  # no such thing in such a colour: add what it has besides
            if look and look <= _set(each.appearance):
                appearance = each.appearance
                break
    return Subject(
        name=subject.name,
        count=subject.count,
        appearance=appearance,
        action=action,
        position=position,
    )


@lru_cache(maxsize=4096)
def _set(text: str) -> frozenset[str]:
    return frozenset(content(text))


def _matching(words: str, known: Sequence[str]) -> str:
    """The dataset's wording of a field that says the same, else the user's."""
    asked = _set(words)
    return next((text for text in known if text and asked <= _set(text)), words)


def scene_fields(prompt: str, near: Sequence[Example]) -> dict[str, str]:
    """Fields of the scene that the prompt leaves open, each from the nearest caption that states it."""
    asked = tokens(prompt)
    open_fields = {
        "background": not _PLACE.search(prompt),
        "camera": "camera" not in asked and not {"zoom", "pan", "tilt"} & set(content(prompt)),
        "lighting": not {"light", "lit", "sunlit", "dark", "night", "sunset", "lighting"}
        & set(asked),
        "style": not {"style", "cartoon", "animation", "painting", "photo"} & set(asked),
    }
    return {
        name: text
        for name, free in open_fields.items()
        if free and (text := next((e.fields[name] for e in near if name in e.fields), ""))
    }


def filled_sentences(prompt: str, near: Sequence[Example]) -> list[str]:
    """The scene's open fields as sentences, in the renderer's order."""
    fields = scene_fields(prompt, near)
    parts = {
        "background": lambda text: sentence(f"The background is {text}"),
        "camera": camera_sentence,
        "lighting": lighting_sentence,
        "style": lambda text: sentence(f"The style is {text}"),
    }
    return [make(fields[name]) for name, make in parts.items() if name in fields]
