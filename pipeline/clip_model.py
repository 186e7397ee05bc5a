"""CLIP through open_clip: image and clip embeddings, text embeddings, and the token features that condition the DiT.

``load_clip("embedded")`` reads the small model of this repository, ``load_clip("ViT-B-32/laion2b_s34b_b79k")`` a published
one from the local cache, ``load_clip("path/to/folder")`` any folder open_clip's ``local-dir:`` scheme reads. All three go
through the same open_clip calls. Nothing is ever downloaded here: a model that is not in the cache is a ``ValueError``
that says how to fetch it and which recipe needs none.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.torchvision_compat import prepare_torchvision

EMBEDDED = Path(__file__).resolve().parent / "weights" / "clip"
"""Folder of the model that ships with filmstock."""
CONFIG = "open_clip_config.json"
IMAGE_BATCH = 64
TEXT_BATCH = 64
_PROBES = ("a red circle moves left.", "Zwölf 12 ...", "", "text covering the screen")

log = logging.getLogger(__name__)


class ClipModel:
    """An open_clip model with its transform and tokenizer, on one device, for inference only."""

    def __init__(
        self,
        model: Any,
        preprocess: Any,
        tokenizer: Any,
        *,
        name: str,
        config: Mapping[str, Any],
        domain: str | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.name = name
        self.domain = domain
        """What the model was trained on when that is narrow, else None."""
        text = getattr(model, "text", model)
        if getattr(text, "cls_emb", None) is not None:
            raise ValueError(
                f"CLIP model {name!r} appends a class token to its text (CoCa); use a CLIP or SigLIP model"
            )
        self._norm = _token_layer(text, name)
        self.context_length = int(tokenizer.context_length or model.context_length)
        self._pad = _pad_id(tokenizer)
        self.id = _content_id(model, config, self._token_ids(list(_PROBES)))
        self._widths: tuple[int, int] | None = None

    @property
    def warning(self) -> str | None:
        """One line for people when the model knows a narrow domain only; jobs print it on other footage."""
        if self.domain is None:
            return None
        return (
            f"CLIP model {self.name!r} was trained on {self.domain} only: on other footage its scores mean little; "
            "recipe laptop uses a general one"
        )

    @property
    def logit_scale(self) -> float:
        """Factor between cosine and logit (100 for OpenAI's CLIP)."""
        return float(self.model.logit_scale.exp())

    @property
    def dim(self) -> int:
        """Size of the shared embedding space."""
        return self._sizes()[0]

    @property
    def text_width(self) -> int:
        """Size of a token feature."""
        return self._sizes()[1]

    def embed_images(self, frames: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Unit embeddings (N, D) float32 of uint8 RGB frames (H, W, 3) of any, also mixed, sizes."""
        import torch
        from PIL import Image

        rows = []
        for start in range(0, len(frames), IMAGE_BATCH):
            batch = [
                self.preprocess(Image.fromarray(_checked(f)))
                for f in frames[start : start + IMAGE_BATCH]
            ]
            with torch.inference_mode():
                images = torch.stack(batch).to(self._device)
                rows.append(self.model.encode_image(images, normalize=True).float().cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_clip(self, frames: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Unit embedding (D,) float32 of a clip: the mean of its frames' embeddings, so blind to their order."""
        if len(frames) == 0:
            raise ValueError("cannot embed a clip of no frames")
        mean = self.embed_images(frames).mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, D) float32 of texts; what exceeds the context is cut, and logged."""
        rows = [pooled for pooled, _, _ in self._encode(texts)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (L, W) float16: hidden states after the final norm, one per real token (specials yes, padding no).

        Of a causal tower each row depends on the tokens up to it only, whatever else is in the batch.
        """
        out: list[np.ndarray] = []
        for _, hidden, lengths in self._encode(texts):
            out += [row[:n].astype(np.float16) for row, n in zip(hidden, lengths, strict=True)]
        return out

    def _encode(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
        import torch

        if isinstance(texts, str):
            raise ValueError(f"texts must be a list of strings, got the string {texts!r}")
        for start in range(0, len(texts), TEXT_BATCH):
            ids = self._token_ids(list(texts[start : start + TEXT_BATCH]))
            lengths = [real_length(row, self._pad) for row in ids.tolist()]
            full = sum(n >= self.context_length for n in lengths)
            if full:
                log.warning(
                    "%d texts fill the %d tokens of CLIP model %s; anything beyond is cut",
                    full, self.context_length, self.name,
                )  # fmt: skip
            kept: list[Any] = []
            hook = self._norm.register_forward_hook(lambda _m, _i, o, kept=kept: kept.append(o))
            try:
                with torch.inference_mode():
                    pooled = self.model.encode_text(ids.to(self._device), normalize=True)
            finally:
                hook.remove()
            hidden = getattr(kept[-1], "last_hidden_state", kept[-1])
            yield pooled.float().cpu().numpy(), hidden.float().cpu().numpy(), lengths

    def _token_ids(self, texts: list[str]) -> Any:
        return self.tokenizer(texts, context_length=self.context_length)

    @property
    def _device(self) -> Any:
        return self.model.logit_scale.device

    def _sizes(self) -> tuple[int, int]:
        if self._widths is None:
            pooled, hidden, _ = next(self._encode(["a"]))
            self._widths = (pooled.shape[1], hidden.shape[2])
        return self._widths


def load_clip(model: str | Path = "embedded", *, device: str = "cpu") -> ClipModel:
    """Load a CLIP model: ``embedded``, ``ARCHITECTURE/PRETRAINED``, ``hf-hub:ORG/REPO``, or a folder.

    A folder holds ``open_clip_config.json``, weights and, when its config names one, the tokenizer.
    """
    prepare_torchvision()
    import open_clip

    spec, pretrained, domain = _resolve(str(model))
    try:
        with _offline():
            net, preprocess = open_clip.create_model_from_pretrained(
                spec, pretrained=pretrained, device=device
            )
            tokenizer = open_clip.get_tokenizer(spec)
            config = open_clip.factory.get_model_config(spec)
    except (OSError, RuntimeError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(f"CLIP model {str(model)!r} does not load: {first}") from error
    return ClipModel(net, preprocess, tokenizer, name=str(model), config=config, domain=domain)


def _resolve(model: str) -> tuple[str, str | None, str | None]:
    """(open_clip name, pretrained tag, domain) of a model that is present, or ``ValueError`` with the fix."""
    if model == "embedded":
        model = str(EMBEDDED)
        if not (EMBEDDED / CONFIG).is_file():
            raise ValueError(
                f"the embedded CLIP model is missing from {EMBEDDED}; rebuild it with: filmstock train-clip"
            )
    folder = Path(model.removeprefix("local-dir:")).expanduser()
    if folder.is_dir():
        return _resolve_folder(folder)
    if model.startswith(("local-dir:", "/", "./", "../", "~")):
        raise ValueError(f"CLIP model folder {folder} does not exist; give a folder with {CONFIG}")
    if model.startswith("hf-hub:"):
        repo = model.removeprefix("hf-hub:")
        if not _cached_repo_file(repo, (CONFIG,)):
            raise ValueError(_not_cached(model, f"hf download {repo}"))
        return model, None, None
    return _resolve_published(model)


def _resolve_folder(folder: Path) -> tuple[str, None, str | None]:
    try:
        config = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"folder {folder} has no {CONFIG}; a CLIP folder holds it beside its weights"
        ) from None
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is not valid JSON: {error}") from None
    return f"local-dir:{folder}", None, config.get("filmstock", {}).get("domain")


def _resolve_published(model: str) -> tuple[str, str, None]:
    import open_clip

    name, slash, tag = model.partition("/")
    known = open_clip.list_models()
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "it is no folder and no open_clip architecture"
        raise ValueError(
            f"CLIP model {model!r} is unknown; {hint} Use embedded, ARCHITECTURE/PRETRAINED, or a folder"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if not slash or tag not in tags:
        raise ValueError(
            f"CLIP model {model!r} needs a pretrained tag; write {name}/TAG with TAG one of: {', '.join(tags)}"
        )
    entry = open_clip.get_pretrained_cfg(name, tag)
    repo, _, file = str(entry.get("hf_hub", "")).rpartition("/")
    command = (
        f"python -c \"import open_clip; open_clip.create_model_and_transforms('{name}', pretrained='{tag}')\""
    )
    if repo:
        files = (file,) if file else (
            "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin",
        )  # fmt: skip
        present = _cached_repo_file(repo, files)
    else:
        url = str(entry.get("url", ""))
        present = (Path.home() / ".cache" / "clip" / Path(url).name).is_file()
    if not present:
        raise ValueError(_not_cached(model, command))
    return name, tag, None


def _not_cached(model: str, command: str) -> str:
    return (
        f"CLIP model {model!r} is not in the local cache; fetch it once with: {command}; "
        "or use recipe demo, whose embedded model needs no download"
    )


def _cached_repo_file(repo: str, files: tuple[str, ...]) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repo, file), str) for file in files)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Keep huggingface_hub to its cache while loading, so that nothing downloads or waits on a network."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _token_layer(text: Any, name: str) -> Any:
    """Module whose output is the token features: the final norm, or a Hugging Face text encoder as a whole."""
    if hasattr(text, "ln_final"):
        return text.ln_final
    if hasattr(text, "transformer"):
        return text.transformer
    raise ValueError(f"CLIP model {name!r} has a text tower whose token features cannot be read")


def _checked(frame: np.ndarray) -> np.ndarray:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(
            f"a frame must be uint8 (height, width, 3) RGB, got {frame.dtype} {frame.shape}"
        )
    return np.ascontiguousarray(frame)


def _pad_id(tokenizer: Any) -> int:
    """Id that open_clip's tokenizer pads with: the inner tokenizer's, or 0 for CLIP's own."""
    inner = getattr(tokenizer, "tokenizer", None)
    return int(getattr(inner, "pad_token_id", None) or 0)


def real_length(ids: Sequence[int], pad: int) -> int:
    """Tokens of a right-padded row without its padding, at least 1.

    Where a tokenizer pads with its end token, the first of the run is that end token, and counts.
    """
    end = len(ids)
    while end > 1 and ids[end - 1] == pad:
        end -= 1
    return end


def _content_id(model: Any, config: Mapping[str, Any], probe_ids: Any) -> str:
    """Hash of architecture, weights, preprocessing and tokenizer behaviour; where the files lie does not matter."""
    import torch
    import xxhash

    described = {"model": config, "preprocess": getattr(model.visual, "preprocess_cfg", None)}
    digest = xxhash.xxh3_128(json.dumps(described, sort_keys=True, default=str).encode())
    state = model.state_dict()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.to(torch.float32).contiguous().numpy().tobytes())
    digest.update(probe_ids.numpy().tobytes())
    return f"clip-{digest.hexdigest()[:16]}"
