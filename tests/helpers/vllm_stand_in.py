"""Stand-ins for the parts of vLLM that the backend calls, with the signatures of its 0.20 to 0.33 documentation.

They check what vLLM itself would refuse: unknown arguments, a second event loop, text where media are missing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class RequestOutputKind(Enum):
    CUMULATIVE, DELTA, FINAL_ONLY = range(3)


@dataclass(kw_only=True)
class StructuredOutputsParams:
    json: dict[str, Any] | None = None


@dataclass(kw_only=True)
class SamplingParams:
    max_tokens: int = 16
    temperature: float = 1.0
    seed: int | None = None
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE
    structured_outputs: StructuredOutputsParams | None = None


@dataclass(kw_only=True)
class AsyncEngineArgs:
    model: str
    revision: str | None = None
    seed: int = 0
    max_model_len: int | None = None
    gpu_memory_utilization: float = 0.9
    limit_mm_per_prompt: dict[str, int]


class AsyncLLM:
    """Answers ``say X`` with ``say X!``; ``bad`` raises, ``slow`` takes a while."""

    def __init__(self, args: AsyncEngineArgs) -> None:
        self.args, self.loop = args, asyncio.get_running_loop()
        self.prompts: list[dict[str, Any]] = []
        self.sampling: dict[str, SamplingParams] = {}
        self.ids: set[str] = set()
        self.flying = self.most = 0
        self.closed = False

    @classmethod
    def from_engine_args(cls, engine_args: AsyncEngineArgs) -> AsyncLLM:
        global LAST
        LAST = cls(engine_args)
        return LAST

    async def generate(
        self, prompt: dict[str, Any], sampling_params: SamplingParams, request_id: str
    ) -> AsyncIterator[Any]:
        assert asyncio.get_running_loop() is self.loop, "an engine belongs to one event loop"
        assert request_id not in self.ids, "a request id is used once"
        self.ids.add(request_id)
        for kind, items in prompt["multi_modal_data"].items():
            assert 0 < len(items) <= self.args.limit_mm_per_prompt[kind], "more media than allowed"
        self.prompts.append(prompt)
        question = prompt["prompt"].split("|")[-1]
        self.sampling[question] = sampling_params
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(0.3 if "slow" in question else 0.01)
        self.flying -= 1
        if "bad" in question:
            raise ValueError("bad image")
        answer = SimpleNamespace(text=f" {question}! ", finish_reason="stop")
        yield SimpleNamespace(outputs=[answer], finished=True)

    def shutdown(self) -> None:
        self.closed = True


LAST: AsyncLLM | None = None


class Processor:
    """Writes ``<image>`` and ``<video>`` where they belong, and the question after the last bar."""

    def apply_chat_template(
        self, talks: list[Any], *, add_generation_prompt: bool, tokenize: bool
    ) -> list[str]:
        assert add_generation_prompt and not tokenize
        return [
            "|".join(part.get("text", f"<{part['type']}>") for part in talk[0]["content"])
            for talk in talks
        ]


def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put the stand-ins in vLLM's place; the list that prompts will be found in."""
    modules = {
        "vllm": {"SamplingParams": SamplingParams},
        "vllm.engine": {},
        "vllm.engine.arg_utils": {"AsyncEngineArgs": AsyncEngineArgs},
        "vllm.v1": {},
        "vllm.v1.engine": {},
        "vllm.v1.engine.async_llm": {"AsyncLLM": AsyncLLM},
        "vllm.sampling_params": {
            "RequestOutputKind": RequestOutputKind,
            "StructuredOutputsParams": StructuredOutputsParams,
        },
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("captioner.backends.vllm.load_processor", lambda *_: Processor())
    prompts: list[dict[str, Any]] = []
    started = AsyncLLM.__init__

    def start(self: AsyncLLM, args: AsyncEngineArgs) -> None:
        started(self, args)
        self.prompts = prompts

    monkeypatch.setattr(AsyncLLM, "__init__", start)
    return prompts
