"""The OpenAI-compatible backend against a server that misbehaves in every scripted way."""

from __future__ import annotations

import email.utils
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.ask.structured import json_schema
from captioner.backends.base import Reply, Request, chat_messages
from captioner.backends.open import check_backend, open_backend
from captioner.backends.openai import retry_after_s
from captioner.config import CaptionConfig
from tests.helpers.faulty_server import FaultyServer, pictures_hash


def config(url: str, **changes: Any) -> CaptionConfig:
    settings = {"deadline_s": 60.0, "concurrency": 4} | changes
    return CaptionConfig(backend="openai", model="some-vlm", base_url=url, **settings)


def request(name: str, prompt: str = "plain", **changes: Any) -> Request:
    seed = sum(map(ord, name))
    images = np.random.default_rng(seed).integers(0, 256, (3, 12, 16, 3), np.uint8)
    frames = from_pixels(images, 2.0)
    return Request(clip_id=name, kind="short", frames=frames, prompt=f"{prompt} {name}", **changes)


def ask(url: str, requests: list[Request], **changes: Any) -> dict[str, Reply]:
    replies = list(open_backend(config(url, **changes)).caption(requests))
    by_clip = {reply.clip_id: reply for reply in replies}
    assert len(by_clip) == len(replies) == len(requests)
    return by_clip


Waits = dict[str, Future[dict[str, Reply]]]
LATE = [*["echo", "double"] * 16, *["late"] * 3, *["echo", "double"] * 8]


@pytest.fixture(scope="module", autouse=True)
def to_wait_for() -> Iterator[Waits]:
    """Rows that end by their deadline: they are asked for while other tests run."""
    silent = [request(mode, mode) for mode in ("plain", "hang", "json")]
    late = [request(f"{mode}x{i}", mode) for i, mode in enumerate(LATE)]
    down = [request("c1"), request("c2")]
    with (
        socket.socket() as nobody,
        FaultyServer() as one,
        FaultyServer() as other,
        ThreadPoolExecutor(3) as pool,
    ):
        nobody.bind(("127.0.0.1", 0))  # no other server gets its port, and none listens there
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        yield {
            "silent": pool.submit(ask, one.url, silent, deadline_s=4.0),
            "late": pool.submit(ask, other.url, late, concurrency=8, deadline_s=6.0),
            "down": pool.submit(ask, url, down, deadline_s=3.0),
        }


def test_every_fault_costs_its_own_row_only() -> None:
    good = ["plain", "busy", "burst", "limit", "html", "drop", "half", "cut"]
    bad = {
        "bad": "HTTP 400",
        "garbage": "bad answer",
        "list": "bad answer: content is a list",
    }
    with FaultyServer() as server:
        requests = [request(mode, mode) for mode in [*good, *bad]]
        replies = ask(server.url, requests, concurrency=12)
        asked = dict(server.asked)
        waits = {p: t[1] - t[0] for p, t in server.times.items() if len(t) > 1}
    for mode in good:
        reply = replies[mode]
        assert reply.text == f"A caption of {mode}." and reply.error is None, reply
        assert reply.finish == ("length" if mode == "cut" else "stop")
    for mode, problem in bad.items():
        assert problem in (replies[mode].error or "") and len(replies[mode].error or "") <= 240
    assert asked["bad bad"] == 1, "a 400 is the row's own fault and is not asked again"
    for mode, tries in {"busy": 2, "burst": 4, "limit": 2, "html": 2, "half": 2, "drop": 2}.items():
        assert asked[f"{mode} {mode}"] == tries == replies[mode].tries
    assert asked["garbage garbage"] == 3
    assert waits["limit limit"] >= 1.0, "Retry-After: 1 was not honoured"


def test_requests_are_pulled_as_there_is_room_and_never_more_than_allowed() -> None:
    pulled = []

    def requests() -> Iterator[Request]:
        for i in range(12):
            pulled.append(i)
            yield request(f"c{i}", "slow")

    with FaultyServer() as server:
        replies = open_backend(config(server.url, concurrency=4)).caption(requests())
        first = next(replies)
        early = len(pulled)
        rest = list(replies)
        peak = server.peak
    assert first.error is None and len(rest) == 11 and early <= 8
    assert peak == 4


def test_replies_that_nobody_reads_any_more_are_not_waited_for() -> None:
    with FaultyServer() as server:
        replies = open_backend(config(server.url)).caption(
            [request("a"), *(request(f"h{i}", "hang") for i in range(20))]
        )
        assert next(replies).clip_id == "a"
        replies.close()  # type: ignore[attr-defined]
        assert len(server.bodies) <= 9, "it went on asking"


def test_an_exception_of_the_requests_is_the_callers() -> None:
    def requests() -> Iterator[Request]:
        yield request("a")
        raise RuntimeError("no more")

    with FaultyServer() as server, pytest.raises(RuntimeError, match="no more"):
        list(open_backend(config(server.url)).caption(requests()))


def test_the_server_gets_the_question_the_settings_and_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_KEY", "abc")
    asked = request("c1", 'plain "quoted" \\ \u00e9\n', seed=7, temperature=0.7)
    with FaultyServer() as server:
        ask(server.url, [asked], api_key_env="SOME_KEY", max_new_tokens=33)
        body, headers = server.bodies[0], server.headers[0]
    assert body.pop("messages") == chat_messages(asked)
    assert body == {"model": "some-vlm", "max_tokens": 33, "temperature": 0.7, "seed": 7}
    assert headers["Authorization"] == "Bearer abc"


def test_frames_are_sent_with_their_times_or_alone_or_as_one_video() -> None:
    import base64

    from pipeline.video.decode import decode_clip

    def content(**changes: Any) -> list[dict[str, Any]]:
        with FaultyServer() as server:
            backend = open_backend(config(server.url, **changes))
            asked = request("c1", max_new_tokens=99)
            (reply,) = backend.caption([replace(asked, frames=backend.prepare(asked.frames))])
            assert reply.error is None and reply.frames_hash == asked.frames.hash
            assert server.bodies[0]["max_tokens"] == 99
            return server.bodies[0]["messages"][0]["content"]

    timed = [part.get("text", part["type"]) for part in content()]
    assert timed == [
        *("<0.3 seconds>", "image_url", "<1.0 seconds>", "image_url"),
        *("<1.7 seconds>", "image_url", "plain c1"),
    ]
    assert [part["type"] for part in content(shown_as="frames")] == [*["image_url"] * 3, "text"]
    video, _ = content(shown_as="video")
    head, _, data = video["video_url"]["url"].partition(",")
    assert head == "data:video/mp4;base64"
    frames, times = decode_clip(base64.b64decode(data))
    assert frames.shape == (3, 12, 16, 3), "no other frames than those that were chosen"
    assert times[1] == pytest.approx(2 / 3, abs=0.01), "the video lasts as long as the clip"


def test_a_schema_is_sent_and_left_out_for_a_server_that_does_not_take_one() -> None:
    schema = json_schema()
    with FaultyServer() as server:
        replies = ask(server.url, [request("a", "json", schema=schema), request("b")])
        sent = {body["messages"][0]["content"][-1]["text"]: body for body in server.bodies}
        assert sent["json a"]["response_format"]["json_schema"]["schema"] == schema
        assert "response_format" not in sent["plain b"]
        assert not replies["a"].schema_refused

        backend = open_backend(config(server.url, concurrency=1))
        rows = [request(name, "noschema", schema=schema) for name in "cde"]
        replies = {reply.clip_id: reply for reply in backend.caption(rows)}
        assert all(reply.error is None and reply.schema_refused for reply in replies.values())
        assert [replies[name].tries for name in "cde"] == [2, 1, 1], "it was not remembered"

        # A row that is refused either way is its own fault and says nothing about the server.
        backend = open_backend(config(server.url, concurrency=1))
        (reply,) = backend.caption([request("f", "bad", schema=schema)])
        assert "HTTP 400" in (reply.error or "") and reply.tries == 2
        (reply,) = backend.caption([request("g", "json", schema=schema)])
        assert not reply.schema_refused and reply.tries == 1


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


def test_a_server_that_is_down_is_named_beforehand() -> None:
    with FaultyServer() as server:
        url = server.url
        check_backend(config(url))
    with pytest.raises(ValueError, match="no captioning server answers at"):
        check_backend(config(url))


def test_a_server_that_is_down_fails_rows_in_time(to_wait_for: Waits) -> None:
    replies = to_wait_for["down"].result()
    assert len(replies) == 2
    assert all("ConnectError" in (reply.error or "") for reply in replies.values())


def test_a_server_that_is_silent_costs_its_own_row_only(to_wait_for: Waits) -> None:
    replies = dict(to_wait_for["silent"].result())
    assert "timeout: no answer within 4 s" in (replies.pop("hang").error or "")
    assert [reply.error for reply in replies.values()] == [None, None]


def test_replies_in_any_order_doubled_or_late_land_on_their_own_clip_or_nowhere(
    to_wait_for: Waits,
) -> None:
    replies = to_wait_for["late"].result()
    for sent in (request(f"{mode}x{i}", mode) for i, mode in enumerate(LATE)):
        reply = replies[sent.clip_id]
        shown = pictures_hash({"messages": chat_messages(sent)})
        assert reply.frames_hash == sent.frames.hash
        if sent.prompt.startswith("late"):
            assert reply.text is None and "timeout" in (reply.error or "")
        else:
            assert reply.text == f"A dog chases {shown}.", reply
