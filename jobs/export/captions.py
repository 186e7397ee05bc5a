"""The captions of each clip as a trainer is to read them: kinds, dialect, template, length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from captioner.ask.structured import Structured, parse
from captioner.check.derive import derive_structured
from captioner.dialects.template import fill
from captioner.dialects.tokens import Counter, shorten
from captioner.dialects.write import (
    DIALECTS,
    NeedsFields,
    Told,
    cosmos_fields,
)
from pipeline import schema as s
from pipeline.export.plan import Note, Refusal, Shape
from pipeline.loader.mix import default_weights, draw_kind

if TYPE_CHECKING:
    import jinja2

MIX = "mix"
"""``--caption mix``: every kind that a clip has where a trainer takes several, else one drawn by its id."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How captions are written."""

    kind: str
    """A kind of caption, or ``mix``."""
    dialect: str
    """One of ``captioner.dialects.write.DIALECTS``."""
    template: jinja2.Template | None
    """Takes the place of the dialect."""
    many: bool
    """Whether the trainer takes several captions of a clip."""
    counter: Counter
    """Counts them."""
    most: int | None
    """Tokens that the text encoder reads."""
    shorten: bool
    """Leave out last sentences in place of a cut in the middle of one."""
    seed: int
    """Of the draw."""
    structured: bool
    """Whether the fields go along as an object."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The captions of one clip."""

    texts: tuple[str, ...]
    """As the trainer reads them."""
    tokens: int
    """Of the longest."""
    notes: tuple[str, ...] = ()
    """``caption_cut``, where the encoder will cut it."""
    fields: Mapping[str, Any] | None = None
    """The caption as an object of fields."""


def write_captions(
    wording: Wording, clip: str, texts: Mapping[str, str], shape: Shape
) -> Written | Refusal:
    """The captions of clip ``clip`` from those it has by kind, or why it has none of the kind."""
    kinds = kinds_of(wording, clip, texts)
    if not kinds:
        return Refusal.NO_CAPTION
    fields = fields_of(texts)
    found: list[str] = []
    for kind in kinds:
        told = told_of(kind, texts, fields, shape)
        try:
            write: Callable[[Told], str] = DIALECTS[wording.dialect]
            if wording.template is not None:
                write = partial(fill, wording.template, texts)
            text = write(told)
        except NeedsFields:
            return Refusal.NO_STRUCTURED
        if text and text not in found:
            found.append(text)
    if not found:
        return Refusal.NO_CAPTION
    cut: list[str] = []
    if wording.most is not None:
        if wording.shorten:
            found = [shorten(text, wording.most, wording.counter.count) for text in found]
        cut = [text for text in found if wording.counter.count(text) > wording.most]
    return Written(
        texts=tuple(found),
        tokens=max(wording.counter.count(text) for text in found),
        notes=(str(Note.CAPTION_CUT),) if cut else (),
        fields=cosmos_fields(told_of(kinds[0], texts, fields, shape))
        if wording.structured
        else None,
    )


def kinds_of(wording: Wording, clip: str, texts: Mapping[str, str]) -> list[str]:
    """The kinds that a clip shows, the one that is trained on first."""
    have = [kind for kind in s.CAPTION_KINDS if texts.get(kind)]
    if wording.kind != MIX:
        return [wording.kind] if wording.kind in have else []
    if not have or wording.many:
        return sorted(have, key=lambda kind: kind != "dense")
    return [draw_kind(wording.seed, 0, clip, default_weights(have))]


def fields_of(texts: Mapping[str, str]) -> Structured | None:
    """The structured caption of a clip, or what a dense one in the world's wording states; None without."""
    for text in (texts.get("structured"), derive_structured(texts.get("dense") or "")):
        if text:
            try:
                return parse(text)
            except ValueError:
                continue
    return None


def told_of(kind: str, texts: Mapping[str, str], fields: Structured | None, shape: Shape) -> Told:
    """What a dialect is told: prose of the kind asked for (none for ``structured``), and the fields."""
    prose = "" if kind == "structured" else texts[kind]
    return Told(
        prose=prose,
        fields=fields,
        seconds=round(shape.duration_s, 2),
        width=shape.width,
        height=shape.height,
        fps=shape.fps,
    )
