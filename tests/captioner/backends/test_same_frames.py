"""Every backend is shown the same pixels, and they are those that ``frames_hash`` names."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import ClipFrames, clip_frames, frames_hash
from captioner.backends.base import Request
from captioner.backends.open import open_backend
from captioner.config import CaptionConfig
from tests.helpers.caption_media import FPS, FRAMES, clip_bytes
from tests.helpers.faulty_server import FaultyServer
from tests.helpers.vllm_stand_in import stand_in


def decoded(messages: list[dict[str, Any]]) -> np.ndarray:
    from PIL import Image

    parts = messages[0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    raw = [base64.b64decode(url.removeprefix("data:image/png;base64,")) for url in urls]
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in raw])


def shown_by_server(frames: ClipFrames) -> np.ndarray:
    with FaultyServer() as server:
        backend = open_backend(CaptionConfig(backend="openai", model="m", base_url=server.url))
        ask(backend, frames)
        return decoded(server.bodies[0]["messages"])


def shown_by_vllm(frames: ClipFrames, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    with monkeypatch.context() as patched:
        prompts = stand_in(patched)
        ask(open_backend(CaptionConfig(backend="vllm", model="m")), frames)
    return np.stack([np.asarray(image) for image in prompts[0]["multi_modal_data"]["image"]])


def shown_by_transformers(frames: ClipFrames, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Pixels that the processor of the embedded captioner, a stock class, is called with."""
    backend: Any = open_backend(CaptionConfig(max_new_tokens=4))
    seen: list[Any] = []
    process = type(backend.processor).__call__

    def spy(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend(kwargs["images"])
        return process(self, *args, **kwargs)

    monkeypatch.setattr(type(backend.processor), "__call__", spy)
    ask(backend, frames)
    return np.stack([np.asarray(image) for image in seen[0]])


def ask(backend: Any, frames: ClipFrames) -> None:
    request = Request(clip_id="c", kind="short", frames=backend.prepare(frames), prompt="plain c")
    (reply,) = backend.caption(iter([request]))
    assert reply.error is None and reply.frames_hash == frames.hash


@pytest.mark.parametrize("size", [(64, 48), (50, 90), (131, 77)])
def test_three_backends_one_set_of_pixels(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    width, height = size
    frames = clip_frames(
        clip_bytes(3, *((side + 1) // 2 * 2 for side in size)),
        n_frames=FRAMES,
        fps=FPS,
        width=width + width % 2,
        height=height + height % 2,
        frames=5,
        side=60,
    )
    seconds = FRAMES / FPS
    for shown in (
        shown_by_server(frames),
        shown_by_vllm(frames, monkeypatch),
        shown_by_transformers(frames, monkeypatch),
    ):
        assert np.array_equal(shown, frames.images)
        assert frames_hash(shown, seconds) == frames.hash
