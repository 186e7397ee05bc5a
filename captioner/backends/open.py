"""Open the captioning backend that a recipe names, or say in one line why it cannot work here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.extensions import is_extension, load_extension, make_extension

if TYPE_CHECKING:
    from captioner.backends.base import Backend
    from captioner.config import CaptionConfig


def open_backend(config: CaptionConfig) -> Backend:
    """The backend that ``config`` names, loaded and ready."""
    if config.backend == "openai":
        from captioner.backends.openai import OpenAIBackend

        return OpenAIBackend(config)
    if config.backend == "vllm":
        from captioner.backends.vllm import VLLMBackend

        return VLLMBackend(config)
    if is_extension(config.backend):
        backend: Backend = make_extension(config.backend, "caption backend", config)
        return backend
    from captioner.backends.transformers import TransformersBackend

    return TransformersBackend(config)


def check_backend(config: CaptionConfig) -> None:
    """Raise one line when the backend cannot work here, before any worker starts or any clip is read."""
    import importlib.util

    if config.backend == "openai":
        from captioner.backends.openai import check_server

        check_server(config)
    elif config.backend == "vllm":
        if importlib.util.find_spec("vllm") is None:
            from captioner.backends.vllm import NOT_INSTALLED

            raise ValueError(NOT_INSTALLED)
    elif is_extension(config.backend):
        load_extension(config.backend, "caption backend")
    else:
        from captioner.backends.transformers import check_model

        check_model(config.model)
