"""Our side of vLLM: a stand-in module that has its signatures, since vLLM itself cannot share an environment."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.backends.base import Request
from captioner.backends.open import check_backend, open_backend
from captioner.config import CaptionConfig

CONFIG = CaptionConfig(
    backend="vllm", model="org/vlm", frames=3, max_new_tokens=77, batch_size=2, seed=5
)


class SamplingParams:
    def __init__(
        self, *, max_tokens: int, temperature: float, seed: int, structured_outputs: Any = None
    ) -> None:
        self.max_tokens, self.temperature, self.seed = max_tokens, temperature, seed
        self.structured_outputs = structured_outputs


class StructuredOutputsParams:
    def __init__(self, *, json: dict[str, Any]) -> None:
        self.json = json


class LLM:
    def __init__(
        self, *, model: str, revision: str | None, seed: int, limit_mm_per_prompt: dict[str, int]
    ) -> None:
        assert revision is None
        self.args = (model, seed, limit_mm_per_prompt)
        self.batches: list[int] = []
        self.sampling: dict[str, Any] = {}

    def chat(self, messages: list[Any], sampling_params: list[Any], *, use_tqdm: bool) -> list[Any]:
        self.batches.append(len(messages))
        texts = [m[0]["content"][-1]["text"] for m in messages]
        if any("bad" in text for text in texts):
            raise ValueError("bad image")
        self.sampling |= dict(zip(texts, sampling_params, strict=True))
        assert all(
            m[0]["content"][0]["image_url"]["url"].startswith("data:image/png") for m in messages
        )
        return [
            SimpleNamespace(outputs=[SimpleNamespace(text=f" {text}! ", finish_reason="stop")])
            for text in texts
        ]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    sampling = ModuleType("vllm.sampling_params")
    sampling.StructuredOutputsParams = StructuredOutputsParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)


def ask(name: str, **changes: Any) -> Request:
    frames = from_pixels(np.zeros((2, 8, 8, 3), np.uint8), 1.0)
    return Request(clip_id=name, kind="short", frames=frames, prompt=f"say {name}", **changes)


def test_rows_come_back_in_order_and_a_bad_one_costs_itself(vllm: None) -> None:
    backend = open_backend(CONFIG)
    rows = [ask("a"), ask("b", seed=6, temperature=0.7), ask("bad"), ask("d", schema={"x": 1})]
    replies = list(backend.caption(iter([*rows, ask("e")])))
    assert [r.clip_id for r in replies] == ["a", "b", "bad", "d", "e"]
    assert [r.text for r in replies] == ["say a!", "say b!", None, "say d!", "say e!"]
    assert replies[2].error == "ValueError: bad image"
    assert backend.engine.args == ("org/vlm", 5, {"image": 3})
    assert backend.engine.batches == [2, 2, 1, 1, 1]
    sampling = backend.engine.sampling
    plain = {"max_tokens": 77, "temperature": 0.0, "seed": 0, "structured_outputs": None}
    assert vars(sampling["say a"]) == plain
    assert vars(sampling["say b"]) == plain | {"temperature": 0.7, "seed": 6}
    assert sampling["say d"].structured_outputs.json == {"x": 1}


def test_vllm_absent_is_one_line_with_the_way_out() -> None:
    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vLLM is installed here")
    for call in (check_backend, open_backend):
        with pytest.raises(ValueError, match=r"not installed.*vllm serve"):
            call(CONFIG)


def test_the_embedded_model_is_not_for_vllm(vllm: None) -> None:
    with pytest.raises(ValueError, match="transformers"):
        open_backend(CaptionConfig(backend="vllm"))
