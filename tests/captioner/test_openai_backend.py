"""The OpenAI-compatible backend against a server that misbehaves in every scripted way."""

from __future__ import annotations

import base64
import email.utils
import importlib.util
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.base import Request, check_backend, open_backend
from captioner.config import CaptionConfig
from captioner.frames import from_pixels
from captioner.openai_backend import retry_after_s

_spec = importlib.util.spec_from_file_location(
    "caption_server", Path(__file__).with_name("caption_server.py")
)
assert _spec and _spec.loader
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
CaptionServer = _module.CaptionServer


def config(url: str, **changes: Any) -> CaptionConfig:
    settings = {"deadline_s": 8.0, "concurrency": 4} | changes
    return CaptionConfig(backend="openai", model="some-vlm", base_url=url, **settings)


def request(name: str, prompt: str = "plain") -> Request:
    seed = sum(map(ord, name))
    images = np.random.default_rng(seed).integers(0, 256, (3, 12, 16, 3), np.uint8)
    return Request(
        clip_id=name, kind="short", frames=from_pixels(images, 2.0), prompt=f"{prompt} {name}"
    )


def test_every_fault_costs_its_own_row_only() -> None:
    modes = ["plain", "busy", "limit", "bad", "hang", "garbage", "cut", "drop", "plain"]
    requests = [request(f"c{i}", mode) for i, mode in enumerate(modes)]
    with CaptionServer() as server:
        backend = open_backend(config(server.url, deadline_s=4.0))
        replies = backend.caption(requests)
        asked = dict(server.asked)
        waits = {p: t[1] - t[0] for p, t in server.times.items() if len(t) > 1}
    assert [r.clip_id for r in replies] == [r.clip_id for r in requests]
    good = [i for i, mode in enumerate(modes) if mode in ("plain", "busy", "limit", "cut", "drop")]
    for i in good:
        assert replies[i].text == f"A caption of c{i}." and replies[i].error is None
    assert replies[6].finish == "length" and replies[0].finish == "stop"
    assert "HTTP 400" in (replies[3].error or "") and len(replies[3].error or "") <= 240
    assert "timeout" in (replies[4].error or "")
    assert "bad answer" in (replies[5].error or "")
    assert asked["bad c3"] == 1, "a 400 is the row's own fault and is not asked again"
    assert asked["busy c1"] == 2 and asked["limit c2"] == 2 and asked["drop c7"] == 2
    assert waits["limit c2"] >= 1.0, "Retry-After: 1 was not honoured"


def test_requests_run_at_once_but_never_more_than_allowed() -> None:
    requests = [request(f"c{i}", "slow") for i in range(12)]
    with CaptionServer() as server:
        began = time.monotonic()
        replies = open_backend(config(server.url, concurrency=4)).caption(requests)
        took = time.monotonic() - began
        peak = server.peak
    assert all(r.error is None for r in replies)
    assert peak == 4
    assert took < 12 * 0.3 * 0.7, f"12 answers of 0.3 s took {took:.1f} s: not concurrent"


def test_the_server_sees_the_very_pixels_the_question_and_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    monkeypatch.setenv("SOME_KEY", "abc")
    asked = request("c1")
    with CaptionServer() as server:
        open_backend(config(server.url, api_key_env="SOME_KEY", max_new_tokens=33)).caption([asked])
        body, headers = server.bodies[0], server.headers[0]
    content = body["messages"][0]["content"]
    seen = []
    for part in content[:-1]:
        raw = base64.b64decode(part["image_url"]["url"].split(",", 1)[1])
        seen.append(np.asarray(Image.open(io.BytesIO(raw))))
    assert np.array_equal(np.stack(seen), asked.frames.images)
    assert content[-1] == {"type": "text", "text": "plain c1"}
    assert body["max_tokens"] == 33 and body["model"] == "some-vlm" and body["temperature"] == 0
    assert headers["Authorization"] == "Bearer abc"


def test_a_server_that_is_down_fails_rows_in_time_and_is_named_beforehand() -> None:
    with CaptionServer() as server:
        url = server.url
        check_backend(config(url))
    with pytest.raises(ValueError, match="no captioning server answers at"):
        check_backend(config(url))
    began = time.monotonic()
    replies = open_backend(config(url, deadline_s=1.5)).caption([request("c1"), request("c2")])
    assert all(r.error and "ConnectError" in r.error for r in replies)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("3", 3, 3), ("0.5", 0.5, 0.5), ("-4", 0, 0), (None, None, None), ("soon", None, None)],
)
def test_retry_after(header: str | None, low: float | None, high: float | None) -> None:
    seconds = retry_after_s(header)
    assert (seconds is None) == (low is None)
    if seconds is not None and low is not None and high is not None:
        assert low <= seconds <= high


def test_retry_after_date() -> None:
    seconds = retry_after_s(email.utils.formatdate(time.time() + 30, usegmt=True))
    assert seconds is not None and 27 < seconds <= 30
