"""``filmstock models list|get|check``: the published models that a recipe needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from jobs.core.args import parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError, unknown
from jobs.core.recipe import Recipe, load_recipe
from pipeline.bounds import Bounded, Positive

if TYPE_CHECKING:
    from jobs.models.needs import Need

HELP = """usage: filmstock models COMMAND ...

The published models that recipes name, in the local cache of the Hugging Face hub (HF_HOME).

  list [--recipe NAME]    repository, pinned revision, size, licence, and where it is; asks no network
  get --recipe NAME       fetch what the recipe needs: resumes, checks every hash, all of a model or nothing
  get MODEL...            the same for single models, as recipes spell them
  check --recipe NAME     load each, run it once here; memory, seconds a clip, hours for your footage

HF_ENDPOINT names a mirror, HF_TOKEN opens gated models, HF_HOME another disk.
"""


@dataclass(frozen=True, kw_only=True)
class ListArgs:
    """What recipes need: repository, pinned revision, size, licence, and where it is. Asks no network."""

    recipe: str | None = None
    """Recipe file, or name of one of ours. Default: all of ours."""


@dataclass(frozen=True, kw_only=True)
class GetArgs:
    """Fetch models into the local cache of the Hugging Face hub: checked, and all of a model or nothing."""

    models: tyro.conf.Positional[tuple[str, ...]] = ()
    """Models as recipes spell them, such as ViT-B-32/laion2b_s34b_b79k or ORG/NAME@REVISION."""
    recipe: str | None = None
    """Recipe file, or name of one of ours: everything that it needs on this machine."""


@dataclass(frozen=True, kw_only=True)
class CheckArgs(Bounded):
    """Load every model of a recipe and run it once on this device: memory, seconds a clip, hours for your footage."""

    recipe: str = "laptop"
    """Recipe file, or name of one of ours."""
    hours: Positive = 1.0
    """Hours of footage to reckon with."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    commands = {"list": list_main, "get": get_main, "check": check_main}
    if not argv:
        raise UserError("models: no command; give list, get or check (filmstock models --help)")
    if argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return EXIT_OK
    if argv[0] not in commands:
        raise UserError(f"models: {unknown('command', argv[0], commands)}")
    return commands[argv[0]](argv[1:])


def list_main(argv: list[str]) -> int:
    """``filmstock models list``."""
    args = parse_args(ListArgs, argv, "models list")
    names = [args.recipe] if args.recipe else ["demo", "laptop", "cluster"]
    for name in names:
        for line in described(name, load_recipe(name)):
            say(line)
    return EXIT_OK


def described(name: str, recipe: Recipe) -> list[str]:
    """Lines about the models of a recipe."""
    from jobs.models.needs import needs

    found = needs(recipe)
    if not found:
        return [f"recipe {name}: nothing to fetch, its models are part of filmstock or folders"]
    lines = [f"recipe {name}"]
    for need in found:
        lines += [f"  {' and '.join(need.roles)}: {need.model}", *details(need)]
    return lines


def details(need: Need) -> list[str]:
    """Repository, revision, size, licence and place of one model."""
    from jobs.models.needs import CATALOGUE

    known = CATALOGUE.get(need.repository)
    revision = need.revision or "main (not pinned)"
    folder = need.folder
    if need.server is not None:
        place = f"served by {need.server}: start the server with it"
    elif folder is not None and not need.lacking:
        place = f"{folder} ({folder_bytes(folder) / 1e6:.0f} MB)"
    elif folder is not None:
        place = f"not whole: {need.lacking[0]} is missing; filmstock models get {need.model}"
    else:
        place = f"not on this machine; filmstock models get {need.model}"
    size = f"about {known.size_gb:g} GB" if known else "size as the hub says"
    licence = known.licence if known else "licence as the hub says"
    return [
        f"    repository {need.repository}, revision {revision}",
        f"    {size}, {licence}",
        f"    {place}",
    ]


def folder_bytes(folder: object) -> int:
    """Bytes of the files that a snapshot links to."""
    from pathlib import Path

    return sum(path.stat().st_size for path in Path(str(folder)).rglob("*") if path.is_file())


def get_main(argv: list[str]) -> int:
    """``filmstock models get``."""
    from jobs.models.fetch import describe, fetch
    from jobs.models.needs import need_of, needs

    args = parse_args(GetArgs, argv, "models get")
    if bool(args.models) == bool(args.recipe):
        raise UserError(
            "models get: give --recipe NAME, or models; filmstock models list shows both"
        )
    wanted = needs(load_recipe(args.recipe)) if args.recipe else [need_of(m) for m in args.models]
    here = [need for need in wanted if need.server is None]
    if not here:
        say("models: nothing to fetch")
    todo = []
    for need in here:
        if need.lacking:
            todo.append((need, describe(need)))
        else:
            say(f"models: {need.model} is here, {need.folder}")
    for need, remote in todo:
        told = f", licence {remote.licence}" if remote.licence else ""
        say(f"models: {need.repository} at {remote.commit}, {remote.size / 1e6:.1f} MB{told}")
    for need, remote in todo:
        folder = fetch(need, remote, say)
        say(f"models: {need.model} is here, {folder}")
    for need in wanted:
        if need.server is not None:
            revision = f" --revision {need.revision}" if need.revision else ""
            say(
                f"models: {need.model} is served by {need.server}: vllm serve {need.repository}{revision}"
            )
    return EXIT_OK


def check_main(argv: list[str]) -> int:
    """``filmstock models check``."""
    from jobs.models.check import CLIP_S, try_model
    from jobs.models.needs import needs

    args = parse_args(CheckArgs, argv, "models check")
    recipe = load_recipe(args.recipe)
    found = needs(recipe)
    if not found:
        say(f"models: recipe {args.recipe} names no published model")
    failed = 0
    for need in found:
        try:
            done = try_model(need, recipe)
        except ValueError as error:
            warn(" ".join(str(error).split()))
            failed += 1
            continue
        say(
            f"models: {done.role} {done.model} on {done.device}: loaded in {done.load_s:.1f} s, "
            f"{done.memory_mb:.0f} MB, {done.clip_s:.2f} s a clip of {CLIP_S:g} s; {done.note}"
        )
        say(
            f"  {done.hours(args.hours):.2f} hours of work for {args.hours:g} hours of footage, one clip at a time"
        )
    return EXIT_PARTIAL if failed else EXIT_OK
