"""Captions by a template file (Jinja): ``{{ short }} Camera: {{ camera }}.``

It knows every kind of caption by name (``short``, ``dense``, ``original``, ``facts``), the fields of the structured
caption (``subjects``, ``background``, ``camera``, ``lighting``, ``style``, ``text``, ``events``), every dialect
(``tags``, ``ltx``, ``h3``, ``booru``, ``cosmos``) and ``seconds``, ``fps``, ``width``, ``height``. What a clip lacks is
empty; a name that nobody knows is refused, and so is a template that writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from captioner.ask.structured import Event, Structured, Subject
from captioner.dialects.write import DIALECTS, NeedsFields, Told
from pipeline import schema as s

if TYPE_CHECKING:
    import jinja2

FIELDS = ("subjects", "background", "camera", "lighting", "style", "text", "events")
"""Fields of a structured caption that a template may name."""
OF_THE_CLIP = ("seconds", "fps", "width", "height")
"""What a template may name of the clip itself."""
SINGLE = re.compile(r"\{[A-Za-z_][\w.]*\}")
"""A name in single braces, as Python's ``format`` has it: Jinja would write it as it stands."""
FULL = Told(
    prose="A dog runs.",
    fields=Structured(
        subjects=[
            Subject(name="dog", count=k, appearance="red", action="runs", position="on the left")
            for k in range(1, 10)
        ],
        background="a field",
        camera="pans left",
        style="animation",
        lighting="is soft",
        text=["stop"] * 9,
        events=[Event(start_s=k, end_s=k + 1, what="the dog runs") for k in range(9)],
    ),
    seconds=9.0,
    width=640,
    height=360,
    fps=24.0,
)
"""A clip that lacks nothing: what a template leaves empty with it, it leaves empty with every clip."""
EVERY_KIND = dict.fromkeys(s.CAPTION_KINDS, "A dog runs.")
"""Its captions."""


def parse_template(source: str, name: str) -> jinja2.Template:
    """The template; ValueError in one line where it is wrong or names what nobody knows."""
    import jinja2
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        keep_trailing_newline=False, autoescape=False, undefined=jinja2.ChainableUndefined
    )
    strict = environment.overlay(undefined=jinja2.StrictUndefined)
    try:
        unknown = find_undeclared_variables(environment.parse(source)) - set(names())
        template = environment.from_string(source)
        written = "" if unknown else render(strict.from_string(source), EVERY_KIND, FULL)
    except jinja2.TemplateError as error:
        raise ValueError(
            f"template {name}: {str(error).rstrip('.')}; write {{{{ short }}}} for a caption, as in Jinja"
        ) from None
    if unknown:
        raise ValueError(
            f"template {name} names {', '.join(sorted(unknown))}; known: {', '.join(names())}"
        )
    if single := SINGLE.search(
        re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source, flags=re.DOTALL)
    ):
        raise ValueError(
            f"template {name}: {single[0]} has single braces, so it would stand in every caption as it is; write "
            "{{ short }} for a caption, as in Jinja"
        )
    if not written:
        raise ValueError(
            f"template {name} writes nothing, whatever a clip has; write {{{{ short }}}} for a caption, as in Jinja"
        )
    return template


def names() -> list[str]:
    """What a template may name."""
    return sorted({*s.CAPTION_KINDS, *FIELDS, *DIALECTS, *OF_THE_CLIP})


def fill(template: jinja2.Template, texts: Mapping[str, str], told: Told) -> str:
    """The caption of one clip; ``texts`` are its captions by kind."""
    import jinja2

    try:
        return render(template, texts, told)
    except jinja2.TemplateError as error:
        raise ValueError(f"the template cannot be filled: {error}") from None


def render(template: jinja2.Template, texts: Mapping[str, str], told: Told) -> str:
    """The same; jinja2.TemplateError where it cannot be filled."""
    import jinja2

    values: dict[str, Any] = {kind: texts.get(kind, "") for kind in s.CAPTION_KINDS}
    for name in FIELDS:
        values[name] = getattr(told.fields, name) if told.fields is not None else ""
    for name, write in DIALECTS.items():
        try:
            values[name] = write(told)
        except NeedsFields:
            values[name] = ""
    values |= {name: getattr(told, name) for name in OF_THE_CLIP}
    try:
        return template.render(values).strip()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise jinja2.TemplateRuntimeError(str(error)) from error
