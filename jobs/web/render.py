"""Pages from Jinja templates: always escaped, and an undefined name is an error, never an empty string."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    import jinja2

SHARED = Path(__file__).parent / "templates"


@cache
def templates(folder: Path | None = None) -> jinja2.Environment:
    """Templates of a room's ``folder``, and the shared ones (``base.html.j2``) below it."""
    import jinja2

    folders = [SHARED] if folder is None else [folder, SHARED]
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def page(
    name: str,
    /,
    *,
    folder: Path | None = None,
    code: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """The template ``name`` filled with ``values``, as an answer."""
    return HTMLResponse(templates(folder).get_template(name).render(values), code, headers)


def error_page(code: int, why: str, headers: dict[str, str] | None = None) -> HTMLResponse:
    """A page for an error."""
    return page("error.html.j2", code=code, headers=headers, status=code, why=why)
