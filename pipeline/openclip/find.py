"""Where a CLIP model is: in the repository, in a folder, or in the local cache. Nothing is ever downloaded here.

A model that is not there is a ``ValueError`` of one line: which model, how to fetch it, and which recipe needs none.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.openclip.package import architectures, open_clip_module
from pipeline.store.hub import cached_revisions, missing_files, snapshot_folder, split_pin

NONE = "none"
"""Model of a run without CLIP: no embeddings, no concept scores."""
EMBEDDED = Path(__file__).resolve().parents[1] / "weights" / "clip"
"""Folder of the model that ships with filmstock."""
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""Names that open_clip looks for in a Hub repository."""
OF_RECIPES = {
    "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-L-14/datacomp_xl_s13b_b90k": "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
}
"""Repositories of the models in our recipes, as open_clip has them; to ask it takes seconds, for it imports torch."""


@dataclass(frozen=True, kw_only=True)
class FoundOpenClip:
    """What to ask open_clip for."""

    spec: str
    """Model name as open_clip spells it: architecture, ``local-dir:PATH`` or ``hf-hub:ORG/REPO``."""
    pretrained: str | None = None
    """Pretrained tag of an architecture."""
    domain: str | None = None
    """What the model was trained on, when its folder says that this is narrow."""
    fetch: str | None = None
    """Command that fetches it."""
    folder: Path | None = None
    """Folder that it is loaded from."""


def domain_warning(name: str, domain: str) -> str:
    """One line for people about a model that knows a narrow domain only."""
    return (
        f"CLIP model {name!r} was trained on {domain} only: on other footage its scores mean little; "
        "recipe laptop uses a general one"
    )


def find_openclip(model: str) -> FoundOpenClip:
    """Resolve ``embedded``, ``ARCHITECTURE/PRETRAINED``, ``hf-hub:ORG/REPO`` or a folder; ``ValueError`` if absent.

    A published model may be pinned: ``ARCHITECTURE/PRETRAINED@REVISION``.
    """
    if model == NONE:
        raise ValueError(
            'this run has no CLIP model ([openclip] model = "none"); name one to use it'
        )
    if model == "embedded":
        if not (EMBEDDED / CONFIG).is_file():
            raise ValueError(
                f"the embedded CLIP model is missing from {EMBEDDED}; rebuild it with: filmstock train-clip"
            )
        return _folder(EMBEDDED)
    folder = Path(model.removeprefix("local-dir:")).expanduser()
    if folder.is_dir():
        return _folder(folder)
    if model.startswith(("local-dir:", "/", "./", "../", "~")):
        raise ValueError(f"CLIP model folder {folder} does not exist; give a folder with {CONFIG}")
    return _published(model)


def _folder(folder: Path) -> FoundOpenClip:
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"folder {folder} has no {CONFIG}; a CLIP folder holds it beside its weights"
        ) from None
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not valid JSON: {error}") from None
    note = config.get("filmstock", {}) if isinstance(config, dict) else {}
    return FoundOpenClip(spec=f"local-dir:{folder}", domain=note.get("domain"), folder=folder)


def clip_repository(model: str) -> tuple[str, str | None, tuple[str, ...]]:
    """(repository, revision, names its weights may have) of a published model; ``ValueError`` for an unknown one."""
    named, revision = split_pin(model)
    if named.startswith("hf-hub:"):
        return named.removeprefix("hf-hub:"), revision, WEIGHTS
    if named in OF_RECIPES:
        return OF_RECIPES[named], revision, WEIGHTS
    name, _, tag = named.partition("/")
    known = architectures()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"CLIP model {model!r} is unknown; {hint}use embedded, ARCHITECTURE/PRETRAINED as open_clip names them, "
            "or a folder"
        )
    open_clip = open_clip_module()
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise ValueError(
            f"CLIP model {model!r} needs a pretrained tag; write {name}/TAG with TAG one of: {', '.join(tags)}"
        )
    entry = open_clip.get_pretrained_cfg(name, tag)
    repository, _, file = str(entry.get("hf_hub", "")).rpartition("/")
    return repository, revision, (*WEIGHTS, file) if file else WEIGHTS


def _published(model: str) -> FoundOpenClip:
    """A model of the hub that is in the local cache, loaded from its snapshot, so that a pin holds.

    Repositories without open_clip's own config have the architecture from open_clip and their weights by name, which
    open_clip takes from the revision ``main``: such a model cannot be pinned.
    """
    repository, revision, weights = clip_repository(model)
    fetch = f"filmstock models get {model}"
    folder = snapshot_folder(repository, revision)
    if folder is None or missing_files(folder, (weights,)):
        raise _not_cached(model, repository, revision, fetch)
    if (folder / CONFIG).is_file() and any((folder / name).is_file() for name in WEIGHTS):
        return FoundOpenClip(spec=f"local-dir:{folder}", fetch=fetch, folder=folder)
    name, _, tag = split_pin(model)[0].partition("/")
    if model.startswith("hf-hub:") or revision is not None:
        raise ValueError(
            f"CLIP model {model!r}: {repository} has no {CONFIG}, so "
            + ("it is none for open_clip" if revision is None else "it cannot be pinned")
        )
    return FoundOpenClip(spec=name, pretrained=tag, fetch=fetch, folder=folder)


def _not_cached(model: str, repository: str, revision: str | None, fetch: str) -> ValueError:
    others = [name[:12] for name in cached_revisions(repository) if name != revision]
    there = f" (revision {', '.join(others)} is, {revision} is asked for)" if others else ""
    return ValueError(
        f"CLIP model {model!r} is not in the local cache{there}; fetch it once with: {fetch} "
        "(or use recipe demo, whose embedded model needs no download but knows only the synthetic world)"
    )
