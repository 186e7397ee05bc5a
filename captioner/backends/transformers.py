"""Captions from any ``AutoModelForImageTextToText`` in this process, batched; a bad row costs only itself."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from captioner.ask.frames import ClipFrames, ServerFrames, as_pixels
from captioner.ask.model_note import read_note
from captioner.backends.base import Reply, Request, error_reply, frame_time, model_id, reply_to
from captioner.backends.find import find_captioner
from captioner.config import CaptionConfig

log = logging.getLogger(__name__)

PULLED_BATCHES = 4
"""Batches whose rows are sorted by length together."""


class TransformersBackend:
    """A model and its processor, on the GPU if there is one."""

    def __init__(self, config: CaptionConfig) -> None:
        self.config = config
        self.model_id = model_id(config)
        self.pulls = PULLED_BATCHES * config.batch_size
        self.processor, self.model = load_model(config.model)
        self.as_video = shows_video(config, self.processor)
        self._end_ids = end_ids(self.model, self.processor.tokenizer)

    def prepare(self, frames: ClipFrames) -> ClipFrames:
        """The pixels as they are."""
        return frames

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply per request, a batch at a time; batches that fail are tried again row by row."""
        stream = iter(requests)
        # Sampling is keyed per row, so sampled rows go one at a time: batching would tie them to their neighbours.
        # Several batches are pulled at once to put equal lengths together: prompts and frame counts decide the padding.
        while pulled := list(islice(stream, self.pulls)):
            sampled = [r for r in pulled if r.temperature > 0]
            greedy = [r for r in pulled if r.temperature <= 0]
            greedy.sort(key=self._alike)
            size = self.config.batch_size
            batches = [
                rows[i : i + size]
                for rows in (list(group) for _, group in groupby(greedy, self._apart))
                for i in range(0, len(rows), size)
            ]
            for batch in [*batches, *([r] for r in sampled)]:
                yield from self._batch(batch)

    def _alike(self, request: Request) -> tuple[Any, ...]:
        return (*self._apart(request), request.kind, len(request.frames))

    def _apart(self, request: Request) -> tuple[Any, ...]:
        """Requests that differ in this do not share a batch: room, and the frames of videos, which cannot be padded."""
        return (request.max_new_tokens or 0, len(request.frames) if self.as_video else 0)

    def close(self) -> None:
        """Drop the model."""
        self.model = None

    def _batch(self, requests: list[Request]) -> list[Reply]:
        try:
            return self._generate(requests)
        except Exception as error:  # noqa: BLE001 - whatever the model raises belongs to its row
            if len(requests) == 1:
                return [error_reply(requests[0], error)]
            log.warning(
                "a batch of %d failed (%s); trying its rows one by one", len(requests), error
            )
            return [reply for request in requests for reply in self._batch([request])]

    def _generate(self, requests: list[Request]) -> list[Reply]:
        import torch

        inputs = prompt_inputs(
            self.processor,
            requests,
            as_video=self.as_video,
            timed=self.config.shown_as == "timed",
        )
        inputs = inputs.to(self.model.device, dtype=self.model.dtype)
        sampling: dict[str, Any] = {"do_sample": False}
        if requests[0].temperature > 0:
            sampling = {"do_sample": True, "temperature": requests[0].temperature}
            torch.manual_seed(row_seed(requests[0]))
        with torch.inference_mode():
            out = self.model.generate(
                **inputs,
                max_new_tokens=requests[0].max_new_tokens or self.config.max_new_tokens,
                **sampling,
            )
        new_ids = out[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._reply(request, ids) for request, ids in zip(requests, new_ids, strict=True)]

    def _reply(self, request: Request, ids: list[int]) -> Reply:
        end = next((i for i, token in enumerate(ids) if token in self._end_ids), None)
        text = self.processor.tokenizer.decode(ids[:end], skip_special_tokens=True).strip()
        return reply_to(request, text=text, finish="length" if end is None else "stop")


def conversation(request: Request, *, timed: bool = False) -> list[dict]:
    """The request as a chat: every frame in order, ``timed`` after its time, then the question."""
    content: list[dict] = []
    for time_s in request.frames.times_s:
        if timed:
            content.append({"type": "text", "text": frame_time(time_s)})
        content.append({"type": "image"})
    return [{"role": "user", "content": [*content, {"type": "text", "text": request.prompt}]}]


def shows_video(config: CaptionConfig, processor: Any) -> bool:
    """Whether frames go in by the processor's video input; ValueError where that is asked for and there is none."""
    from captioner.backends.video_input import takes_video

    # One that was fine-tuned here learned from images.
    if config.shown_as in ("frames", "timed") or (
        config.shown_as == "auto" and read_note(config.model)
    ):
        return False
    video = takes_video(processor)
    if config.shown_as == "video" and not video:
        raise ValueError(
            f"caption model {config.model!r} has no video input; use shown_as = 'frames' or 'auto'"
        )
    return video


def prompt_inputs(
    processor: Any,
    requests: Sequence[Request],
    *,
    as_video: bool = False,
    timed: bool = False,
) -> Any:
    """What the processor makes of requests: left-padded token ids, and pixels. Training begins with the same.

    ``as_video`` shows the frames as the model's own video input, ``timed`` puts its time before each image.
    """
    from PIL import Image

    from captioner.backends.video_input import padded, squeezes, takes_video, video_inputs

    # A processor that squeezes videos squeezes images as well.
    square = takes_video(processor) and squeezes(processor)
    if as_video:
        return video_inputs(processor, requests, square=square)

    texts = [
        processor.apply_chat_template(
            [conversation(request, timed=timed)], add_generation_prompt=True, tokenize=False
        )[0]
        for request in requests
    ]
    shown = [padded(pixels(r.frames)) if square else pixels(r.frames) for r in requests]
    images = [[Image.fromarray(frame) for frame in frames] for frames in shown]
    return processor(text=texts, images=images, padding=True, return_tensors="pt")


def load_model(name: str) -> tuple[Any, Any]:
    """(processor, model) of ``embedded``, a local folder, or ``ORG/NAME[@REVISION]`` that is in the local cache."""
    processor = load_processor(name)
    import torch
    from transformers import AutoModelForImageTextToText

    on_gpu = torch.cuda.is_available()
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            str(find_captioner(name)),
            local_files_only=True,
            dtype="auto" if on_gpu else torch.float32,
        )
    except OSError as error:
        raise ValueError(f"caption model {name!r} does not load: {_line(error)}") from error
    except ImportError as error:
        raise ValueError(f"caption model {name!r} needs a package: {_line(error)}") from error
    return processor, model.to("cuda" if on_gpu else "cpu").eval()


def load_processor(name: str) -> Any:
    """The processor of a model that is on this machine: it pads on the left and makes no tiles."""
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    prepare_torchvision()
    from transformers import AutoProcessor
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    # Pillow resizes alike on every machine; our own weights were trained on its pixels.
    note = read_note(name)
    pil = name == "embedded" or (note is not None and note.image_backend == "pil")
    choice = {"backend": "pil"} if pil else {}
    try:
        processor = AutoProcessor.from_pretrained(
            str(find_captioner(name)), local_files_only=True, **choice
        )
    except OSError as error:
        raise ValueError(f"caption model {name!r} does not load: {_line(error)}") from error
    except ImportError as error:
        raise ValueError(f"caption model {name!r} needs a package: {_line(error)}") from error
    if getattr(processor, "chat_template", None) is None:
        raise ValueError(
            f"caption model {name!r} has no chat template, so it cannot be asked a question; "
            "choose an instruction-tuned vision-language model"
        )
    processor.tokenizer.padding_side = "left"
    image_processor = processor.image_processor
    if getattr(image_processor, "do_image_splitting", False):
        # Tiles are for reading documents; eight frames in seventeen tiles each would drown the question.
        image_processor.do_image_splitting = False
    return processor


def check_model(name: str) -> None:
    """Raise one line when the model is not on this machine; reads nothing but its folder's listing."""
    find_captioner(name)


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Token ids that end a reply."""
    ids = model.generation_config.eos_token_id
    ids = [tokenizer.eos_token_id] if ids is None else ids
    return frozenset([ids] if isinstance(ids, int) else ids)


def pixels(frames: ClipFrames | ServerFrames) -> Any:
    """The frames' pixels; frames that were encoded for a server are a mistake of the caller."""
    return as_pixels(frames).images


def row_seed(request: Request) -> int:
    """Sampling seed of a row: the same whatever it is batched with."""
    text = f"{request.seed}:{request.clip_id}:{request.kind}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")


def _line(error: BaseException | str) -> str:
    return " ".join(str(error).split())[:200]
