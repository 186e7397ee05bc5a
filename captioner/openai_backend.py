"""Captions from any OpenAI-compatible server: many requests in flight, each with its own retries and deadline."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import os
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from captioner.base import Reply, Request, chat_messages, error_reply, model_id
from captioner.config import CaptionConfig

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses that another try may cure; any other 4xx is the row's own fault."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0


class OpenAIBackend:
    """A client of ``POST {base_url}/chat/completions``."""

    def __init__(self, config: CaptionConfig) -> None:
        self.config = config
        self.model_id = model_id(config)
        self.headers = {"Content-Type": "application/json"}
        key = os.environ.get(config.api_key_env)
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def caption(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order, whatever order the server answers in."""
        return asyncio.run(self._all(requests))

    def close(self) -> None:
        """Nothing stays open between calls."""

    async def _all(self, requests: Sequence[Request]) -> list[Reply]:
        import httpx

        width = self.config.concurrency
        gate = asyncio.Semaphore(width)
        limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
        timeout = httpx.Timeout(self.config.deadline_s, connect=min(10.0, self.config.deadline_s))
        async with httpx.AsyncClient(
            limits=limits, timeout=timeout, headers=self.headers
        ) as client:
            return list(await asyncio.gather(*(self._row(client, gate, r) for r in requests)))

    async def _row(
        self, client: httpx.AsyncClient, gate: asyncio.Semaphore, request: Request
    ) -> Reply:
        """Ask once the gate opens; the deadline starts then and covers every retry."""
        async with gate:
            try:
                async with asyncio.timeout(self.config.deadline_s):
                    return await self._ask(client, request)
            except TimeoutError:
                return error_reply(
                    request, f"timeout: no answer within {self.config.deadline_s:g} s"
                )
            except Exception as error:  # noqa: BLE001 - a row's failure is a row's reply
                return error_reply(request, error)

    async def _ask(self, client: httpx.AsyncClient, request: Request) -> Reply:
        import httpx

        url = self.config.base_url.rstrip("/") + "/chat/completions"
        # Encoding pictures takes a while and would hold up every other request's answer.
        body = await asyncio.to_thread(self._body, request)
        attempt = 0
        while True:
            wait_s: float | None = None
            try:
                response = await client.post(url, json=body)
                if response.status_code == 200:
                    return parse_answer(request, response.json())
                problem = f"HTTP {response.status_code}: {server_message(response)}"
                if response.status_code not in RETRY_STATUS:
                    return error_reply(request, problem)
                wait_s = retry_after_s(response.headers.get("retry-after"))
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            if wait_s is None:
                ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
                wait_s = random.uniform(ceiling / 2, ceiling)
            else:
                wait_s += random.uniform(0, 0.1 + 0.1 * wait_s)  # not all at the same instant
            attempt += 1
            log.info("clip %s: %s; try %d in %.1f s", request.clip_id, problem, attempt + 1, wait_s)
            if wait_s > self.config.deadline_s:
                return error_reply(request, f"{problem} (asked to wait {wait_s:.0f} s)")
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling() <= 1:  # our deadline, not a shutdown
                    return error_reply(request, f"{problem} (after {attempt} tries)")
                raise

    def _body(self, request: Request) -> dict[str, Any]:
        return {
            "model": self.config.model,
            "messages": chat_messages(request),
            "max_tokens": self.config.max_new_tokens,
            "temperature": self.config.temperature,
            "seed": self.config.seed,
        }


def parse_answer(request: Request, data: Any) -> Reply:
    """The reply in a chat completion; anything else is a typed error."""
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        return error_reply(request, "bad answer: no choices[0].message in the server's JSON")
    finish = choice.get("finish_reason")
    if text is None and refusal:
        return Reply(
            clip_id=request.clip_id, kind=request.kind, text=refusal, finish="content_filter"
        )
    if text is not None and not isinstance(text, str):
        return error_reply(request, f"bad answer: content is a {type(text).__name__}, not text")
    return Reply(
        clip_id=request.clip_id, kind=request.kind, text=(text or "").strip(), finish=finish
    )


def server_message(response: httpx.Response) -> str:
    """The server's own words about an error, cut short; never a payload."""
    try:
        data = response.json()
    except ValueError:
        return response.text[:160]
    error = data.get("error", data) if isinstance(data, dict) else data
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:160]


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number or a date; None when absent or unreadable."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def check_server(config: CaptionConfig) -> None:
    """Raise one line when nothing answers at ``base_url``; any HTTP answer at all will do."""
    import httpx

    try:
        httpx.get(config.base_url.rstrip("/") + "/models", timeout=10.0)
    except httpx.HTTPError as error:
        raise ValueError(
            f"no captioning server answers at {config.base_url} ({type(error).__name__}); start one "
            f"(for example `vllm serve {config.model}`) or set caption.base_url"
        ) from error
