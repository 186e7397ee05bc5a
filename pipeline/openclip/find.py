"""Where a CLIP model is: in the repository, in a folder, or in the local cache. Nothing is ever downloaded here.

A model that is not there is a ``ValueError`` of one line: which model, how to fetch it, and which recipe needs none.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EMBEDDED = Path(__file__).resolve().parents[1] / "weights" / "clip"
"""Folder of the model that ships with filmstock."""
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""Names that open_clip looks for in a Hub repository."""


@dataclass(frozen=True, kw_only=True)
class FoundClip:
    """What to ask open_clip for."""

    spec: str
    """Model name as open_clip spells it: architecture, ``local-dir:PATH`` or ``hf-hub:ORG/REPO``."""
    pretrained: str | None = None
    """Pretrained tag of an architecture."""
    domain: str | None = None
    """What the model was trained on, when its folder says that this is narrow."""
    fetch: str | None = None
    """Command that fetches it."""


def domain_warning(name: str, domain: str) -> str:
    """One line for people about a model that knows a narrow domain only."""
    return (
        f"CLIP model {name!r} was trained on {domain} only: on other footage its scores mean little; "
        "recipe laptop uses a general one"
    )


def find_clip(model: str) -> FoundClip:
    """Resolve ``embedded``, ``ARCHITECTURE/PRETRAINED``, ``hf-hub:ORG/REPO`` or a folder; ``ValueError`` if absent."""
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
    if model.startswith("hf-hub:"):
        repo = model.removeprefix("hf-hub:")
        if not (_cached(repo, (CONFIG,)) and _cached(repo, WEIGHTS)):
            raise _not_cached(model, f"hf download {repo}")
        return FoundClip(spec=model, fetch=f"hf download {repo}")
    return _published(model)


def _folder(folder: Path) -> FoundClip:
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"folder {folder} has no {CONFIG}; a CLIP folder holds it beside its weights"
        ) from None
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not valid JSON: {error}") from None
    note = config.get("filmstock", {}) if isinstance(config, dict) else {}
    return FoundClip(spec=f"local-dir:{folder}", domain=note.get("domain"))


def _published(model: str) -> FoundClip:
    import open_clip

    name, _, tag = model.partition("/")
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"CLIP model {model!r} is unknown; {hint}use embedded, ARCHITECTURE/PRETRAINED as open_clip names them, "
            "or a folder"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise ValueError(
            f"CLIP model {model!r} needs a pretrained tag; write {name}/TAG with TAG one of: {', '.join(tags)}"
        )
    entry = open_clip.get_pretrained_cfg(name, tag)
    repo, _, file = str(entry.get("hf_hub", "")).rpartition("/")
    fetch = f"hf download {repo}"
    if not _cached(repo, (file, *WEIGHTS) if file else WEIGHTS):
        raise _not_cached(model, fetch)
    return FoundClip(spec=name, pretrained=tag, fetch=fetch)


def _not_cached(model: str, fetch: str) -> ValueError:
    return ValueError(
        f"CLIP model {model!r} is not in the local cache; fetch it once with: {fetch} "
        "(or use recipe demo, whose embedded model needs no download)"
    )


def _cached(repo: str, files: tuple[str, ...]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repo, file), str) for file in files)


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Keep huggingface_hub to its cache, so that loading neither downloads nor waits on a network."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
