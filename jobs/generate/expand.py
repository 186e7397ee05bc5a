"""``filmstock expand "a red circle moves right"``: short prompts to captions like those a model was trained on."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_REFUSED, Refused, UserError
from jobs.generate.texts import check_prompt
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.expansion.expand import Expansion


@dataclass(frozen=True, kw_only=True)
class Args:
    """Expand prompts, one line each; an unsafe one is refused by category and exits with 4."""

    prompts: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT ...")]
    """One or more prompts."""
    like: Folder | None = None
    """Run folder or shards folder whose dense captions to be like. Default: those of the synthetic world."""
    base_url: str | None = None
    """OpenAI-compatible server, up to and including /v1, that expands; without it prompts are expanded offline."""
    model: str = ""
    """Model that the server knows."""
    json: bool = False
    """Print one JSON object per prompt: prompt, text, method, category, what a first attempt had lost."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "expand")
    if not any(prompt.strip() for prompt in args.prompts):
        raise UserError(
            'nothing to expand: no PROMPT, or an empty prompt; give one: filmstock expand "a red circle"'
        )
    for prompt in args.prompts:
        if not prompt.strip():
            raise UserError("an empty prompt among the others; leave it out")
        check_prompt(prompt, "prompt")
    if args.model and args.base_url is None:
        raise UserError(
            f"--model {args.model} names a server's model; give the server by --base-url"
        )
    if args.base_url is not None and not args.base_url.startswith(("http://", "https://")):
        raise UserError(
            f"--base-url {args.base_url}: it must start with http:// or https://, such as http://127.0.0.1:8000/v1"
        )
    refused = False
    for result in expand_all(
        args.prompts, like=args.like, base_url=args.base_url, model=args.model
    ):
        refused |= result.method == "refused"
        if args.json:
            say(json.dumps(record(result)))
        elif result.method == "refused":
            why = f"{result.verdict.category} ({result.verdict.matched})"
            print(f"filmstock: refused as {why}: {result.prompt}", file=sys.stderr)
        else:
            say(result.text)
    return EXIT_REFUSED if refused else EXIT_OK


def record(result: Expansion) -> dict[str, Any]:
    """An expansion as plain data."""
    return {
        "prompt": result.prompt,
        "text": result.text,
        "method": result.method,
        "category": result.verdict.category,
        "lost": list(result.lost),
    }


def expand_all(
    prompts: tuple[str, ...] | list[str],
    *,
    like: Location | None = None,
    base_url: str | None = None,
    model: str = "",
) -> list[Expansion]:
    """Every prompt expanded, in order; where the server gives no answer, offline, with a warning."""
    from captioner.expansion.prompts import expand

    if base_url is not None and not model:
        raise UserError("--base-url needs --model, the name of a model that the server knows")
    try:
        return expand(list(prompts), like=like, base_url=base_url, model=model, warn=warn)
    except (ValueError, OSError) as error:
        raise UserError(str(error) if like is None else f"--like {like}: {error}") from None


def expand_or_refuse(prompts: list[str], *, like: Location | None = None) -> list[str]:
    """Texts to sample from; raises ``Refused`` with prompt and category for the first unsafe one."""
    texts = []
    for result in expand_all(prompts, like=like):
        if result.method == "refused":
            raise Refused(
                f"prompt {result.prompt!r} is refused as {result.verdict.category} "
                f"({result.verdict.matched}); nothing was sampled"
            )
        texts.append(result.text)
    return texts
