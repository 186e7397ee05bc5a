"""Captions from vLLM in this process; an extra of its own, because vLLM pins its own torch and transformers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from captioner.base import Reply, Request, chat_messages, error_reply, model_id
from captioner.config import CaptionConfig

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
            from vllm import LLM, SamplingParams
        except ImportError as error:
            raise ValueError(NOT_INSTALLED) from error
        self.config = config
        self.model_id = model_id(config)
        self.engine: Any = LLM(
            model=config.model,
            seed=config.seed,
            limit_mm_per_prompt={"image": config.frames},
        )
        # vLLM's own default is 16 tokens.
        self.sampling: Any = SamplingParams(
            max_tokens=config.max_new_tokens, temperature=config.temperature, seed=config.seed
        )

    def caption(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order; a batch that the engine refuses is tried again row by row."""
        size = self.config.batch_size
        replies: list[Reply] = []
        for start in range(0, len(requests), size):
            replies += self._batch(list(requests[start : start + size]))
        return replies

    def close(self) -> None:
        """Drop the engine."""
        self.engine = None

    def _batch(self, requests: list[Request]) -> list[Reply]:
        try:
            outputs = self.engine.chat(
                [chat_messages(request) for request in requests], self.sampling, use_tqdm=False
            )
        except Exception as error:  # noqa: BLE001 - one bad row must not cost its batch
            if len(requests) == 1:
                return [error_reply(requests[0], error)]
            log.warning(
                "a batch of %d failed (%s); trying its rows one by one", len(requests), error
            )
            return [reply for request in requests for reply in self._batch([request])]
        return [
            Reply(
                clip_id=request.clip_id,
                kind=request.kind,
                text=output.outputs[0].text.strip(),
                finish=output.outputs[0].finish_reason,
            )
            for request, output in zip(requests, outputs, strict=True)
        ]
