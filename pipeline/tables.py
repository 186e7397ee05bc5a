"""Arrow schema of every table of a run, in the order of the data flow; the columns' names are ``pipeline.schema``'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa


SHAPE = ((s.N_FRAMES, "int32"), (s.FPS, "float64"), (s.WIDTH, "int32"), (s.HEIGHT, "int32"))
"""Columns of a clip's size and length."""
SPAN = ((s.SOURCE_URI, "string"), (s.START_S, "float64"), (s.END_S, "float64"))
"""Columns that say which part of a source it is."""
LATENT = (
    (s.LATENT_SHAPE, "shape"),
    (s.N_FRAMES, "int32"),
    (s.WIDTH, "int32"),
    (s.HEIGHT, "int32"),
    (s.FPS, "float64"),
)
"""Columns of the size and length of latents and of the clip that they are of."""
TOKENS = ((s.PAYLOAD_XXH3, "uint64"), (s.TEXT_LEN, "int32"), (s.TEXT_CUT, "int32"))
"""Columns of the token features of a caption: their hash, how many they are, how many did not fit."""
PLACE = (
    (s.SHARD, "string"),
    (s.BYTE_OFFSET, "int64"),
    (s.BYTE_LENGTH, "int64"),
    (s.VIDEO_XXH3, "string"),
)
"""Columns that say where the bytes of a clip lie, and their hash."""


def _type(kind: str | pa.DataType) -> pa.DataType:
    """A type by its name in Arrow, or ``words`` (a list of strings), ``index`` (few strings, often) and ``shape``."""
    import pyarrow as pa

    if not isinstance(kind, str):
        return kind
    own = {
        "words": pa.list_(pa.string()),
        "index": pa.dictionary(pa.int32(), pa.string()),
        "shape": pa.list_(pa.int32(), 4),
    }
    return own.get(kind) or pa.type_for_alias(kind)


def _schema(*columns: tuple[str, str | pa.DataType]) -> pa.Schema:
    """A table of these columns, each with its type."""
    import pyarrow as pa

    return pa.schema([pa.field(name, _type(kind)) for name, kind in columns])


def _scores(concepts: tuple[str, ...], extra: tuple[str, ...]) -> list[tuple[str, str]]:
    """Columns of every score, those of concepts and of scorers of a recipe's own last."""
    own = (*(s.CONCEPT_PREFIX + name for name in concepts), *extra)
    return [
        *((name, "string" if name in s.WORD_SCORES else "float32") for name in s.SCORE_COLUMNS),
        *((name, "int32") for name in s.CROP_COLUMNS),
        *((name, "words") for name in s.LIST_COLUMNS),
        *((name, "float32") for name in own),
    ]


def sources_schema() -> pa.Schema:
    """``sources.parquet``: one row per input, with its outcome.

    ``domain`` names the closed domain that a file says it shows (``video.tags.DOMAINS``); NULL is any other footage.
    """
    return _schema(
        (s.SOURCE_ID, "string"),
        (s.SOURCE_URI, "string"),
        (s.OUTCOME, "string"),
        (s.ERROR_STAGE, "string"),
        (s.ERROR_TYPE, "string"),
        (s.ERROR_MESSAGE, "string"),
        (s.N_CLIPS, "int32"),
        (s.DURATION_S, "float64"),
        (s.CODEC, "string"),
        (s.WIDTH, "int32"),
        (s.HEIGHT, "int32"),
        (s.FPS, "float64"),
        (s.ROTATION, "int32"),
        (s.SIZE_BYTES, "int64"),
        (s.DOMAIN, "string"),
    )


def imports_schema() -> pa.Schema:
    """``imports.parquet``: one row per row (or file) of what was imported, and the clip that it became.

    ``row`` counts from 0 in the order of the input, ``given_id`` is the name that the input had for it. ``outcome`` is
    ``imported``, ``dropped`` or ``quarantined``; ``error_type`` and ``error_message`` say why there is no clip.
    """
    return _schema(
        (s.ROW, "int64"),
        (s.GIVEN_ID, "string"),
        *SPAN,
        (s.CLIP_ID, "string"),
        (s.OUTCOME, "string"),
        (s.ERROR_TYPE, "string"),
        (s.ERROR_MESSAGE, "string"),
    )


def dropped_schema() -> pa.Schema:
    """``dropped.parquet``: one row per stretch of a source that became no clip, with the reason.

    ``short`` is a shot of less than ``ingest.min_clip_s``; ``dissolve``, ``wipe`` and ``fade`` are frames that show two
    shots at once. Clips and dropped stretches together are the whole source.
    """
    return _schema(
        (s.SOURCE_ID, "string"),
        *SPAN,
        (s.REASON, "string"),
    )


def clips_schema() -> pa.Schema:
    """``clips/``: the encoded bytes and the few columns that make the file self-describing."""
    return _schema(
        (s.CLIP_ID, "string"),
        (s.VIDEO, "binary"),
        *SPAN,
        *SHAPE,
    )


def manifest_schema(concepts: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> pa.Schema:
    """``manifest/``: provenance, shape, every score, and the byte range of each clip.

    ``training_forbidden`` is what a C2PA manifest in the source says; NULL: it has one that could not be read here.
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.SOURCE_ID, "string"),
        (s.SOURCE_URI, "string"),
        (s.START_PTS, "int64"),
        (s.END_PTS, "int64"),
        (s.TIME_BASE_NUM, "int64"),
        (s.TIME_BASE_DEN, "int64"),
        (s.START_S, "float64"),
        (s.END_S, "float64"),
        (s.TRANSITION_IN, "string"),
        (s.TRANSITION_OUT, "string"),
        (s.SHOT, "int32"),
        *SHAPE,
        (s.AUDIO, "string"),
        (s.CAPTION_ORIGINAL, "string"),
        (s.DOMAIN, "string"),
        (s.TRAINING_FORBIDDEN, "bool"),
        *_scores(concepts, extra),
        (s.PHASH, "uint64"),
        (s.LOOK, "string"),
        *PLACE,
        (s.ERROR, "string"),
    )


def embeddings_schema(dim: int) -> pa.Schema:
    """``embeddings/``: one unit-norm CLIP vector of ``dim`` float16 per clip."""
    import pyarrow as pa

    return _schema((s.CLIP_ID, "string"), (s.CLIP_EMBEDDING, pa.list_(pa.float16(), dim)))


def selection_schema() -> pa.Schema:
    """``selection.parquet``: one decision per clip, with every reason that applied.

    ``duplicate_of`` is the clip_id kept instead, ``duplicate_in`` the earlier dataset it is in (NULL: this one).
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.DECISION, "string"),
        (s.REASONS, "words"),
        (s.DUPLICATE_OF, "string"),
        (s.DUPLICATE_IN, "string"),
    )


def captions_schema() -> pa.Schema:
    """``captions/``: one row per clip and kind; a failed caption is a row with a typed outcome.

    ``raw_text`` is what the model said where ``text`` differs from it, ``repairs`` what was done. ``hints`` is what
    the model was told, ``facts`` what was measured: clauses and the manifest columns that each is made of.
    """
    import pyarrow as pa

    fact = pa.struct(list(_schema((s.FACT_CLAUSE, "string"), (s.FACT_COLUMNS, "words"))))
    return _schema(
        (s.CLIP_ID, "string"),
        (s.KIND, "string"),
        (s.TEXT, "string"),
        (s.RAW_TEXT, "string"),
        (s.OUTCOME, "string"),
        (s.CHECKS, "words"),
        (s.REPAIRS, "words"),
        (s.HINTS, "words"),
        (s.FACTS, pa.list_(fact)),
        (s.ERROR_MESSAGE, "string"),
        (s.MODEL, "string"),
        (s.PROMPT_HASH, "string"),
        (s.FRAMES_HASH, "string"),
        (s.SAMPLING_HASH, "string"),
        (s.SEED, "int64"),
    )


def truth_schema() -> pa.Schema:
    """``truth/``: one row per clip and kind, how the caption stands against its frames.

    ``truth_min`` and ``truth_mean`` over the caption's assertions, ``worst_assertion`` the one with the least score;
    NULL where nothing could be scored. ``text_hash`` is of the caption's text, ``model`` the CLIP model's id.
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.KIND, "string"),
        (s.TEXT_HASH, "string"),
        (s.TRUTH_MIN, "float32"),
        (s.TRUTH_MEAN, "float32"),
        (s.WORST_ASSERTION, "string"),
        (s.CHECKS, "words"),
        (s.MODEL, "string"),
    )


def shards_schema(concepts: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> pa.Schema:
    """``shards/part-*``: a kept clip with its bytes, captions, shape, scores and provenance.

    ``source_uri`` is a URI, or the name of a local file without its folders. ``shot_id`` is the same for clips cut from
    one shot, ``split`` (``train`` or ``validation``) for all clips of a source.
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.VIDEO, "binary"),
        *((s.caption_column(kind), "string") for kind in s.CAPTION_KINDS),
        *SHAPE,
        *_scores(concepts, extra),
        (s.SOURCE_ID, "string"),
        (s.SOURCE_URI, "string"),
        (s.SHOT_ID, "string"),
        (s.SPLIT, "string"),
        (s.START_S, "float64"),
        (s.END_S, "float64"),
        (s.DOMAIN, "string"),
        (s.PHASH, "uint64"),
        (s.LOOK, "string"),
    )


def shard_manifest_schema(concepts: tuple[str, ...] = ()) -> pa.Schema:
    """``shards.manifest.parquet``: every column of the shards but the bytes, plus their byte range."""
    shared = [(each.name, each.type) for each in shards_schema(concepts) if each.name != s.VIDEO]
    return _schema(*shared, *PLACE)


def latents_schema() -> pa.Schema:
    """``latents/part-*``: the VAE's posterior of each clip.

    ``posterior`` holds bfloat16 numbers: the mean (C, T, H, W) of ``latent_shape``, then the log-variance of the same
    shape where it is kept. ``payload_xxh3`` is the xxh3-64 of these bytes.
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.SOURCE_ID, "string"),
        (s.CACHE_KEY, "string"),
        (s.POSTERIOR, "binary"),
        (s.PAYLOAD_XXH3, "uint64"),
        *LATENT,
    )


def texts_schema() -> pa.Schema:
    """``latents/texts/part-*``: token features of each caption, whichever clips show it.

    ``text_key`` names caption and text encoder. ``text_features`` holds ``text_len`` tokens as bfloat16, or as float8
    after a float32 scale for each. ``text_cut`` is how many tokens did not fit the encoder; NULL where it cannot say.
    """
    return _schema(
        (s.TEXT_KEY, "string"),
        (s.CAPTION, "string"),
        (s.TEXT_FEATURES, "binary"),
        *TOKENS,
    )


def latents_manifest_schema() -> pa.Schema:
    """``latents/manifest.parquet``: which clip shows which caption, and the parts that hold them; the commit record."""
    names = (s.CLIP_ID, s.KIND, s.CACHE_KEY, s.TEXT_KEY, s.SHARD, s.TEXT_SHARD)
    return _schema(*((name, "string") for name in names))


def latent_index_schema() -> pa.Schema:
    """``latents/clips.arrow``: a row a clip, sorted by id; what training needs to find and plan it.

    ``first_caption`` is the clip's first row in ``captions.arrow``; its last is before the next clip's first.
    ``caption_mask`` has a bit for each kind of caption that the clip has, in the order of the metadata's ``kinds``.
    ``source_draw`` is a hash of the source, by which sources are held out.
    """
    return _schema(
        (s.CLIP_ID, "string"),
        (s.SOURCE_ID, "index"),
        (s.SOURCE_DRAW, "uint32"),
        (s.SHARD, "index"),
        (s.BYTE_OFFSET, "int64"),
        (s.PAYLOAD_XXH3, "uint64"),
        *LATENT,
        (s.FIRST_CAPTION, "int64"),
        (s.CAPTION_MASK, "uint16"),
    )


def caption_index_schema() -> pa.Schema:
    """``latents/captions.arrow``: a row a clip and kind, where its text features and its text lie."""
    return _schema(
        (s.KIND, "index"),
        (s.TEXT_SHARD, "index"),
        (s.BYTE_OFFSET, "int64"),
        *TOKENS,
        (s.CAPTION_OFFSET, "int64"),
        (s.CAPTION_LENGTH, "int32"),
    )
