"""The interface of every captioning backend: requests in, one typed reply per request out.

A backend never raises for a row: what goes wrong with one request is that request's reply. It raises only when it
cannot serve at all (no such model, missing package), and then with one line that says what to do.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from captioner.frames import ClipFrames

if TYPE_CHECKING:
    from captioner.config import CaptionConfig

ERROR_CHARS = 240
"""Length that error messages are cut to: never a payload in a table."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One clip, one kind of caption."""

    clip_id: str
    """Clip that the reply belongs to."""
    kind: str
    """Kind of caption."""
    frames: ClipFrames
    """What the model sees."""
    prompt: str
    """What it is asked, filled in."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of one request."""

    clip_id: str
    """The request's clip."""
    kind: str
    """The request's kind."""
    text: str | None = None
    """What the model said; None when it did not answer."""
    finish: str | None = None
    """``stop``, ``length`` (cut at the token limit), ``content_filter``, or None when unknown."""
    error: str | None = None
    """Why there is no answer: ``type: message`` in one line."""


class Backend(Protocol):
    """Anything that captions."""

    model_id: str
    """Identity of the model as stored with each caption; new weights, new identity."""

    def caption(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in the order of the requests."""
        ...

    def close(self) -> None:
        """Let go of the model or the connections."""
        ...


def open_backend(config: CaptionConfig) -> Backend:
    """The backend that ``config`` names, loaded and ready."""
    if config.backend == "openai":
        from captioner.openai_backend import OpenAIBackend

        return OpenAIBackend(config)
    if config.backend == "vllm":
        from captioner.vllm_backend import VLLMBackend

        return VLLMBackend(config)
    from captioner.transformers_backend import TransformersBackend

    return TransformersBackend(config)


def check_backend(config: CaptionConfig) -> None:
    """Raise one line when the backend cannot work here, before any worker starts or any clip is read."""
    import importlib.util

    if config.backend == "openai":
        from captioner.openai_backend import check_server

        check_server(config)
    elif config.backend == "vllm":
        if importlib.util.find_spec("vllm") is None:
            from captioner.vllm_backend import NOT_INSTALLED

            raise ValueError(NOT_INSTALLED)
    else:
        from captioner.transformers_backend import check_model

        check_model(config.model)


def model_id(config: CaptionConfig) -> str:
    """Identity of the configured model without loading it: its name, and for local folders a hash of the files."""
    from captioner.embedded import WEIGHTS

    folder = WEIGHTS if config.model == "embedded" else Path(config.model).expanduser()
    if config.backend == "openai" or not folder.is_dir():
        return config.model
    name = "embedded" if config.model == "embedded" else folder.name
    return f"{name}@{folder_hash(folder)}"


def folder_hash(folder: Path) -> str:
    """Hash of a model folder's weights, config and tokenizer: 12 hex digits; large files by size and two blocks."""
    digest = hashlib.blake2b(digest_size=6)
    block = 1 << 20
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".safetensors", ".jinja", ".model", ".txt"):
            continue
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= 64 * block:
                digest.update(file.read())
            else:
                digest.update(file.read(block))
                file.seek(size - block)
                digest.update(file.read())
    return digest.hexdigest()


def error_reply(request: Request, error: BaseException | str) -> Reply:
    """The reply of a request that failed: one short line, never a traceback or a payload."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    line = " ".join(text.split())[:ERROR_CHARS]
    return Reply(clip_id=request.clip_id, kind=request.kind, error=line)


def png_data_urls(images: np.ndarray) -> list[str]:
    """Frames as lossless ``data:`` URLs, so that a server sees the very pixels that were hashed."""
    from PIL import Image

    urls = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
        urls.append("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode())
    return urls


def chat_messages(request: Request) -> list[dict]:
    """The request as an OpenAI-style conversation: every frame in order, then the question."""
    content: list[dict] = [
        {"type": "image_url", "image_url": {"url": url}}
        for url in png_data_urls(request.frames.images)
    ]
    content.append({"type": "text", "text": request.prompt})
    return [{"role": "user", "content": content}]
