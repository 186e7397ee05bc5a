"""What may be asked of a checkpoint, read off the functions that do it: a new verb of ``dit`` has a form at once.

A verb is a public function of ``dit`` that takes ``prompt`` and ``models``. Its other arguments, and the fields of its
``config``, are the fields of its form, with the limits and the help that stand beside them in the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dit.config import SampleConfig
from jobs.core.errors import unknown
from pipeline.bounds import Limits

FILES = {"video": "video", "first": "video", "second": "video", "picture": "picture"}
"""Argument -> what is given for it."""
MOST_TEXT = 4000
"""Characters of a prompt at most."""
MOST = {"steps": 200, "frames": 129, "new_frames": 256, "fps": 60, "guidance": 50, "context": 16}
"""Bounds of a public form, tighter than those of the code: one request must not hold the queue for hours."""
SHARES = ("strength",)
"""Arguments that go from 0 to 1."""
ABOUT = {
    "first": "The video that comes first.",
    "second": "The video that comes last; it is scaled to the first.",
    "video": "The video.",
    "picture": "The picture.",
    "new_frames": "New frames.",
    "context": "Latent frames that the model is given of each side.",
    "keep": "How the model sees what is kept.",
    "strength": "0 changes nothing, 1 keeps nothing.",
}
"""What an argument means where its docstring does not say."""
SIDE = (16, 1024)
"""Sides of a video, pixels."""
EXPAND = "Turn a short prompt into a caption like those trained on; an unsafe one is refused."
FIRST = ("frames", "fps", "steps", "guidance")
"""Settings of the sampler that come first."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form."""

    name: str
    kind: Literal[
        "text", "integer", "number", "boolean", "choice", "pair", "video", "picture", "region"
    ]
    about: str = ""
    default: Any = None
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    group: Literal["main", "sampler"] = "main"

    def schema(self) -> dict[str, Any]:
        """The field as JSON Schema."""
        if self.kind == "pair":
            item = {"type": "number", "minimum": 0, "maximum": 1}
            body = {"type": "array", "items": item, "minItems": 2, "maxItems": 2}
        elif self.kind == "choice":
            body = {"type": "string", "enum": list(self.choices)}
        elif self.kind in ("video", "picture"):
            body = {"type": "string", "pattern": "^(result|input):[0-9a-f]{16}$"}
        elif self.kind == "region":
            body = {"type": "string", "pattern": r"^\d{1,4},\d{1,4},\d{1,4}x\d{1,4}$"}
        elif self.kind == "text":
            body = {"type": "string", "maxLength": MOST_TEXT}
        else:
            body = {"type": self.kind}
        bounds = {"minimum": self.least, "exclusiveMinimum": self.above, "maximum": self.most}
        body |= {name: value for name, value in bounds.items() if value is not None}
        if self.about:
            body["description"] = self.about
        if self.default is not None and not self.required:
            body["default"] = list(self.default) if self.kind == "pair" else self.default
        return body

    def check(self, value: Any) -> Any:
        """The value as the code takes it; ValueError says what is wrong with it."""
        right = {
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "boolean": isinstance(value, bool),
            "pair": isinstance(value, list) and len(value) == 2,
        }.get(self.kind, isinstance(value, str))
        if not right:
            raise ValueError(f"{self.name} is {value!r}; it must be {_kind_words(self.kind)}")
        if self.kind in ("integer", "number"):
            self._check_limits(value)
        if self.kind == "choice" and value not in self.choices:
            raise ValueError(f"{self.name}: {unknown('choice', value, self.choices)}")
        if self.kind in ("video", "picture", "region") and not re.fullmatch(
            self.schema()["pattern"], value
        ):
            raise ValueError(f"{self.name} is {value[:60]!r}; it must be {_kind_words(self.kind)}")
        if self.kind == "text" and len(value) > MOST_TEXT:
            raise ValueError(f"{self.name} has {len(value)} characters; give at most {MOST_TEXT}")
        if self.kind == "pair":
            if not all(isinstance(v, int | float) and 0 <= v <= 1 for v in value):
                raise ValueError(f"{self.name} must be two numbers from 0 to 1")
            return [float(v) for v in value]
        return value

    def _check_limits(self, value: float) -> None:
        limits = Limits(least=self.least, above=self.above, most=self.most)
        if not limits.allows(value):
            raise ValueError(f"{self.name} is {value}; it must be {limits}")


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One thing that a checkpoint can do."""

    name: str
    about: str
    fields: tuple[Field, ...]
    function: Callable[..., Any]

    def schema(self) -> dict[str, Any]:
        """The body of a request as JSON Schema."""
        properties = {field.name: field.schema() for field in self.fields}
        properties["verb"] = {"type": "string", "enum": [self.name]}
        properties["expand"] = {"type": "boolean", "default": False, "description": EXPAND}
        required = ["verb", *(field.name for field in self.fields if field.required)]
        return {
            "type": "object",
            "description": self.about,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def settings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Every field's value, defaults among them; ValueError for the first thing that is wrong."""
        known = {field.name: field for field in self.fields}
        for name in body:
            if name not in ("verb", "expand") and name not in known:
                raise ValueError(unknown("field", str(name), known))
        found: dict[str, Any] = {}
        for field in self.fields:
            if field.name in body and body[field.name] is not None:
                found[field.name] = field.check(body[field.name])
            elif field.required:
                raise ValueError(f"{field.name} is missing; {self.name} needs it")
            elif field.default is not None:
                found[field.name] = field.default
        config_of(found)  # what several fields must agree on
        return found


def config_of(settings: Mapping[str, Any]) -> SampleConfig:
    """The sampler's settings among those of a request."""
    names = [each.name for each in fields(SampleConfig) if each.name in settings]
    chosen: dict[str, Any] = {}
    for name in names:
        value = settings[name]
        chosen[name] = tuple(value) if isinstance(value, list) else value
    return SampleConfig(**chosen)


@cache
def verbs() -> dict[str, Verb]:
    """Every verb by its name, sampling first."""
    import dit

    found = {"sample": _sample()}
    for name in dit.__all__:
        function = getattr(dit, name)
        if inspect.isfunction(function) and {"prompt", "models"} <= set(_parameters(function)):
            found[name] = _verb(name, function)
    return found


def _sample() -> Verb:
    """A video from a prompt alone."""

    def sample(prompt: str, *, models: Any, width: int, height: int, config: Any, seed: int) -> Any:
        from dit.generation import generate

        (video,) = generate(
            [prompt],
            dit=models.dit,
            vae=models.vae,
            text_encoder=models.text_encoder,
            width=width,
            height=height,
            config=config,
            seed=seed,
        )
        return video

    sides = [
        Field(
            name=side,
            kind="integer",
            default=64,
            least=SIDE[0],
            most=SIDE[1],
            about=f"{about}, pixels",
        )
        for side, about in (("width", "Width"), ("height", "Height"))
    ]
    own = (_prompt(required=True), *sides, _seed(), *_config_fields(keep_frames=True))
    return Verb(name="sample", about="A video from a caption.", fields=own, function=sample)


def _verb(name: str, function: Callable[..., Any]) -> Verb:
    hints, help_of = get_type_hints(function, include_extras=True), argument_docs(function)
    own: list[Field] = []
    parameters = _parameters(function)
    for argument, parameter in parameters.items():
        if argument in ("models", "config"):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        shown = "new_frames" if argument == "frames" else argument
        about = help_of.get(argument, "") or ABOUT.get(shown, "")
        if argument in FILES:
            own.append(Field(name=argument, kind=FILES[argument], required=True, about=about))  # type: ignore[arg-type]
        elif argument == "mask":
            about = "What is made anew: X,Y,WxH in pixels from the top left corner, in all frames."
            own.append(Field(name="region", kind="region", required=True, about=about))
        elif argument == "prompt":
            own.append(_prompt(required=False))
        elif argument == "seed":
            own.append(_seed())
        else:
            own.append(_field(shown, hints.get(argument, str), default, about))
    moves = any(field.kind == "video" for field in own)
    own += _config_fields(keep_frames=not moves or "context" in parameters)
    about = (inspect.getdoc(function) or name).partition("\n\n")[0].replace("\n", " ")
    about = (
        about.replace("``", "").replace("config.", "").partition(", bit for bit")[0].rstrip(".")
        + "."
    )
    return Verb(name=name, about=about, fields=tuple(own), function=function)


def _prompt(*, required: bool) -> Field:
    about = "What the video shows; dense captions work best." + (
        "" if required else " Empty: none."
    )
    return Field(name="prompt", kind="text", default="", about=about, required=required)


def _seed() -> Field:
    about = "Seed of the noise: the same settings and seed give the same video."
    return Field(name="seed", kind="integer", default=0, least=0, most=2**53, about=about)


@cache
def _config_fields(*, keep_frames: bool) -> tuple[Field, ...]:
    """Fields of ``SampleConfig``: how long, how fast, and the sampler's."""
    from dit.config import RULE_NAMES, SOLVER_NAMES

    # a name of somebody's own module is for who runs the server, not for who asks it
    closed = {"rule": RULE_NAMES, "solver": SOLVER_NAMES}
    hints = get_type_hints(SampleConfig, include_extras=True)
    docs = attribute_docs(SampleConfig)
    found = []
    for each in fields(SampleConfig):
        if each.name == "frames" and not keep_frames:
            continue
        if get_origin(_plain(hints[each.name])) is tuple and each.name != "interval":
            continue  # lists of block numbers are for the command line
        default = None if each.default is MISSING else each.default
        about = docs.get(each.name, "").partition(", or module:")[0]
        choices = closed.get(each.name, ())
        group: Any = "main" if each.name in FIRST else "sampler"
        if each.name in ("skip_scale", "skip_blocks"):
            continue
        found.append(_field(each.name, hints[each.name], default, about, choices, group))
    return tuple(sorted(found, key=lambda f: FIRST.index(f.name) if f.name in FIRST else 9))


def _field(
    name: str,
    hint: Any,
    default: Any,
    about: str,
    choices: tuple[str, ...] = (),
    group: Any = "main",
) -> Field:
    """A field from a type hint: its kind, its limits, its choices."""
    limits = next((part for part in _parts(hint) if isinstance(part, Limits)), Limits())
    literal = next((get_args(p) for p in _parts(hint) if get_origin(p) is Literal), ())
    choices = choices or tuple(map(str, literal))
    base = _plain(hint)
    kind: Any = (
        "choice"
        if choices
        else "pair"
        if get_origin(base) is tuple
        else {int: "integer", float: "number", bool: "boolean"}.get(base, "text")
    )
    numeric = kind in ("integer", "number")
    if isinstance(default, float) and default.is_integer() and numeric:
        default = int(default)
    top = 1.0 if name in SHARES else limits.most
    most = min(x for x in (top, MOST.get(name), 1e6) if x is not None) if numeric else None
    least = 0 if name == "guidance" or name in SHARES else limits.least
    if kind == "integer" and least is None:
        least = 1
    return Field(
        name=name,
        kind=kind,
        about=about,
        default=default,
        least=least if numeric else None,
        above=limits.above if numeric else None,
        most=most,
        choices=choices,
        required=default is None and kind != "text" and not _may_be_none(hint),
        group=group,
    )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _may_be_none(hint: Any) -> bool:
    """Whether a type, without what annotates it, has None among its choices."""
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    return type(None) in get_args(hint)


def _plain(hint: Any) -> Any:
    """A type without what annotates it, and without None."""
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        return next((_plain(part) for part in get_args(hint) if part is not type(None)), str)
    return hint


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    if get_origin(hint) is not Literal:
        for part in (*get_args(hint), *getattr(hint, "__metadata__", ())):
            yield from _parts(part)


def argument_docs(function: Callable[..., Any]) -> dict[str, str]:
    """Argument -> what the docstring says of it."""
    text = inspect.getdoc(function) or ""
    block = re.search(r"^Args:\n(.*?)(?:\n\S|\Z)", text, re.DOTALL | re.MULTILINE)
    found: dict[str, str] = {}
    for line in textwrap.dedent(block[1]).splitlines() if block else ():
        if match := re.match(r"(\w+): (.*)", line):
            last = match[1]
            found[last] = match[2]
        elif found and line.strip():
            found[last] += " " + line.strip()
    return found


def attribute_docs(cls: type) -> dict[str, str]:
    """Field -> the docstring under it, of a dataclass and those it extends."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                value = getattr(below, "value", None)
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[line.target.id] = " ".join(value.value.split())
    return found


def _kind_words(kind: str) -> str:
    return {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "pair": "two numbers",
        "video": "input:ID of an upload or result:ID of a finished video",
        "picture": "input:ID of an upload or result:ID of a finished video",
        "region": "X,Y,WxH in pixels, such as 16,16,32x32",
    }.get(kind, "a text")
