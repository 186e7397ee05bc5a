"""What repair and refusal make of a corpus of captions labelled by hand: nothing lost, nothing good thrown away.

A corpus is a text file, one caption a line: expected outcome, language, caption, in which ``[[talk about the video]]``
must be found and be gone afterwards, and ``{what matters}`` must stay. ``\\n`` is a new line, ``#`` opens a remark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from captioner.backends.base import Reply
from captioner.check.checks import judge_reply
from captioner.check.outcome import CheckedReply, check_reply

_TALK = re.compile(r"\[\[(.*?)\]\]", re.S)
_KEPT = re.compile(r"\{((?:[^{}]|\[\[.*?\]\])*)\}", re.S)
CONTEXT = 12
"""Letters after a phrase that tell it from the same words elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A caption and what should become of it."""

    outcome: str
    language: str
    text: str
    """As a model would say it, without the marks."""
    kept: tuple[str, ...]
    """Phrases that must be in the result."""
    talk: tuple[str, ...]
    """Phrases that must not, each with the letters that follow it."""


@dataclass(kw_only=True)
class Tally:
    """Counts, and the captions behind each."""

    good: int = 0
    bad: int = 0
    talk: int = 0
    lost: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)
    """Talk that was not found, or found and left."""
    touched: list[str] = field(default_factory=list)
    """Captions without talk whose words were changed, or in which talk was found."""
    passed: list[str] = field(default_factory=list)
    """Bad replies that ended ok."""


def read_corpus(path: Path) -> list[Labelled]:
    """The captions of a corpus; ValueError for a line that is none."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            outcome, language, marked = line.split(" ", 2)
        except ValueError:
            raise ValueError(
                f"{path}:{number}: needs an outcome, a language and a caption"
            ) from None
        found.append(parse_line(outcome, language, marked.replace("\\n", "\n")))
    return found


def parse_line(outcome: str, language: str, marked: str) -> Labelled:
    """A labelled caption of a marked one; only good ones are marked."""
    if outcome != "ok":
        text = marked if outcome == "malformed" else re.sub(r"[{}]", "", marked)
        return Labelled(outcome=outcome, language=language, text=text, kept=(), talk=())
    kept = tuple(" ".join(_TALK.sub("", hit).split()) for hit in _KEPT.findall(marked))
    talk = []
    plain = re.sub(r"[{}]", "", marked)
    for hit in _TALK.finditer(plain):
        after = re.sub(r"\[\[|\]\]", "", plain[hit.end() :])[:CONTEXT]
        talk.append(hit[1] + after)
    return Labelled(
        outcome=outcome,
        language=language,
        text=re.sub(r"\[\[|\]\]", "", plain),
        kept=kept,
        talk=tuple(talk),
    )


def words_of(text: str) -> str:
    """A text as its words alone: letter case, marks and spacing do not matter."""
    return " " + " ".join(re.findall(r"[\u3040-\u9fff]|[^\W_\u3040-\u9fff]+", text.lower())) + " "


def measure(corpus: list[Labelled], *, judge: bool = False) -> Tally:
    """What becomes of each caption by the rules alone, or with the learned ``judge``."""
    tally = Tally()
    for one in corpus:
        reply = Reply(clip_id="c", kind="dense", frames_hash="", text=one.text, finish="stop")
        checked = check_reply(reply, language=one.language, judge=judge)
        told = f"{one.text!r} -> {checked.outcome} {list(checked.checks)} {checked.text!r}"
        if one.outcome != "ok":
            tally.bad += 1
            if checked.outcome == "ok":
                tally.passed.append(told)
            continue
        tally.good += 1
        if checked.outcome != "ok":
            tally.rejected.append(told)
        if lost := [
            phrase for phrase in one.kept if words_of(phrase) not in words_of(checked.text or "")
        ]:
            tally.lost.append(f"{lost} of {told}")
        count_talk(one, checked, told, tally)
    return tally


def count_talk(one: Labelled, checked: CheckedReply, told: str, tally: Tally) -> None:
    """Count the talk of a good caption, found or not."""
    if one.talk:
        tally.talk += 1
        verdict = judge_reply(one.text, finish="stop", language=one.language)
        found = {"boilerplate", "malformed"} & set(verdict.checks) or checked.repairs
        if not found or any(phrase.lower() in (checked.text or "").lower() for phrase in one.talk):
            tally.overlooked.append(told)
    elif words_of(checked.text or "") != words_of(one.text):
        tally.touched.append(told)


def report(tally: Tally, *, lists: bool = False) -> None:
    """Print the figures, and the captions behind them."""
    print(f"captions of vision-language models: {tally.good} good ones, {tally.bad} bad ones")
    rows = (
        ("something that matters lost", tally.lost, tally.good),
        ("falsely rejected", tally.rejected, tally.good),
        ("talk overlooked", tally.overlooked, tally.talk),
        ("changed without need", tally.touched, tally.good - tally.talk),
        ("bad ones that passed", tally.passed, tally.bad),
    )
    for name, which, total in rows:
        print(f"{name:28} {len(which):4} of {total:4}  {len(which) / max(1, total):7.2%}")
        if lists:
            print("".join(f"    {told}\n" for told in which), end="")
