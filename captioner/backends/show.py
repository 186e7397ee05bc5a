"""What a backend truly sends for a request: the frames as it passes them on, the text around them, their tokens."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from captioner.ask.frames import as_pixels, as_video, for_server
from captioner.backends.base import Request, chat_messages
from captioner.config import CaptionConfig

_REPEATED = re.compile(r"((?:<[^<>]{1,40}>)+?)\1{2,}")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What goes to a model."""

    frames: np.ndarray
    """uint8 RGB (T, H, W, 3)."""
    text: str
    """Chat template, times and question; placeholders of frames that stand in a row are counted."""
    tokens: int | None
    """Tokens of text and frames; None where only the server can count them."""
    form: str
    """``video``, ``timed`` or ``frames``."""


def show(config: CaptionConfig, request: Request) -> Shown:
    """What the backend of ``config`` sends for a request whose frames are pixels; loads no weights."""
    return _to_server(config, request) if config.backend == "openai" else _to_model(config, request)


def _to_server(config: CaptionConfig, request: Request) -> Shown:
    frames = as_pixels(request.frames)
    video = config.shown_as == "video"
    timed = config.shown_as in ("auto", "timed")
    sent = replace(request, frames=as_video(frames) if video else for_server(frames))
    (message,) = chat_messages(sent, timed=timed)
    lines, pictures = [], []
    for part in message["content"]:
        if part["type"] == "text":
            lines.append(part["text"])
            continue
        head, _, data = part[part["type"]]["url"].partition(",")
        raw = base64.b64decode(data)
        lines.append(f"[{part['type']}: {head}, {len(raw)} bytes]")
        pictures.append(raw)
    form = "video" if video else "timed" if timed else "frames"
    return Shown(frames=_decoded(pictures, video), text="\n".join(lines), tokens=None, form=form)


def _decoded(pictures: list[bytes], video: bool) -> np.ndarray:
    from PIL import Image

    from pipeline.video.decode import decode_clip

    if video:
        return decode_clip(pictures[0])[0]
    return np.stack([np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")) for raw in pictures])


def _to_model(config: CaptionConfig, request: Request) -> Shown:
    from captioner.backends.transformers import load_processor, prompt_inputs, shows_video
    from captioner.backends.video_input import padded, squeezes, takes_video

    processor: Any = load_processor(config.model)
    if config.backend == "vllm":
        video, timed = config.shown_as == "video", config.shown_as in ("auto", "timed")
    else:
        video, timed = shows_video(config, processor), config.shown_as == "timed"
    ids = prompt_inputs(processor, [request], as_video=video, timed=timed)["input_ids"][0]
    images = as_pixels(request.frames).images
    square = config.backend != "vllm" and takes_video(processor) and squeezes(processor)
    text = processor.tokenizer.decode(ids, skip_special_tokens=False)
    return Shown(
        frames=padded(images) if square else images,
        text=_REPEATED.sub(_counted, text),
        tokens=len(ids),
        form="video" if video else "timed" if timed else "frames",
    )


def _counted(match: re.Match[str]) -> str:
    return f"{match[1]} x {len(match[0]) // len(match[1])}"
