"""Names of the columns of every table, outcomes, derived ids. No other file spells a column name.

The tables follow the data flow: sources -> clips + manifest + embeddings -> selection -> captions -> shards -> latents.
NULL always means "not measured"; a failed measurement is NULL plus an ``error`` text, never a score of 0 or -1.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal, get_args

SCHEMA_VERSION = "1"

# -- identity and provenance
SOURCE_ID = "source_id"
SOURCE_URI = "source_uri"
CLIP_ID = "clip_id"
START_PTS = "start_pts"
END_PTS = "end_pts"
TIME_BASE_NUM = "time_base_num"
TIME_BASE_DEN = "time_base_den"
START_S = "start_s"
END_S = "end_s"
TRANSITION_IN = "transition_in"
TRANSITION_OUT = "transition_out"
SHOT = "shot"
SHOT_ID = "shot_id"
SPLIT = "split"

# -- shape
N_FRAMES = "n_frames"
FPS = "fps"
WIDTH = "width"
HEIGHT = "height"
AUDIO = "audio"
DURATION_S = "duration_s"
CODEC = "codec"
DOMAIN = "domain"
TRAINING_FORBIDDEN = "training_forbidden"
ROTATION = "rotation"
SIZE_BYTES = "size_bytes"
N_CLIPS = "n_clips"

# -- outcomes
OUTCOME = "outcome"
ERROR = "error"
ERROR_STAGE = "error_stage"
ERROR_TYPE = "error_type"
ERROR_MESSAGE = "error_message"

# -- bytes and where they lie
VIDEO = "video"
SHARD = "shard"
BYTE_OFFSET = "byte_offset"
BYTE_LENGTH = "byte_length"
VIDEO_XXH3 = "video_xxh3"

# -- scores
MOTION_MEAN = "motion_mean"
MOTION_P95 = "motion_p95"
STATIC_SHARE = "static_share"
LUMA_MEAN = "luma_mean"
LUMA_STD = "luma_std"
JITTER = "jitter"
CAMERA = "camera"
CAMERA_PAN = "camera_pan"
CAMERA_TILT = "camera_tilt"
CAMERA_ZOOM = "camera_zoom"
OVEREXPOSED = "overexposed"
UNDEREXPOSED = "underexposed"
CROP_X = "crop_x"
CROP_Y = "crop_y"
CROP_W = "crop_w"
CROP_H = "crop_h"
BLUR = "blur"
TEXT_AREA = "text_area"
WATERMARK = "watermark"
NSFW = "nsfw"
AESTHETIC = "aesthetic"
PHASH = "phash"
COLOURS = "colours"
LEGIBLE_TEXT = "legible_text"
LOOK = "look"
ACTIVITY = "activity"
CONCEPT_PREFIX = "concept_"
SHOTS_INSIDE = "shots_inside"
GIVEN_PREFIX = "given_"
CLIP_EMBEDDING = "clip_embedding"

# -- selection
DECISION = "decision"
REASONS = "reasons"
REASON = "reason"
DUPLICATE_OF = "duplicate_of"
DUPLICATE_IN = "duplicate_in"

# -- captions
KIND = "kind"
TEXT = "text"
RAW_TEXT = "raw_text"
CHECKS = "checks"
REPAIRS = "repairs"
MODEL = "model"
PROMPT_HASH = "prompt_hash"
FRAMES_HASH = "frames_hash"
SAMPLING_HASH = "sampling_hash"
SEED = "seed"
TRUTH_MIN = "truth_min"
TRUTH_MEAN = "truth_mean"
WORST_ASSERTION = "worst_assertion"
TEXT_HASH = "text_hash"
FACTS = "facts"
FACT_CLAUSE = "clause"
FACT_COLUMNS = "columns"
HINTS = "hints"
CaptionKind = Literal["short", "dense", "structured", "original", "facts"]
"""Kinds of captions. Tables, settings and options follow; ``config.MixConfig`` has their weights."""
CAPTION_KINDS: tuple[str, ...] = get_args(CaptionKind)
"""Kinds of captions, in the order in which shards and pages have them."""
FALLBACK_KINDS: tuple[str, ...] = ("dense", "structured", "short", "original", "facts")
"""The same, the most telling first: what stands in for a kind that a clip lacks."""
PROSE_KINDS = tuple(kind for kind in FALLBACK_KINDS if kind != "structured")
"""Those of them that are sentences."""
CAPTION_SHORT = "caption_short"
CAPTION_DENSE = "caption_dense"
CAPTION_STRUCTURED = "caption_structured"
CAPTION_ORIGINAL = "caption_original"
CAPTION_FACTS = "caption_facts"

# -- imports
ROW = "row"
GIVEN_ID = "given_id"

# -- latents
CAPTION = "caption"
CACHE_KEY = "cache_key"
LATENT_MEAN = "latent_mean"
LATENT_LOGVAR = "latent_logvar"
LATENT_SHAPE = "latent_shape"
POSTERIOR = "posterior"
TEXT_KEY = "text_key"
TEXT_FEATURES = "text_features"
TEXT_LEN = "text_len"
TEXT_CUT = "text_cut"
TEXT_SHARD = "text_shard"
PAYLOAD_XXH3 = "payload_xxh3"
CAPTION_OFFSET = "caption_offset"
CAPTION_LENGTH = "caption_length"
FIRST_CAPTION = "first_caption"
CAPTION_MASK = "caption_mask"
SOURCE_DRAW = "source_draw"

CAMERA_COLUMNS = (JITTER, CAMERA, CAMERA_PAN, CAMERA_TILT, CAMERA_ZOOM)
"""How the camera moves."""
SCORE_COLUMNS = (
    MOTION_MEAN,
    MOTION_P95,
    STATIC_SHARE,
    ACTIVITY,
    *CAMERA_COLUMNS,
    LUMA_MEAN,
    LUMA_STD,
    OVEREXPOSED,
    UNDEREXPOSED,
    BLUR,
    TEXT_AREA,
    WATERMARK,
    NSFW,
    AESTHETIC,
)
"""Scores every manifest carries; concept scores add ``concept_<name>`` columns beside them."""
CROP_COLUMNS = (CROP_X, CROP_Y, CROP_W, CROP_H)
"""Where the picture lies inside bars, in pixels of the clip: the whole frame when it has none."""
HASH_COLUMNS = (PHASH, LOOK)
"""What duplicates are found and told by."""
LOOK_CHARS = 97
"""Length of a ``look``: its version, one character, and nine 64-bit words in base 64, see ``scores.look``."""
READ_COLUMNS = (
    CLIP_ID,
    SHARD,
    BYTE_OFFSET,
    BYTE_LENGTH,
    VIDEO_XXH3,
    N_FRAMES,
    FPS,
    WIDTH,
    HEIGHT,
)
"""Manifest columns that a worker needs who reads the clip by its byte range and looks at its frames."""
WORD_SCORES = (CAMERA,)
"""Those of ``SCORE_COLUMNS`` whose values are words."""
LIST_COLUMNS = (COLOURS, LEGIBLE_TEXT)
"""What was seen, as lists of words: names of the main colours, the largest first; lines of text that were read."""
MEASURED_COLUMNS = (
    START_S,
    END_S,
    WIDTH,
    HEIGHT,
    *CROP_COLUMNS,
    MOTION_MEAN,
    STATIC_SHARE,
    *CAMERA_COLUMNS,
    LUMA_MEAN,
    LUMA_STD,
    *LIST_COLUMNS,
)
"""Manifest columns that a caption of kind ``facts`` is made of, and hints to a captioner."""
CAMERAS = ("static", "pan", "tilt", "zoom", "handheld")
"""Values of ``CAMERA``."""


class SourceOutcome(StrEnum):
    """How an input ended: every source ends in exactly one of these."""

    DONE = "done"
    QUARANTINED = "quarantined"
    FORGOTTEN = "forgotten"


class ImportOutcome(StrEnum):
    """What became of one row of an import."""

    IMPORTED = "imported"
    DROPPED = "dropped"
    QUARANTINED = "quarantined"


PARTIAL = "partial"
"""``error_type`` of a source that is done though its file is cut short."""


class Decision(StrEnum):
    """What ``select`` decided for a clip."""

    KEEP = "keep"
    REJECT = "reject"
    ERROR = "error"


class CaptionOutcome(StrEnum):
    """How one caption request ended."""

    OK = "ok"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    EMPTY = "empty"
    LOOPED = "looped"
    MALFORMED = "malformed"
    BOILERPLATE = "boilerplate"
    OFF_LANGUAGE = "off_language"
    OUT_OF_DOMAIN = "out_of_domain"
    ERROR = "error"


def caption_column(kind: str) -> str:
    """Shard column that holds captions of ``kind``, e.g. ``"dense"`` -> ``"caption_dense"``."""
    if kind not in CAPTION_KINDS:
        raise ValueError(f"caption kind {kind!r} is unknown; use one of {', '.join(CAPTION_KINDS)}")
    return f"caption_{kind}"


def source_id(size: int, head: bytes, middle: bytes, tail: bytes) -> str:
    """Content-derived id of an input file: 16 hex digits from its size and three blocks of it."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(size.to_bytes(8, "little"))
    for block in (head, middle, tail):
        digest.update(block)
    return digest.hexdigest()


def clip_id(source: str, start_pts: int, end_pts: int) -> str:
    """Id of a clip, derived from its source and its presentation interval [start_pts, end_pts)."""
    text = f"{source}:{start_pts}:{end_pts}"
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def shot_id(source: str, shot: int) -> str:
    """Id of shot number ``shot``, from 0, of a source."""
    return f"{source}-{shot:05d}"


def split_of(source: str, validation_share: float) -> str:
    """``validation`` for a share of all sources, drawn by a hash of their ids, else ``train``.

    It stays the same when sources are added, and no clip of a source in one split is in the other.
    """
    digest = hashlib.blake2b(b"split:" + source.encode(), digest_size=4).digest()
    return "validation" if int.from_bytes(digest, "big") < validation_share * 2**32 else "train"
