"""Captions from vLLM in this process; an extra of its own, because vLLM pins its own torch and transformers.

Its asynchronous engine (``AsyncLLM``) batches by itself whatever is in flight, so a long reply holds up no other. It
is written against vLLM 0.20 to 0.33 and was never run here: tests drive it with stand-ins of those signatures.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import count, islice
from typing import Any

from captioner.ask.frames import ClipFrames, as_pixels
from captioner.backends.base import Reply, Request, error_reply, model_id, reply_to
from captioner.backends.transformers import conversation, pixels
from captioner.backends.video_input import metadata
from captioner.config import CaptionConfig
from pipeline.store.hub import split_pin

NOT_INSTALLED = (
    "backend 'vllm' needs vLLM, which is not installed: pip install vllm in an environment of its own, "
    "or run `vllm serve MODEL` there and use backend = 'openai'"
)


def load_processor(name: str, revision: str | None) -> Any:
    """The model's own processor, for its chat template; vLLM fetches the model itself in the same way."""
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(name, revision=revision)


class VLLMBackend:
    """An ``AsyncLLM`` engine that is given the same frames as every other backend, as pixels."""

    def __init__(self, config: CaptionConfig) -> None:
        if config.model == "embedded":
            raise ValueError(
                "vLLM does not run the embedded captioner; use backend = 'transformers' for it"
            )
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise ValueError(NOT_INSTALLED) from error
        self.config = config
        self.model_id = model_id(config)
        self.pulls = config.concurrency
        self.as_video = config.shown_as == "video"
        self._numbers = count()
        name, revision = split_pin(config.model)
        self.processor = load_processor(name, revision)
        args = AsyncEngineArgs(
            model=name,
            revision=revision,
            seed=config.seed,
            max_model_len=config.max_model_len,
            gpu_memory_utilization=config.gpu_memory,
            # What it keeps room for, whether or not it comes; 0 keeps none.
            limit_mm_per_prompt={
                "image": 0 if self.as_video else config.frames,
                "video": int(self.as_video),
            },
        )
        # The engine belongs to the event loop it was made in, so that loop lives as long as it does.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()

        async def start() -> Any:
            return AsyncLLM.from_engine_args(args)

        try:
            self.engine: Any = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
        except BaseException:
            self._stop()
            raise

    def prepare(self, frames: ClipFrames) -> ClipFrames:
        """The pixels as they are."""
        return frames

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """A reply per request as the engine gives them; ``concurrency`` of them are in flight."""
        stream = iter(requests)
        flying = {self._ask(request) for request in islice(stream, self.pulls)}
        try:
            while flying:
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    flying.update(self._ask(request) for request in islice(stream, 1))
                    yield future.result()
        finally:  # also when nobody wants the remaining replies
            for future in flying:
                future.cancel()

    def close(self) -> None:
        """Shut the engine down, and the loop it ran in."""
        engine, self.engine = self.engine, None
        if engine is not None:
            self._loop.call_soon_threadsafe(engine.shutdown)
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _ask(self, request: Request) -> Future[Reply]:
        return asyncio.run_coroutine_threadsafe(self._row(request), self._loop)

    async def _row(self, request: Request) -> Reply:
        """The reply of one request; whatever the engine raises for it is its own."""
        try:
            last: Any = None
            name = f"{request.clip_id}-{request.kind}-{next(self._numbers)}"
            async for output in self.engine.generate(
                self.prompt(request), self.sampling(request), request_id=name
            ):
                last = output
            answer = last.outputs[0]
        except Exception as error:  # noqa: BLE001 - a row's failure is a row's reply
            return error_reply(request, error)
        return reply_to(request, text=answer.text.strip(), finish=answer.finish_reason)

    def prompt(self, request: Request) -> dict[str, Any]:
        """The request as vLLM's ``TextPrompt``: the model's own chat template, and the frames as pixels."""
        from PIL import Image

        shown = pixels(request.frames)
        if self.as_video:
            from captioner.backends.video_input import video_conversation

            talk = video_conversation(request)
            told = dict(metadata(as_pixels(request.frames))) | {"do_sample_frames": False}
            media: dict[str, Any] = {"video": [(shown, told)]}
        else:
            talk = conversation(request, timed=self.config.shown_as != "frames")
            media = {"image": [Image.fromarray(frame) for frame in shown]}
        text = self.processor.apply_chat_template(
            [talk], add_generation_prompt=True, tokenize=False
        )[0]
        return {"prompt": text, "multi_modal_data": media}

    def sampling(self, request: Request) -> Any:
        """Its ``SamplingParams``: vLLM's own default is 16 tokens."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        settings: dict[str, Any] = {
            "max_tokens": request.max_new_tokens or self.config.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "output_kind": RequestOutputKind.FINAL_ONLY,
        }
        if request.schema is not None:
            from vllm.sampling_params import StructuredOutputsParams

            settings["structured_outputs"] = StructuredOutputsParams(json=request.schema)
        return SamplingParams(**settings)
