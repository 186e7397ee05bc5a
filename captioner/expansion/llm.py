"""Expand prompts with a language model behind an OpenAI-compatible server, which also judges their safety."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from captioner.expansion.safety import CATEGORIES

TIMEOUT_S = 60.0
TRIES = 3
INSTRUCTION = (
    "You turn a short prompt for a video generator into one caption like the examples: same order of facts, same tone, "
    "about the same length. Keep every object, number, colour and relation of the prompt in its own words, and invent "
    "nothing that contradicts it; add only what the prompt leaves open. Answer with one JSON object with the keys "
    'verdict and caption. verdict is "ok", or, for a prompt that asks for such content, one of '
    f"{', '.join(CATEGORIES)}; then caption is empty. Never change an unsafe prompt into a safe one."
)


class Asker:
    """``ask`` of ``captioner.expansion.expand``: one chat completion per prompt, with retries."""

    def __init__(self, *, base_url: str, model: str, api_key_env: str = "OPENAI_API_KEY") -> None:
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.model = model
        self.headers = {}
        if key := os.environ.get(api_key_env):
            self.headers["Authorization"] = f"Bearer {key}"

    def __call__(self, prompt: str, examples: Sequence[str], missing: Sequence[str]) -> dict:
        """The server's ``{"verdict", "caption"}``; raises ValueError with one line when it has none to give."""
        shown = "\n".join(f"- {text}" for text in examples)
        asked = f"Examples:\n{shown}\n\nPrompt: {prompt}"
        if missing:
            asked += f"\n\nYour last caption left out or changed: {', '.join(missing)}. Keep them."
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": INSTRUCTION},
                {"role": "user", "content": asked},
            ],
            "temperature": 0,
            "seed": 0,
            "max_tokens": 400,
            "response_format": {"type": "json_object"},
        }
        return read_answer(self._post(body))

    def _post(self, body: dict[str, Any]) -> str:
        import httpx

        problem = ""
        for _ in range(TRIES):
            try:
                response = httpx.post(self.url, json=body, headers=self.headers, timeout=TIMEOUT_S)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code == 200:
                try:
                    return str(response.json()["choices"][0]["message"]["content"] or "")
                except (ValueError, KeyError, IndexError, TypeError):
                    problem = "its answer has no choices[0].message.content"
                    continue
            problem = f"HTTP {response.status_code}"
            if response.status_code < 500 and response.status_code != 429:
                break
        raise ValueError(f"no expansion from {self.url}: {problem[:200]}")


def read_answer(text: str) -> dict:
    """``{"verdict", "caption"}`` of a reply; an unreadable one is an empty caption, which survives nothing."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
        verdict, caption = found["verdict"], found["caption"]
    except (ValueError, KeyError, TypeError):
        return {"verdict": "ok", "caption": ""}
    if verdict not in ("ok", *CATEGORIES) or not isinstance(caption, str):
        return {"verdict": "ok", "caption": ""}
    return {"verdict": verdict, "caption": " ".join(caption.split())}
