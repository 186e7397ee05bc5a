"""CLIP through open_clip: embeddings of images, clips and texts, and the token features that condition the DiT.

``load_openclip("embedded")`` reads the small model of this repository.
``load_openclip("ViT-B-32/laion2b_s34b_b79k")`` reads a published one from the local cache.
``load_openclip("path/to/folder")`` reads any folder that open_clip's ``local-dir:`` scheme reads.
All three go through the same open_clip calls.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contracts import check_texts
from pipeline.openclip.find import domain_warning, find_openclip
from pipeline.openclip.package import open_clip_module
from pipeline.store.hub import offline

IMAGE_BATCH = 64
TEXT_BATCH = 64
CLIP_CONTEXT = 77
"""Tokens of a text where a model's config gives no number."""
COUNTED = 16
"""How many times longer than the context a text may be for its tokens to be counted."""
_PROBES = ("a red circle moves left.", "Zwölf 12 ...", "", "text covering the screen")

log = logging.getLogger(__name__)


class OpenClipModel:
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
        return domain_warning(self.name, self.domain)

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

    @property
    def max_tokens(self) -> int:
        """Tokens of a text, after which it is cut."""
        return self.context_length

    def cut_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text beyond ``max_tokens``, which are cut; no model is run.

        Counted up to ``COUNTED`` times the context.
        """
        cut: list[int] = []
        for start in range(0, len(texts), TEXT_BATCH):
            batch = list(texts[start : start + TEXT_BATCH])
            rows = self.tokenizer(batch, context_length=COUNTED * self.context_length).tolist()
            cut += [max(0, real_length(row, self._pad) - self.context_length) for row in rows]
        return cut

    def text_tokens(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Per text (L, W) float16: hidden states after the final norm, one per real token (specials yes, padding no).

        Of a causal tower each row depends on the tokens up to it only, whatever else is in the batch.
        """
        out: list[np.ndarray] = []
        for _, hidden, lengths in self._encode(texts):
            out += [row[:n].astype(np.float16) for row, n in zip(hidden, lengths, strict=True)]
        return out

    def _encode(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
        import torch

        check_texts(texts)
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


def load_openclip(model: str | Path = "embedded", *, device: str = "cpu") -> OpenClipModel:
    """Load a CLIP model: ``embedded``, ``ARCHITECTURE/PRETRAINED``, ``hf-hub:ORG/REPO``, or a folder.

    A folder holds ``open_clip_config.json``, weights and, when its config names one, the tokenizer.
    """
    open_clip = open_clip_module()
    found = find_openclip(str(model))
    try:
        with offline():
            net, preprocess = open_clip.create_model_from_pretrained(
                found.spec, pretrained=found.pretrained, device=device
            )
            config = open_clip.factory.get_model_config(found.spec)
            tokenizer = _tokenizer(found.spec, config)
    except Exception as error:  # open_clip, safetensors and transformers each raise their own kinds
        first = (str(error).splitlines() or [""])[0][:200]
        fix = f"; if files are missing, fetch them with: {found.fetch}" if found.fetch else ""
        raise ValueError(f"CLIP model {str(model)!r} does not load: {first}{fix}") from error
    return OpenClipModel(
        net, preprocess, tokenizer, name=str(model), config=config, domain=found.domain
    )


def _tokenizer(spec: str, config: Mapping[str, Any]) -> Any:
    """The tokenizer that open_clip gives a model; CLIP's own is made once for all models."""
    text = config.get("text_cfg", {})
    if {"hf_tokenizer_name", "tokenizer_kwargs"} & text.keys() or "siglip" in spec.lower():
        return open_clip_module().get_tokenizer(spec)
    return _clips_own_tokenizer(text.get("context_length", CLIP_CONTEXT))


@lru_cache(maxsize=8)
def _clips_own_tokenizer(context_length: int) -> Any:
    """To read and rank its 49 thousand words takes a third of a second."""
    return open_clip_module().SimpleTokenizer(context_length=context_length)


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
