"""Captions from any OpenAI-compatible server: many requests in flight, each with its own retries and deadline."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import os
import queue
import random
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from captioner.ask.frames import ClipFrames, ServerFrames, as_video, for_server
from captioner.backends.base import Reply, Request, error_reply, frame_time, model_id, reply_to
from captioner.backends.health import Health
from captioner.config import CaptionConfig

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that another try may cure; any other 4xx is the row's own fault."""
SCHEMA_STATUS = frozenset({400, 404, 415, 422, 501})
"""Statuses with which servers turn down a ``response_format`` that they do not know."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0
BAD_ANSWERS = 3
"""Answers with status 200 that are no chat completion, before a row is given up."""


class OpenAIBackend:
    """A client of ``POST {base_url}/chat/completions``."""

    def __init__(self, config: CaptionConfig) -> None:
        self.config = config
        self.model_id = model_id(config)
        self.takes_schema = True
        self.health = Health()
        self.pulls = 1
        self.url = config.base_url.rstrip("/") + "/chat/completions"
        # A connection per request: on one that is used again, a second copy of an earlier answer that some proxy
        # sends late would be read as the answer to the request that follows it. A caption takes seconds, connecting
        # a fraction of a millisecond.
        self.headers = {"Content-Type": "application/json", "Connection": "close"}
        key = os.environ.get(config.api_key_env)
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def prepare(self, frames: ClipFrames) -> ServerFrames:
        """Data URLs, encoded once for all kinds of a clip."""
        return as_video(frames) if self.config.shown_as == "video" else for_server(frames)

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply per request as the server answers; as soon as one is done, the next request is pulled."""
        replies: queue.SimpleQueue[Reply | BaseException | None] = queue.SimpleQueue()
        serving = asyncio.Runner()
        task = serving.get_loop().create_task(self._serve(iter(requests), replies))

        def serve() -> None:
            try:
                with serving:
                    serving.get_loop().run_until_complete(task)
                replies.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again where the replies are read
                replies.put(error)

        thread = threading.Thread(target=serve, name="caption-requests", daemon=True)
        thread.start()
        try:
            while (reply := replies.get()) is not None:
                if isinstance(reply, BaseException):
                    raise reply
                yield reply
        finally:  # also when nobody wants the remaining replies
            with contextlib.suppress(RuntimeError):  # its loop has ended already
                serving.get_loop().call_soon_threadsafe(task.cancel)
            thread.join()

    def close(self) -> None:
        """Nothing stays open between calls."""

    async def _serve(
        self,
        requests: Iterator[Request],
        replies: queue.SimpleQueue[Reply | BaseException | None],
    ) -> None:
        """Keep up to ``concurrency`` rows in flight until the requests end."""
        import httpx

        gate = asyncio.Semaphore(self.config.concurrency)
        timeout = httpx.Timeout(self.config.deadline_s, connect=min(10.0, self.config.deadline_s))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        loop = asyncio.get_running_loop()
        rows: set[asyncio.Task[None]] = set()
        async with httpx.AsyncClient(
            limits=limits, timeout=timeout, headers=self.headers
        ) as client:

            async def answer(request: Request) -> None:
                try:
                    replies.put(await self._row(client, request))
                finally:
                    gate.release()

            while True:
                await gate.acquire()
                # Off the loop: the next request may have to wait for its clip to be decoded.
                request = await loop.run_in_executor(None, next, requests, None)
                if request is None:
                    break
                task = loop.create_task(answer(request))
                rows.add(task)
                task.add_done_callback(rows.discard)
            await asyncio.gather(*rows)

    async def _row(self, client: httpx.AsyncClient, request: Request) -> Reply:
        """Ask until there is an answer; the deadline covers every retry."""
        asked = _Asked()
        try:
            async with asyncio.timeout(self.config.deadline_s):
                return await self._ask(client, request, asked)
        except TimeoutError:
            last = f" (last of {asked.tries} tries: {asked.problem})" if asked.problem else ""
            line = f"timeout: no answer within {self.config.deadline_s:g} s{last}"
            return error_reply(request, line, tries=asked.tries)
        except Exception as error:  # noqa: BLE001 - a row's failure is a row's reply
            return error_reply(request, error, tries=asked.tries)

    async def _ask(self, client: httpx.AsyncClient, request: Request, asked: _Asked) -> Reply:
        import httpx

        bad_answers = 0
        with_schema = request.schema is not None and self.takes_schema
        while True:
            wait_s: float | None = None
            asked.tries += 1
            told: dict[str, Any] = {"tries": asked.tries}
            if request.schema is not None:
                told["schema_refused"] = not with_schema
            try:
                chunks = self.body(request, with_schema=with_schema)
                size = sum(map(len, chunks))
                response = await client.post(
                    self.url, content=_stream(chunks), headers={"Content-Length": str(size)}
                )
                if response.status_code == 200:
                    self.health.answered()
                    reply = parse_answer(request, response.content, **told)
                    if told.get("schema_refused"):
                        self.takes_schema = False
                    bad_answers += reply.error is not None
                    if reply.error is None or bad_answers == BAD_ANSWERS:
                        return reply
                    asked.problem = reply.error
                else:
                    asked.problem = f"HTTP {response.status_code}: {server_message(response)}"
                    if with_schema and response.status_code in SCHEMA_STATUS:
                        with_schema = False  # the row's fault, or the schema's: this tells which
                        continue
                    if response.status_code not in RETRY_STATUS:
                        return error_reply(request, asked.problem, **told)
                    self.health.missed(response.status_code)
                    wait_s = retry_after_s(response.headers.get("retry-after"))
            except httpx.TransportError as error:
                self.health.missed(None)
                asked.problem = f"{type(error).__name__}: {error}"
            if self.health.hopeless:
                return error_reply(request, asked.problem, **told)
            if wait_s is None:
                ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (asked.tries - 1))
                wait_s = random.uniform(ceiling / 2, ceiling)
            else:
                wait_s += random.uniform(0, 0.1 + 0.1 * wait_s)  # not all at the same instant
            log.info("clip %s: %s; again in %.1f s", request.clip_id, asked.problem, wait_s)
            if wait_s > self.config.deadline_s:
                problem = f"{asked.problem} (asked to wait {wait_s:.0f} s)"
                return error_reply(request, problem, **told)
            await asyncio.sleep(wait_s)

    def body(self, request: Request, *, with_schema: bool = False) -> list[bytes]:
        """The request's JSON in pieces, so that the pictures are never copied or searched for what to escape."""
        settings: dict[str, Any] = {
            "model": self.config.model,
            "max_tokens": request.max_new_tokens or self.config.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if with_schema:
            settings["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": request.kind, "strict": True, "schema": request.schema},
            }
        question = msgspec.json.encode({"type": "text", "text": request.prompt})
        pieces = [
            msgspec.json.encode(settings)[:-1],
            b',"messages":[{"role":"user","content":[',
        ]
        frames = for_server(request.frames)
        part = b"video_url" if frames.is_video else b"image_url"
        timed = not frames.is_video and self.config.shown_as in ("auto", "timed")
        for url, time_s in zip(frames.urls, frames.times_s, strict=not frames.is_video):
            if timed:
                pieces.append(msgspec.json.encode({"type": "text", "text": frame_time(time_s)}))
                pieces.append(b",")
            # base64 needs no escaping
            pieces += (b'{"type":"', part, b'","', part, b'":{"url":"', url, b'"}},')
        return [*pieces, question, b"]}]}"]


class _Asked:
    """How far a row has come: what its error says when time runs out."""

    tries = 0
    problem = ""


async def _stream(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def parse_answer(request: Request, body: bytes, **told: Any) -> Reply:
    """The reply in a chat completion; anything else is a typed error."""
    try:
        choice = msgspec.json.decode(body)["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        finish = choice.get("finish_reason")
    except (msgspec.DecodeError, ValueError):
        return error_reply(request, "bad answer: status 200, but no JSON", **told)
    except (KeyError, IndexError, TypeError, AttributeError):
        problem = "bad answer: no choices[0].message in the server's JSON"
        return error_reply(request, problem, **told)
    if not text and isinstance(refusal, str):
        return reply_to(request, text=refusal.strip(), finish="content_filter", **told)
    if text is not None and not isinstance(text, str):
        problem = f"bad answer: content is a {type(text).__name__}, not text"
        return error_reply(request, problem, **told)
    if not isinstance(finish, str):
        finish = None
    return reply_to(request, text=(text or "").strip(), finish=finish, **told)


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
    """Raise one line when nothing answers at ``base_url``, or when it says that it has other models only."""
    import httpx

    try:
        answer = httpx.get(config.base_url.rstrip("/") + "/models", timeout=10.0)
    except httpx.HTTPError as error:
        raise ValueError(
            f"no captioning server answers at {config.base_url} ({type(error).__name__}); start one "
            f"(for example `vllm serve {config.model}`) or set caption.base_url"
        ) from error
    names = model_names(answer)
    if names and config.model not in names:
        raise ValueError(
            f"the server at {config.base_url} has {', '.join(map(repr, names[:5]))} and not {config.model!r}; "
            "start it with that model, or set caption.model to one that it has"
        )


def model_names(response: httpx.Response) -> list[str]:
    """Models that an answer to ``GET /models`` lists; empty when it is no such list."""
    try:
        listed = response.json()["data"]
        return [str(model["id"]) for model in listed]
    except (ValueError, KeyError, TypeError):
        return []
