"""Captions by a template file (Jinja): ``{{ short }} Camera: {{ camera }}.``

It knows every kind of caption by name (``short``, ``dense``, ``original``, ``facts``), the fields of the structured
caption (``subjects``, ``background``, ``camera``, ``lighting``, ``style``, ``text``, ``events``), every dialect
(``tags``, ``ltx``, ``h3``, ``booru``, ``cosmos``) and ``seconds``, ``fps``, ``width``, ``height``. What a clip lacks is
empty; a name that nobody knows is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from captioner.dialects.write import DIALECTS, NeedsFields, Told
from pipeline import schema as s

if TYPE_CHECKING:
    import jinja2

FIELDS = ("subjects", "background", "camera", "lighting", "style", "text", "events")
"""Fields of a structured caption that a template may name."""
OF_THE_CLIP = ("seconds", "fps", "width", "height")
"""What a template may name of the clip itself."""


def parse_template(source: str, name: str) -> jinja2.Template:
    """The template; ValueError in one line where it is wrong or names what nobody knows."""
    import jinja2
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(keep_trailing_newline=False, autoescape=False)
    try:
        unknown = find_undeclared_variables(environment.parse(source)) - set(names())
        template = environment.from_string(source)
    except jinja2.TemplateError as error:
        raise ValueError(
            f"template {name}: {str(error).rstrip('.')}; write {{{{ short }}}} for a caption, as in Jinja"
        ) from None
    if unknown:
        raise ValueError(
            f"template {name} names {', '.join(sorted(unknown))}; known: {', '.join(names())}"
        )
    return template


def names() -> list[str]:
    """What a template may name."""
    return sorted({*s.CAPTION_KINDS, *FIELDS, *DIALECTS, *OF_THE_CLIP})


def fill(template: jinja2.Template, texts: Mapping[str, str], told: Told) -> str:
    """The caption of one clip; ``texts`` are its captions by kind."""
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
    except jinja2.TemplateError as error:
        raise ValueError(f"the template cannot be filled: {error}") from None
