"""The recipe of a run for which none was named: by what the footage is, and which models are on this machine.

Footage that ``filmstock film`` marked as of the synthetic world gets ``demo``, whose embedded models know it. Any other
gets ``laptop``; without its models, the same recipe less what they do: no CLIP scores, and captions of kind ``facts``,
which are made of what was measured. So nothing is ever described by a model that does not know it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from jobs.core.recipe import RESOLVED, Recipe, load_recipe
from jobs.models.needs import listed, needs
from pipeline.store.paths import Location

LOOKED_AT = 8
"""Sources whose headers say what the footage is; clips of other footage are told apart one by one anyway."""
WORLD_RECIPE, REAL_RECIPE = "demo", "laptop"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A recipe, what ``--recipe`` would name it, and a line for people on why."""

    recipe: Recipe
    named: str
    note: str | None = None


def choose(
    sources: list[str],
    folder: Location,
    named: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Choice:
    """The recipe that is named, else the folder's own, else the one for such footage."""
    own = folder / RESOLVED
    if named is not None:
        return Choice(recipe=load_recipe(named, overrides), named=named)
    if own.is_file():
        recipe = load_recipe(own, overrides)
        if not is_measured_only(recipe):
            return Choice(recipe=recipe, named=str(own))
        real = load_recipe(REAL_RECIPE, overrides)
        absent = [need for need in needs(real) if need.lacking]
        if absent:
            return Choice(recipe=recipe, named=REAL_RECIPE, note=how_to_get_captions(absent))
        kinds = tuple(dict.fromkeys((*real.caption.kinds, *recipe.caption.kinds)))
        caption = dataclasses.replace(real.caption, kinds=kinds)
        note = (
            f"the models of recipe {REAL_RECIPE} are here by now: clips are described by them; "
            "scores and duplicates by CLIP need a new --out"
        )
        recipe = dataclasses.replace(recipe, caption=caption, encode=real.encode)
        return Choice(recipe=recipe, named=REAL_RECIPE, note=note)
    real = load_recipe(
        REAL_RECIPE, overrides
    )  # before the footage: a wrong setting is told at once
    if all_of_the_world(sources):
        return Choice(recipe=load_recipe(WORLD_RECIPE, overrides), named=WORLD_RECIPE)
    absent = [need for need in needs(real) if need.lacking]
    if not absent:
        note = f"this is not footage of `filmstock film`: recipe {REAL_RECIPE}"
        return Choice(recipe=real, named=REAL_RECIPE, note=note)
    return Choice(recipe=measured_only(real), named=REAL_RECIPE, note=how_to_get_captions(absent))


def measured_only(recipe: Recipe) -> Recipe:
    """A recipe less everything that its published models do."""
    from captioner.config import FACTS
    from pipeline.openclip.find import NONE

    openclip = dataclasses.replace(recipe.openclip, model=NONE)
    select = dataclasses.replace(recipe.select, dedup_cosine=None)
    caption = dataclasses.replace(recipe.caption, kinds=(FACTS,), check=False)
    return dataclasses.replace(recipe, openclip=openclip, select=select, caption=caption)


def is_measured_only(recipe: Recipe) -> bool:
    """True for what ``measured_only`` made."""
    from pipeline.openclip.find import NONE

    return recipe.openclip.model == NONE and not recipe.caption.asked


def how_to_get_captions(absent: list[Any]) -> str:
    """One line: what is missing, what is done without it, how to get the rest."""
    return (
        f"{listed(absent)} not on this machine: clips are split, scored and described by what was measured (kind "
        f"facts), without CLIP scores; for the rest: filmstock models get --recipe {REAL_RECIPE}"
    )


def all_of_the_world(sources: list[str]) -> bool:
    """True when the first sources that can be read are all marked as of the synthetic world, and there is one."""
    from pipeline.source.listing import list_sources
    from pipeline.video.tags import WORLD

    uris = (uri for _, _, uri in list_sources(sources))
    domains = list(domains_of(islice(uris, LOOKED_AT)))
    return bool(domains) and all(domain == WORLD for domain in domains)


def domains_of(uris: Iterable[str]) -> Iterator[str | None]:
    """Domain that each source names; one that is no video says nothing."""
    from contextlib import ExitStack

    from jobs.ingest.stages import open_source
    from pipeline.config import IngestConfig
    from pipeline.video.isolate import Sandbox
    from pipeline.video.probe import MediaError, probe

    usual = IngestConfig()
    sandbox = Sandbox(memory_bytes=usual.memory_bytes)
    try:
        for uri in uris:
            with ExitStack() as stack, suppress(MediaError, OSError):
                path = str(open_source(stack, uri))
                yield sandbox.run(probe, path, deadline_s=usual.deadline_s, stage="probe").domain
    finally:
        sandbox.close()
