"""A small true captioning server: the OpenAI API over the embedded captioner, in a process of its own.

    python -m tests.helpers.caption_server NAME        # prints its base_url, then serves until it is ended

It decodes the pictures that it is sent and describes them, so what comes back is an answer and no script.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.helpers.warm_python import python

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def caption_server(name: str) -> Iterator[str]:
    """base_url of a server that knows one model by ``name``."""
    process = subprocess.Popen(
        [python(), "-m", "tests.helpers.caption_server", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(60)


def main(name: str) -> None:
    from captioner.backends.transformers import TransformersBackend
    from captioner.config import CaptionConfig

    backend = TransformersBackend(CaptionConfig(max_new_tokens=120, allow_out_of_domain=True))
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send({"object": "list", "data": [{"id": name, "object": "model"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if asked["model"] != name:
                return self.send({"error": {"message": f"no model {asked['model']}"}}, 404)
            with one_at_a_time:
                text, finish = describe(backend, asked["messages"][0]["content"])
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            self.send({"object": "chat.completion", "model": name, "choices": [choice]})

        def send(self, data: Any, status: int = 200) -> None:
            raw = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


def describe(backend: Any, content: list[dict[str, Any]]) -> tuple[str, str]:
    """(text, finish_reason) of a message with pictures."""
    import numpy as np
    from PIL import Image

    from captioner.ask.frames import from_pixels
    from captioner.ask.prompts import WORLD_PROMPTS, fill
    from captioner.backends.base import Request

    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) for url in urls]
    frames = from_pixels(np.stack([np.asarray(p.convert("RGB")) for p in pictures]), 2.0)
    kind = "short" if "one sentence" in content[-1]["text"] else "dense"
    prompt = fill(WORLD_PROMPTS[kind], frames=len(frames), seconds=frames.seconds)
    request = Request(clip_id="asked", kind=kind, frames=frames, prompt=prompt)
    (reply,) = backend.caption(iter([request]))
    return reply.text or "", reply.finish or "stop"


if __name__ == "__main__":
    main(sys.argv[1])
