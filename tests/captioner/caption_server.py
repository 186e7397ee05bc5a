"""An OpenAI-compatible caption server on loopback whose faults are scripted by the prompt it is asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class CaptionServer:
    """Answers ``caption of <last word of the prompt>``; the first word of the prompt picks the behaviour.

    ``slow`` waits 0.3 s, ``busy`` is 503 once, ``limit`` is 429 with Retry-After once, ``bad`` is 400, ``hang`` never
    answers in time, ``garbage`` is no JSON, ``cut`` ends for length, ``drop`` closes the connection once.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.asked: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {}
        self.in_flight = self.peak = 0
        self.headers: list[dict[str, str]] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

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
                finally:
                    with owner.lock:
                        owner.in_flight -= 1

            def answer(self, status: int, data: Any, **headers: str) -> None:
                raw = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, handler: Any, body: dict[str, Any]) -> None:
        prompt = body["messages"][0]["content"][-1]["text"]
        mode, name = prompt.split()[0], prompt.split()[-1]
        with self.lock:
            self.asked[prompt] += 1
            count = self.asked[prompt]
            self.times.setdefault(prompt, []).append(time.monotonic())
        if mode == "slow":
            time.sleep(0.3)
        if mode == "hang":
            self.stopping.wait(20)
            return
        if mode == "drop" and count == 1:
            handler.close_connection = True
            return
        if mode == "busy" and count == 1:
            return handler.answer(503, {"error": {"message": "overloaded"}})
        if mode == "limit" and count == 1:
            return handler.answer(429, {"error": {"message": "slow down"}}, Retry_After="1")
        if mode == "bad":
            return handler.answer(400, {"error": {"message": "image is " + "x" * 5000}})
        if mode == "garbage":
            return handler.answer(200, {"hello": 1})
        finish = "length" if mode == "cut" else "stop"
        choice = {
            "message": {"role": "assistant", "content": f" A caption of {name}. "},
            "finish_reason": finish,
        }
        return handler.answer(200, {"choices": [choice]})

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
