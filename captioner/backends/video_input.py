"""Frames as a model's own video input: one video with the time of every frame, where its processor takes one.

SmolVLM2 writes "Frame from 00:03:" before each frame, Qwen3-VL "<3.2 seconds>" before each pair; both take the times
from the video's metadata. The frames are ours, chosen once for every backend; the processor samples none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from captioner.ask.frames import ClipFrames, as_pixels, from_pixels
from captioner.backends.base import Request

CLOCK = 1000
"""Ticks a second in which the times of frames are told to a processor."""
GREY = 127
"""What a frame is padded with where the processor would squeeze it."""


def video_conversation(request: Request) -> list[dict]:
    """The request as a chat: one video, then the question."""
    content = [{"type": "video"}, {"type": "text", "text": request.prompt}]
    return [{"role": "user", "content": content}]


def takes_video(processor: Any) -> bool:
    """Whether the processor has a video input and its chat template a place for one."""
    if getattr(processor, "video_processor", None) is None:
        return False
    token = getattr(processor, "video_token", None)
    talk = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What?"}]}]
    try:
        text = processor.apply_chat_template([talk], add_generation_prompt=True, tokenize=False)[0]
    except Exception:  # noqa: BLE001 - a template that knows no video may raise anything
        return False
    return token is not None and token in text


def squeezes(processor: Any) -> bool:
    """Whether the video processor makes every frame square, whatever its shape, as SmolVLM's does."""
    wide = np.zeros((2, 64, 128, 3), np.uint8)
    shape = metadata(from_pixels(wide, 1.0))
    made = processor.video_processor(
        [wide], video_metadata=[shape], do_sample_frames=False, return_tensors="np"
    )
    pixels = made.get("pixel_values")
    return pixels is not None and pixels.ndim >= 4 and pixels.shape[-1] == pixels.shape[-2]


def video_inputs(processor: Any, requests: Sequence[Request], *, square: bool) -> Any:
    """What the processor makes of requests that are shown a video each; ``square`` pads what it would squeeze."""
    texts = [
        processor.apply_chat_template(
            [video_conversation(request)], add_generation_prompt=True, tokenize=False
        )[0]
        for request in requests
    ]
    least = getattr(processor.video_processor, "temporal_patch_size", 1)
    shown = [lengthened(as_pixels(request.frames), least) for request in requests]
    return processor(
        text=texts,
        videos=[padded(frames.images) if square else frames.images for frames in shown],
        video_metadata=[metadata(frames) for frames in shown],
        do_sample_frames=False,
        padding=True,
        return_tensors="pt",
    )


def metadata(frames: ClipFrames) -> Any:
    """The clip's length and the times of its frames, as a processor's ``VideoMetadata``."""
    from transformers.video_utils import VideoMetadata

    height, width = frames.images.shape[1:3]
    return VideoMetadata(
        total_num_frames=max(1, round(frames.seconds * CLOCK)),
        fps=float(CLOCK),
        width=width,
        height=height,
        duration=frames.seconds,
        frames_indices=[round(time * CLOCK) for time in frames.times_s],
    )


def lengthened(frames: ClipFrames, least: int) -> ClipFrames:
    """Frames with the last one repeated until there are ``least``: Qwen3-VL looks at two at a time."""
    lacking = least - len(frames)
    if lacking <= 0:
        return frames
    return replace(
        frames,
        images=np.concatenate([frames.images, np.repeat(frames.images[-1:], lacking, 0)]),
        times_s=(*frames.times_s, *frames.times_s[-1:] * lacking),
    )


def padded(images: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) in the middle of a grey square, so that a processor that makes squares squeezes nothing."""
    count, height, width, _ = images.shape
    side = max(height, width)
    out = np.full((count, side, side, 3), GREY, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    out[:, top : top + height, left : left + width] = images
    return out
