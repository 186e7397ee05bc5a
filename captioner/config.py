"""Section ``[caption]`` of a recipe: which model describes the kept clips, what it sees and what it is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import Annotated

from pipeline.bounds import (
    Count,
    Limits,
    Name,
    NonNegative,
    Positive,
    Seed,
    Share,
    Some,
    Whole,
    check_bounds,
)
from pipeline.extensions import is_extension
from pipeline.schema import CAPTION_KINDS

BACKENDS = ("transformers", "openai", "vllm")
FACTS = "facts"
"""Caption kind that is made of measurements; it needs no model."""
ASKED_KINDS = tuple(kind for kind in CAPTION_KINDS if kind not in ("original", FACTS))
"""Caption kinds a model is asked for, by ``captioner.ask.prompts``."""
LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "pl": "Polish", "cs": "Czech", "tr": "Turkish", "ru": "Russian",
    "uk": "Ukrainian", "ar": "Arabic", "he": "Hebrew", "hi": "Hindi", "zh": "Chinese", "ja": "Japanese",
    "ko": "Korean", "vi": "Vietnamese", "id": "Indonesian", "th": "Thai",
}  # fmt: skip
"""Languages that captions can be asked for in: code -> name."""
SHOWN_AS = ("auto", "video", "timed", "frames")
HINT_TOPICS = ("camera", "movement", "light", "colours", "text")
"""What a model can be told beforehand of what was measured."""


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """How clips are described; every field but the last nine changes the captions, so it re-captions."""

    backend: Name = "transformers"
    """``transformers`` (in this process), ``openai`` (any OpenAI-compatible server), ``vllm`` (its own extra), or
    ``module:object`` of another (``captioner.Backend``), called with this section; ``model`` is then its identity."""
    model: Name = "embedded"
    """``embedded``, a Hugging Face id (``ORG/NAME@REVISION`` pins it) or a local folder; for ``openai``, the name the
    server knows."""
    kinds: tuple[str, ...] = ("short", "dense")
    """Caption kinds that are made: ``short``, ``dense`` and ``structured`` by the model, one request per clip and kind;
    ``facts`` of what was measured, which needs no model."""
    language: Name = "en"
    """Language that captions are written in, ISO 639-1; one in another ends as ``off_language``. A prompt of ours asks
    for any but English by name."""
    hints: tuple[str, ...] = ()
    """What the model is told of what was measured: ``camera``, ``movement``, ``light``, ``colours``, ``text``. What it
    is told is stored with the caption."""
    frames: Count = 8
    """Frames shown of each clip, the centres of as many equal spans; a shorter clip shows all it has."""
    frame_side: Annotated[int, Limits(least=16, most=16384)] = 384
    """Longer side that larger frames are scaled down to before any backend sees them, pixels."""
    shown_as: str = "auto"
    """Form in which frames are shown. ``video``: one video with the time of each frame. ``timed``: images, each after
    its time. ``frames``: images alone. ``auto``: the video input of a transformers model that has one, images alone
    for one that has none, timed images for servers and vLLM."""
    max_new_tokens: Count = 256
    """Tokens a reply may have; one that reaches it is asked for again with twice the room, then ``truncated``."""
    max_model_len: int | None = None
    """``vllm``: tokens of question, frames and reply together; None takes the model's own, often more than fits."""
    gpu_memory: Some = 0.9
    """``vllm``: share of the GPU's memory that the engine may take."""
    temperature: NonNegative = 0.0
    """0 takes the likeliest token each time; above 0 samples, keyed by ``seed``."""
    seed: Seed = 0
    """Seed of sampling, passed to servers that take one."""
    prompts: dict[str, str] | None = None
    """Kind -> prompt, instead of ours; ``{frames}`` and ``{seconds}`` are filled in per clip."""
    allow_out_of_domain: bool = False
    """Let the embedded captioner describe footage that is not of the synthetic world, which it cannot; else such
    clips end as ``out_of_domain``."""
    check: bool = False
    """Score each caption against its frames with the model of ``[openclip]``, and hold it against measurements."""
    judge: bool = True
    """Let a learned judge take talk that no rule finds out of replies in English, German, Spanish, French and Chinese.
    Replies that are stored already stay as they are; the embedded captioner's are not read."""
    retries_per_row: Whole = 1
    """Times that a reply which is empty, refused, looped, cut short or otherwise unusable is asked for again."""
    failure_budget: Share = 0.5
    """Share of captions that may end without an answer before the stage stops and says why, counted from the 50th on.
    It stops at once when the first dozen all fail alike."""
    batch_size: Count = 16
    """Clips and kinds described at once by the transformers and vllm backends."""
    workers: Count = 1
    """Ray actors, each holding one model (or one connection pool)."""
    base_url: Name = "http://127.0.0.1:8000/v1"
    """``openai``: address of the server, up to and including ``/v1``."""
    api_key_env: str = "OPENAI_API_KEY"
    """``openai``: environment variable that holds the key; unset means none is sent."""
    concurrency: Count = 32
    """``openai``: requests in flight per worker."""
    deadline_s: Positive = 120.0
    """``openai``: seconds a row may take, retries included, before it ends as an error."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.backend not in BACKENDS and not is_extension(self.backend):
            raise ValueError(
                f"caption backend {self.backend!r} is unknown; use {', '.join(BACKENDS)} or module:object"
            )
        for kind in self.kinds:
            if kind not in (*ASKED_KINDS, FACTS):
                raise ValueError(
                    f"caption kind {kind!r} cannot be made; use {', '.join((*ASKED_KINDS, FACTS))} "
                    "(original comes with the source)"
                )
        if self.language not in LANGUAGES:
            raise ValueError(
                f"caption.language = {self.language!r} is unknown; use one of {', '.join(LANGUAGES)}"
            )
        for topic in self.hints:
            if topic not in HINT_TOPICS:
                raise ValueError(
                    f"caption.hints names {topic!r}; what is measured is {', '.join(HINT_TOPICS)}"
                )
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"caption kinds {self.kinds!r} must name each kind once")
        if self.shown_as not in SHOWN_AS:
            raise ValueError(
                f"caption.shown_as = {self.shown_as!r} is unknown; use one of {', '.join(SHOWN_AS)}"
            )
        if self.max_model_len is not None and self.max_model_len <= self.max_new_tokens:
            raise ValueError(
                f"caption.max_model_len is {self.max_model_len}; it must hold the frames, the question and "
                f"the {self.max_new_tokens} tokens of max_new_tokens"
            )
        for kind, text in (self.prompts or {}).items():
            if kind not in ASKED_KINDS:
                raise ValueError(
                    f"prompts.{kind}: there is no such kind to ask for; use one of {', '.join(ASKED_KINDS)}"
                )
            check_placeholders(kind, text)
        if not re.match(r"https?://[^/\s]+", self.base_url):
            raise ValueError(
                f"base_url is {self.base_url!r}; it must be an http:// or https:// address, up to and including /v1"
            )
        if is_extension(self.backend) and self.model == "embedded":
            raise ValueError(
                f"backend {self.backend!r} needs model = the name that its captions are stored with"
            )
        if self.hints and self.model == "embedded":
            raise ValueError(
                "caption.hints: the embedded captioner knows two questions by heart and no hints; "
                "use them with a model that follows instructions"
            )
        if self.backend == "openai" and self.model == "embedded":
            raise ValueError(
                "backend 'openai' needs the name of a model its server has; "
                "the embedded captioner runs with backend 'transformers'"
            )

    @property
    def judges(self) -> bool:
        """Whether the learned judge reads replies: the embedded captioner says what is seen and nothing else."""
        return self.judge and self.model != "embedded"

    @property
    def asked(self) -> tuple[str, ...]:
        """The kinds that the model is asked for."""
        return tuple(kind for kind in self.kinds if kind in ASKED_KINDS)


def check_placeholders(kind: str, text: str) -> None:
    """ValueError when a prompt names what is not filled in, or is no text that can be written."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"prompts.{kind} = {text[:60]!r} is not UTF-8; write it as UTF-8"
            ) from None
    try:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(
            f"prompts.{kind} = {text[:60]!r}: {error}; double literal braces"
        ) from None
    for name in names:
        if name not in ("frames", "seconds"):
            raise ValueError(
                f"prompts.{kind} = {text[:60]!r} has the placeholder {{{name}}}; use {{frames}} and {{seconds}}, and "
                "double literal braces"
            )
