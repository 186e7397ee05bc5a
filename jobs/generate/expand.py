"""``filmstock expand "a red circle moves right"``: short prompts to captions like those a model was trained on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_REFUSED, Refused, UserError
from jobs.generate.limits import check_like, check_url
from jobs.generate.texts import check_prompt
from pipeline.bounds import Bounded, Count
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.expansion.expand import Expansion
    from jobs.search.retrieve import Answer


@dataclass(frozen=True, kw_only=True)
class Args(Bounded):
    """Expand prompts, one line each; an unsafe one is refused by category and exits with 4."""

    prompts: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT ...")]
    """One or more prompts."""
    like: Folder | None = None
    """Run folder or shards folder whose dense captions to be like. Default: those of the synthetic world."""
    retrieve: Folder | None = None
    """Run folder with embeddings: the captions of the clips nearest to a prompt are its examples, before all others."""
    retrieved: Count = 3
    """With --retrieve: how many clips."""
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
    if args.base_url is not None:
        check_url("--base-url", args.base_url)
    check_like(args)
    refused = False
    for result in expand_all(
        args.prompts, like=args.like, base_url=args.base_url, model=args.model,
        answers=retrieve_all(args.prompts, args.retrieve, args.retrieved),
    ):  # fmt: skip
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
    answers: Sequence[Answer] | None = None,
) -> list[Expansion]:
    """Every prompt expanded, in order; where the server gives no answer, offline, with a warning.

    ``answers`` are what was retrieved for each, in place of ``like``.
    """
    from captioner.expansion.prompts import expand

    if base_url is not None and not model:
        raise UserError("--base-url needs --model, the name of a model that the server knows")
    try:
        if answers is not None:
            return [
                expand(
                    each.prompt, base_url=base_url, model=model, warn=warn,
                    library=each.library, examples=each.examples,
                )
                for each in answers
            ]  # fmt: skip
        return expand(list(prompts), like=like, base_url=base_url, model=model, warn=warn)
    except (ValueError, OSError) as error:
        raise UserError(str(error) if like is None else f"--like {like}: {error}") from None


def retrieve_all(
    prompts: Sequence[str], folder: Location | None, count: int
) -> list[Answer] | None:
    """What is found for each prompt, said on stderr as it is found; None without a folder.

    An unsafe prompt is looked up by nobody: it has no examples, and is refused when it is expanded.
    """
    if folder is None:
        return None
    from captioner.expansion.safety import judge_prompt
    from jobs.generate.retrieved import look_up
    from jobs.search.retrieve import Answer, open_retrieval

    retrieval = open_retrieval(folder)
    try:
        return [
            look_up(retrieval, prompt, count, to_stderr=True)
            if judge_prompt(prompt).safe
            else Answer(prompt=prompt, found=(), examples=(), library=None)
            for prompt in prompts
        ]
    finally:
        retrieval.close()


def expand_or_refuse(prompts: Sequence[str], **options: Any) -> list[str]:
    """Texts to sample from, options as in ``expand_all``; raises ``Refused`` for the first unsafe prompt."""
    texts = []
    for result in expand_all(list(prompts), **options):
        if result.method == "refused":
            raise Refused(
                f"prompt {result.prompt!r} is refused as {result.verdict.category} "
                f"({result.verdict.matched}); nothing was sampled"
            )
        texts.append(result.text)
    return texts
