"""The interface of every captioning backend: a stream of requests in, one typed reply per request out.

A backend never raises for a row: what goes wrong with one request is that request's reply. It raises only when it
cannot serve at all (no such model, missing package), and then with one line that says what to do.

A backend pulls requests as it has room for them and gives replies as they come, in any order, so that clips are
decoded while others are described and no batch waits for its slowest row. What ties a reply to its clip is the
request object that it was made from, never a position in a list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from captioner.ask.frames import ClipFrames, ServerFrames, for_server

if TYPE_CHECKING:
    from captioner.config import CaptionConfig

ERROR_CHARS = 240
"""Length that error messages are cut to: never a payload in a table."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One clip, one kind of caption."""

    clip_id: str
    """Clip that the reply belongs to."""
    kind: str
    """Kind of caption."""
    frames: ClipFrames | ServerFrames
    """What the model sees; in the form that the backend's ``prepare`` gave it, or as pixels."""
    prompt: str
    """What it is asked, filled in."""
    seed: int = 0
    """Seed of sampling."""
    temperature: float = 0.0
    """0 takes the likeliest token each time."""
    max_new_tokens: int | None = None
    """Tokens that the reply may have; None: as many as the recipe says."""
    schema: dict[str, Any] | None = None
    """JSON schema that the reply must follow, where the backend can enforce one."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What became of one request."""

    clip_id: str
    """The request's clip."""
    kind: str
    """The request's kind."""
    frames_hash: str
    """Hash of the frames that were shown."""
    text: str | None = None
    """What the model said; None when it did not answer."""
    finish: str | None = None
    """``stop``, ``length`` (cut at the token limit), ``content_filter``, or None when unknown."""
    error: str | None = None
    """Why there is no answer: ``type: message`` in one line."""
    tries: int = 1
    """Times that it was asked for until it came or was given up."""
    schema_refused: bool = False
    """The request's schema was left out because the backend does not take one."""


class Backend(Protocol):
    """Anything that captions."""

    model_id: str
    """Identity of the model as stored with each caption; new weights, new identity."""
    pulls: int
    """Requests that it takes at once."""

    def prepare(self, frames: ClipFrames) -> ClipFrames | ServerFrames:
        """A clip's frames in the form this backend sends, made once per clip and off the asking thread."""
        ...

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply per request, as they come, in any order; pulls requests as it has room for them."""
        ...

    def close(self) -> None:
        """Let go of the model or the connections."""
        ...


def model_id(config: CaptionConfig) -> str:
    """Identity of the configured model without loading it: its name, and for local folders a hash of the files."""
    from captioner.backends.embedded import WEIGHTS

    folder = WEIGHTS if config.model == "embedded" else Path(config.model).expanduser()
    if config.backend == "openai" or not folder.is_dir():
        return config.model
    # A folder that training wrote is OUT/weights: OUT says more.
    name = (folder.resolve().parent if folder.name == "weights" else folder).name
    name = "embedded" if config.model == "embedded" else name
    return f"{name}@{folder_hash(folder)}"


def folder_hash(folder: Path) -> str:
    """Hash of a model folder's weights, config and tokenizer: 12 hex digits; large files by size and two blocks."""
    digest = hashlib.blake2b(digest_size=6)
    block = 1 << 20
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".safetensors", ".jinja", ".model", ".txt"):
            continue
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= 64 * block:
                digest.update(file.read())
            else:
                digest.update(file.read(block))
                file.seek(size - block)
                digest.update(file.read())
    return digest.hexdigest()


def reply_to(request: Request, **what: Any) -> Reply:
    """The reply of a request: bound to its clip, kind and frames."""
    return Reply(
        clip_id=request.clip_id, kind=request.kind, frames_hash=request.frames.hash, **what
    )


def error_reply(request: Request, error: BaseException | str, **what: Any) -> Reply:
    """The reply of a request that failed: one short line, never a traceback or a payload."""
    return reply_to(request, error=error_line(error), **what)


def error_line(error: BaseException | str) -> str:
    """``type: message`` in one line of bounded length."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:ERROR_CHARS]


def chat_messages(request: Request, *, timed: bool = True) -> list[dict]:
    """The request as an OpenAI-style conversation: every frame in order, ``timed`` after its time, or one video; then
    the question."""
    frames = for_server(request.frames)
    kind = "video_url" if frames.is_video else "image_url"
    content: list[dict] = []
    for url, time_s in zip(frames.urls, frames.times_s, strict=not frames.is_video):
        if timed and not frames.is_video:
            content.append({"type": "text", "text": frame_time(time_s)})
        content.append({"type": kind, kind: {"url": url.decode()}})
    return [{"role": "user", "content": [*content, {"type": "text", "text": request.prompt}]}]


def frame_time(time_s: float) -> str:
    """What stands before a frame that is shown with its time, as Qwen3-VL writes it."""
    return f"<{time_s:.1f} seconds>"
