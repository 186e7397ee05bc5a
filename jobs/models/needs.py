"""Which published models a recipe needs, and whether they are on this machine. Nothing is loaded or downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.core.errors import UserError
from pipeline.store.hub import (
    INDEX_SUFFIX,
    index_parts,
    is_repository,
    missing_files,
    snapshot_folder,
    split_pin,
)

if TYPE_CHECKING:
    from jobs.core.recipe import Recipe

SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*")
"""Patterns of what lies beside the weights: config, tokenizer, processor, card."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is known of a repository without asking the hub."""

    licence: str
    """Licence as its card names it."""
    size_gb: float
    """About how much is fetched of it, gigabytes."""
    revision: str
    """The commit that our recipes pin, from public records of its use; it was not checked against the hub here."""


CATALOGUE = {
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": Published(
        licence="mit", size_gb=0.61, revision="1a25a446712ba5ee05982a381eed697ef9b435cf"
    ),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": Published(
        licence="apache-2.0", size_gb=2.0, revision="7b375e1b73b11138ff12fe22c8f2822d8fe03467"
    ),
    "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K": Published(
        licence="mit", size_gb=1.7, revision="84c9828e63dc9a9351d1fe637c346d4c1c4db341"
    ),
    "Qwen/Qwen3-VL-8B-Instruct": Published(
        licence="apache-2.0", size_gb=17.5, revision="0c351dd01ed87e9c1b53cbc748cba10e6187ff3b"
    ),
}
"""Repositories of the shipped recipes."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """One model that a recipe names."""

    roles: tuple[str, ...]
    """What it is for: ``clip``, ``text encoder``, ``captioner``."""
    model: str
    """Its name as the recipe spells it."""
    kind: str
    """``clip`` or ``captioner``: which files it consists of and how it is loaded."""
    repository: str
    """Repository on the hub."""
    revision: str | None
    """Commit, tag or branch that the recipe pins; None: whatever ``main`` is."""
    wanted: tuple[tuple[str, ...], ...]
    """Files it needs: one of each entry."""
    server: str | None = None
    """Address of the server that holds it, when it need not be on this machine."""

    @property
    def folder(self) -> Path | None:
        """Its snapshot in the local cache, None when nothing of it is there."""
        return snapshot_folder(self.repository, self.revision)

    @property
    def lacking(self) -> list[str]:
        """Files that are not on this machine and have to be."""
        if self.server is not None:
            return []
        folder = self.folder
        return [names[0] for names in self.wanted] if folder is None else self.lacking_in(folder)

    def lacking_in(self, folder: Path) -> list[str]:
        """Files that a snapshot of it lacks."""
        return missing_files(folder, self.wanted)

    def files_of(self, names: Sequence[str]) -> list[str]:
        """Which files of a repository are fetched: what is small, and its weights in one format only."""
        top = [name for name in names if "/" not in name]
        chosen = {name for name in top for pattern in SMALL_FILES if fnmatch(name, pattern)}
        weights = self.wanted[-1] if self.kind == "clip" else self.wanted[1]
        found = next((name for name in weights if name in top), None)
        if found is None:
            return sorted(chosen)
        stem = found.removesuffix(INDEX_SUFFIX)
        parts = {name for name in top if fnmatch(name, f"{Path(stem).stem}*{Path(stem).suffix}")}
        other = {name for name in chosen if name.endswith(INDEX_SUFFIX) and name != found}
        return sorted((chosen - other) | (parts if found.endswith(INDEX_SUFFIX) else {found}))

    def parts_of(self, folder: Path) -> list[str]:
        """Parts of split weights that the index of a snapshot names."""
        return [part for path in folder.glob(f"*{INDEX_SUFFIX}") for part in index_parts(path)]


def openclip_need(model: str, *roles: str) -> Need | None:
    """Need of a CLIP model by name, None for one that is no repository (embedded, none, a folder)."""
    from pipeline.openclip.find import CONFIG, NONE, clip_repository

    local = model.removeprefix("local-dir:")
    if model in ("embedded", NONE) or local != model or Path(local).expanduser().is_dir():
        return None
    if model.startswith(("/", ".", "~")) or (":" in model and not model.startswith("hf-hub:")):
        return None  # a folder, or a text encoder of another kind
    repository, revision, weights = clip_repository(model)
    return Need(
        roles=roles,
        model=model,
        kind="clip",
        repository=repository,
        revision=revision,
        wanted=((CONFIG,), weights),
    )


def caption_need(model: str, *roles: str, server: str | None = None) -> Need | None:
    """Need of a captioner by name, None for one that is no repository."""
    from captioner.backends.find import WANTED

    repository, revision = split_pin(model)
    if not is_repository(repository) or Path(model).expanduser().is_dir():
        return None
    if server is not None and revision is None and repository in CATALOGUE:
        revision = CATALOGUE[repository].revision
    return Need(
        roles=roles,
        model=model,
        kind="captioner",
        repository=repository,
        revision=revision,
        wanted=WANTED,
        server=server,
    )


def needs(recipe: Recipe) -> list[Need]:
    """Published models that a recipe names, each once, in the order in which they are used."""
    caption = recipe.caption
    server = caption.base_url if caption.backend == "openai" else None
    found = [
        openclip_need(recipe.openclip.model, "clip"),
        caption_need(caption.model, "captioner", server=server) if caption.asked else None,
        openclip_need(recipe.encode.text_encoder, "text encoder"),
    ]
    merged: dict[str, Need] = {}
    for need in filter(None, found):
        before = merged.get(need.model)
        roles = (*before.roles, *need.roles) if before else need.roles
        merged[need.model] = Need(**{**vars(need), "roles": roles})
    return list(merged.values())


def need_of(model: str) -> Need:
    """Need of a model that is named by itself: a CLIP model as open_clip names it, else a captioner."""
    error: ValueError | None = None
    try:
        if need := openclip_need(model, "clip"):
            return need
    except ValueError as unknown:
        error = unknown
    if need := caption_need(model, "captioner"):
        return need
    raise error or UserError(f"{model!r} is no published model: there is nothing to fetch")


def require_models(recipe: Recipe, named: str) -> None:
    """Raise one line when models of the recipe are not here or not on its server; ``named``: as ``--recipe``."""
    absent = [need for need in needs(recipe) if need.lacking and need.roles[0] != "text encoder"]
    if absent:
        size = sum(CATALOGUE[n.repository].size_gb for n in absent if n.repository in CATALOGUE)
        told = f", about {size:.1f} GB" if size else ""
        raise UserError(
            f"{listed(absent)} not on this machine{told}; get what the recipe needs once with: "
            f"filmstock models get --recipe {named}"
        )
    if recipe.caption.asked:
        from captioner.backends.open import check_backend

        check_backend(recipe.caption)  # also that its server is there, and has the model


def listed(absent: Sequence[Need]) -> str:
    """``clip model A and captioner B are``."""
    names = [f"{need.roles[0]} {need.model.partition('@')[0]}" for need in absent]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
