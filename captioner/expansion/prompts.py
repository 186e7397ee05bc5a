"""Expand prompts by the captions of a dataset or of the synthetic world, offline or through a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TypedDict, Unpack, overload

from captioner.expansion.expand import Example, Expansion, Library, example_of
from captioner.expansion.expand import expand as expand_by
from captioner.expansion.safety import judge_prompt
from captioner.expansion.world import world_library
from pipeline import schema as s
from pipeline.store.paths import Location

MOST_CAPTIONS = 20_000
"""Captions of a dataset that prompts are expanded by at most."""

log = logging.getLogger(__name__)


class ExpandOptions(TypedDict, total=False):
    """What ``expand`` takes beside prompts."""

    like: str | Location | None
    base_url: str | None
    model: str
    warn: Callable[[str], object]
    library: Library | None
    examples: Sequence[Example]


@overload
def expand(prompts: str, **options: Unpack[ExpandOptions]) -> Expansion: ...


@overload
def expand(
    prompts: list[str] | tuple[str, ...], **options: Unpack[ExpandOptions]
) -> list[Expansion]: ...


def expand(
    prompts: str | list[str] | tuple[str, ...],
    *,
    like: str | Location | None = None,
    base_url: str | None = None,
    model: str = "",
    warn: Callable[[str], object] = log.warning,
    library: Library | None = None,
    examples: Sequence[Example] = (),
) -> Expansion | list[Expansion]:
    """Turn short prompts into captions like those that a model was trained on.

    Args:
        prompts: One prompt, or several.
        like: Run folder or shards folder whose dense captions to be like. Default: those of the synthetic world.
        base_url: OpenAI-compatible server, up to and including ``/v1``, that expands. Default: offline.
        model: Model that the server knows.
        warn: Takes a line where the server gave no usable answer, so that a prompt was expanded offline.
        library: Captions to be like that are at hand already, in place of ``like``.
        examples: Captions of it that go before the nearest by words, see ``expand.expand``.

    Returns:
        An ``Expansion`` per prompt, in order. ``text`` is the caption; ``method`` is ``refused`` for an unsafe prompt,
        and ``verdict`` says why.

    Raises:
        ValueError: ``like`` holds no dense captions, or ``base_url`` comes without ``model``.
    """
    if isinstance(prompts, str):
        return expand(
            [prompts], like=like, base_url=base_url, model=model, warn=warn, library=library,
            examples=examples,
        )[0]  # fmt: skip
    ask = None
    if base_url is not None:
        from captioner.expansion.llm import Asker

        if not model:
            raise ValueError("a server to expand with needs the name of a model that it knows")
        ask = Asker(base_url=base_url, model=model)
    results = []
    for prompt in prompts:
        verdict = judge_prompt(prompt := " ".join(prompt.split()))
        if not verdict.safe:  # said before captions are read, which takes seconds
            results.append(Expansion(prompt=prompt, text="", method="refused", verdict=verdict))
            continue
        library = library or (_world() if like is None else dataset_library(like))
        try:
            result = expand_by(prompt, library, ask=ask, examples=examples)
        except ValueError as error:
            if ask is None:
                raise
            warn(f"{error}; this prompt is expanded offline")
            result = expand_by(prompt, library, examples=examples)
        if ask is not None and result.method in ("template", "verbatim") and result.lost:
            warn(f"the model's expansion lost {', '.join(result.lost)}; expanded offline instead")
        results.append(result)
    return results


def dataset_library(folder: str | Location) -> Library:
    """The dense captions of a run folder or of shards, with their structured forms where there are any."""
    from pipeline.shards.read import open_manifest

    table = open_manifest(folder).table
    dense: Iterable[str | None] = table[s.CAPTION_DENSE].to_pylist()
    structured: Iterable[str | None] = table[s.CAPTION_STRUCTURED].to_pylist()
    pairs = [(a, b) for a, b in zip(dense, structured, strict=True) if a]
    if not pairs:
        raise ValueError(f"{folder} holds no dense caption; caption and pack it first")
    step = -(-len(pairs) // MOST_CAPTIONS)
    return Library(example_of(a, b) for a, b in pairs[::step])


@lru_cache(maxsize=1)
def _world() -> Library:
    return world_library()
