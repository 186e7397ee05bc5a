"""``filmstock expand "a red circle moves right"``: short prompts to captions like those a model was trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_REFUSED, Refused, UserError
from pipeline import schema as s
from pipeline.store.paths import Location

if TYPE_CHECKING:
    from captioner.expand.expand import Expansion, Library

MOST_CAPTIONS = 20_000
"""Captions of a dataset that prompts are expanded by at most."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Expand prompts, one line each; an unsafe one is refused by category and exits with 4."""

    prompts: tyro.conf.Positional[tuple[str, ...]]
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
    if not args.prompts:
        raise UserError('nothing to expand; give a prompt: filmstock expand "a red circle"')
    refused = False
    for result in expand_all(
        args.prompts, like=args.like, base_url=args.base_url, model=args.model
    ):
        refused |= result.method == "refused"
        if args.json:
            say(json.dumps(record(result)))
        elif result.method == "refused":
            warn(
                f"refused as {result.verdict.category} ({result.verdict.matched}): {result.prompt}"
            )
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
    from captioner.expand.expand import expand, world_library

    library = world_library() if like is None else dataset_library(like)
    ask = None
    if base_url is not None:
        from captioner.expand.llm import Asker

        if not model:
            raise UserError("--base-url needs --model, the name of a model that the server knows")
        ask = Asker(base_url=base_url, model=model)
    results = []
    for prompt in prompts:
        try:
            result = expand(prompt, library, ask=ask)
        except ValueError as error:
            if ask is None:
                raise UserError(str(error)) from None
            warn(f"{error}; this prompt is expanded offline")
            result = expand(prompt, library)
        if ask is not None and result.method in ("template", "verbatim") and result.lost:
            warn(f"the model's expansion lost {', '.join(result.lost)}; expanded offline instead")
        results.append(result)
    return results


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


def dataset_library(folder: Location) -> Library:
    """The dense captions of a run folder or of shards, with their structured forms where there are any."""
    from captioner.expand.expand import Library, example_of
    from pipeline.shards.read import open_manifest

    try:
        table = open_manifest(folder).table
    except (ValueError, OSError) as error:
        raise UserError(f"--like {folder}: {error}") from None
    dense = table[s.CAPTION_DENSE].to_pylist()
    structured = table[s.CAPTION_STRUCTURED].to_pylist()
    pairs = [(a, b) for a, b in zip(dense, structured, strict=True) if a]
    if not pairs:
        raise UserError(f"--like {folder} holds no dense caption; caption and pack it first")
    step = -(-len(pairs) // MOST_CAPTIONS)
    return Library(example_of(a, b) for a, b in pairs[::step])
