"""Captions from vLLM in this process; an extra of its own, because vLLM pins its own torch and transformers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from captioner.ask.frames import ClipFrames, ServerFrames, for_server
from captioner.backends.base import Reply, Request, chat_messages, error_reply, model_id, reply_to
from captioner.config import CaptionConfig
from pipeline.store.hub import split_pin

NOT_INSTALLED = (
    "backend 'vllm' needs vLLM, which is not installed: pip install vllm in an environment of its own, "
    "or run `vllm serve MODEL` there and use backend = 'openai'"
)

log = logging.getLogger(__name__)


class VLLMBackend:
    """An ``LLM`` engine that is given the same frames as every other backend."""

    def __init__(self, config: CaptionConfig) -> None:
        if config.model == "embedded":
            raise ValueError(
                "vLLM does not run the embedded captioner; use backend = 'transformers' for it"
            )
        try:
            from vllm import LLM
        except ImportError as error:
            raise ValueError(NOT_INSTALLED) from error
        self.config = config
        self.model_id = model_id(config)
        self.pulls = config.batch_size
        self.engine: Any = LLM(
            model=split_pin(config.model)[0],
            revision=split_pin(config.model)[1],
            seed=config.seed,
            limit_mm_per_prompt={"image": config.frames},
        )

    def prepare(self, frames: ClipFrames) -> ServerFrames:
        """Data URLs, encoded once for all kinds of a clip."""
        return for_server(frames)

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply per request, a batch at a time; a batch that the engine refuses is tried again row by row."""
        stream = iter(requests)
        while batch := list(islice(stream, self.pulls)):
            yield from self._batch(batch)

    def close(self) -> None:
        """Drop the engine."""
        self.engine = None

    def _batch(self, requests: list[Request]) -> list[Reply]:
        try:
            outputs = self.engine.chat(
                [chat_messages(request) for request in requests],
                [self._sampling(request) for request in requests],
                use_tqdm=False,
            )
        except Exception as error:  # noqa: BLE001 - one bad row must not cost its batch
            if len(requests) == 1:
                return [error_reply(requests[0], error)]
            log.warning(
                "a batch of %d failed (%s); trying its rows one by one", len(requests), error
            )
            return [reply for request in requests for reply in self._batch([request])]
        return [
            reply_to(
                request,
                text=output.outputs[0].text.strip(),
                finish=output.outputs[0].finish_reason,
            )
            for request, output in zip(requests, outputs, strict=True)
        ]

    def _sampling(self, request: Request) -> Any:
        from vllm import SamplingParams

        # vLLM's own default is 16 tokens.
        settings: dict[str, Any] = {
            "max_tokens": self.config.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.schema is not None:
            from vllm.sampling_params import StructuredOutputsParams

            settings["structured_outputs"] = StructuredOutputsParams(json=request.schema)
        return SamplingParams(**settings)
