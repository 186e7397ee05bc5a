"""An OpenAI-compatible caption server on loopback whose faults are scripted by the prompt it is asked.

The first word of the prompt picks the behaviour (``MODES``), the last word names the row; ``echo`` prompts are answered
with the hash of the pictures that came with them, so that a caption on a wrong clip shows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
import time
from collections import Counter
from typing import Any

from tests.helpers import loopback

MODES = {
    "plain": "answers at once",
    "echo": "answers with the pictures' hash after up to 0.2 s, so in any order",
    "slow": "answers after 0.3 s",
    "busy": "is 503 once",
    "burst": "is 503 three times, with Retry-After 0",
    "limit": "is 429 with Retry-After 1 once",
    "bad": "is 400",
    "hang": "never answers in time",
    "late": "answers after 8 s",
    "garbage": "answers with JSON that is no completion",
    "html": "answers with a page of HTML once, status 200",
    "drop": "closes the connection once, without an answer",
    "half": "closes the connection once, in the middle of the answer",
    "double": "sends its answer twice, the second time once the connection might be in use again",
    "list": "answers with content that is no text",
    "cut": "ends for length",
    "refuse": "refuses in words",
    "filter": "refuses in the refusal field",
    "loop": "loops; asked again with another seed, it does not",
    "intro": "opens with boilerplate",
    "think": "thinks aloud first",
    "empty": "says nothing",
    "json": "answers with a structured caption",
    "fenced": "fences a structured caption that has a comma too many",
    "prose": "answers with prose where JSON was asked for",
    "noschema": "is 400 while the request has a response_format, then answers with a structured caption",
}
STRUCTURED = {
    "subjects": [
        {
            "name": "dog",
            "count": 1,
            "appearance": "brown",
            "action": "runs to the left",
            "position": "on the left",
        }
    ],
    "background": "a green lawn",
    "camera": "is static",
    "style": "",
    "lighting": "",
    "text": [],
    "events": [],
}


class FaultyServer(loopback.Loopback):
    """Counts what it was asked and answers as told; ``url`` is its ``base_url``."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        """Requests per prompt."""
        self.pictures: Counter[tuple[str, str]] = Counter()
        """Requests per (prompt, hash of the pictures)."""
        self.times: dict[str, list[float]] = {}
        self.in_flight = self.peak = self.answered = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        owner = self

        class Answers(loopback.Handler):
            def do_GET(self) -> None:
                self.answer(200, {"data": []})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.lock:
                    owner.bodies.append(body)
                    owner.headers.append(dict(self.headers))
                    owner.in_flight += 1
                    owner.peak = max(owner.peak, owner.in_flight)
                try:
                    owner.reply(self, body)
                except OSError:
                    self.close_connection = True  # nobody waits for this answer any more
                finally:
                    with owner.lock:
                        owner.in_flight -= 1

            def answer(self, status: int, data: Any, *, part: float = 1.0, **headers: str) -> None:
                raw = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw[: int(part * len(raw))])
                self.wfile.flush()

        super().__init__(Answers)
        self.url += "/v1"

    def reply(self, handler: Any, body: dict[str, Any]) -> None:
        content = body["messages"][0]["content"]
        prompt, shown = content[-1]["text"], pictures_hash(body)
        mode, name = prompt.split()[0], prompt.split()[-1]
        with self.lock:
            self.asked[prompt] += 1
            self.pictures[prompt, shown] += 1
            count = self.pictures[prompt, shown]
            self.times.setdefault(prompt, []).append(time.monotonic())
        if mode == "hang":
            self.stopping.wait(20)
            return
        if mode == "drop" and count == 1:
            handler.close_connection = True
            return
        if mode == "busy" and count == 1:
            return handler.answer(503, {"error": {"message": "overloaded"}})
        if mode == "burst" and count <= 3:
            return handler.answer(503, b"<html>busy</html>", Retry_After="0")
        if mode == "limit" and count == 1:
            return handler.answer(429, {"error": {"message": "slow down"}}, Retry_After="1")
        if mode == "bad":
            return handler.answer(400, {"error": {"message": "image is " + "x" * 5000}})
        if mode == "noschema" and "response_format" in body:
            return handler.answer(400, {"error": {"message": "response_format: not supported"}})
        if mode == "garbage":
            return handler.answer(200, {"hello": 1})
        if mode == "html" and count == 1:
            return handler.answer(200, b"<html>hello</html>", Content_Type="text/html")
        waits = {"slow": 0.3, "late": 8.0, "echo": random.uniform(0, 0.2)}
        self.stopping.wait(waits.get(mode, 0))
        answer = {"choices": [self.choice(mode, name, shown, body)]}
        if mode == "half" and count == 1:
            handler.answer(200, answer, part=0.5)
            handler.close_connection = True
            return
        handler.answer(200, answer)
        with self.lock:
            self.answered += 1
        if mode == "double":
            handler.close_connection = False
            handler.connection.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                handler.connection.recv(1)  # the first byte of another request, should one come
            handler.answer(200, answer)
            handler.close_connection = True

    def choice(self, mode: str, name: str, shown: str, body: dict[str, Any]) -> dict[str, Any]:
        text: Any = f" A caption of {name}. "
        if mode in ("json", "noschema"):
            text = json.dumps(STRUCTURED)
        elif mode == "fenced":
            text = f"Here it is:\n```json\n{json.dumps(STRUCTURED, indent=1)[:-2]},\n}}\n```"
        text = {
            "echo": f"A dog chases {shown}.",
            "double": f"A dog chases {shown}.",
            "late": f"A dog chases {shown}.",
            "refuse": "I'm sorry, but I can't help with that.",
            "loop": "The dog runs to the left. " * 9 if body["seed"] == 0 else "A dog runs left.",
            "intro": f"The video shows a caption of {name}.",
            "think": f"<think>Frames of a dog, maybe.</think>\nA caption of {name}.",
            "empty": " ",
            "list": [{"type": "text", "text": "a dog"}],
        }.get(mode, text)
        message = {"role": "assistant", "content": text}
        if mode == "filter":
            message |= {"content": None, "refusal": "I will not describe this."}
        cut = mode == "cut" or (mode == "room" and body["max_tokens"] < 100)
        if cut and mode == "room":
            message["content"] = f"A caption of {name} that"
        return {"message": message, "finish_reason": "length" if cut else "stop"}

    def __exit__(self, *raised: object) -> None:
        self.stopping.set()
        super().__exit__(*raised)


def pictures_hash(body: dict[str, Any]) -> str:
    """Hash of the pictures in a request, in digits: letters would now and then be words of some language."""
    parts = body["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    digest = hashlib.blake2b("".join(urls).encode(), digest_size=6).digest()
    return str(int.from_bytes(digest, "big"))
