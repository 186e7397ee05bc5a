"""Arrow schema of every table of a run, in the order of the data flow; the columns' names are ``pipeline.schema``'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import schema as s

if TYPE_CHECKING:
    import pyarrow as pa


def _score_fields(concepts: tuple[str, ...], extra: tuple[str, ...]) -> list[pa.Field]:
    import pyarrow as pa

    scores = [
        pa.field(name, pa.string() if name in s.WORD_SCORES else pa.float32())
        for name in s.SCORE_COLUMNS
    ]
    boxes = [pa.field(name, pa.int32()) for name in s.CROP_COLUMNS]
    lists = [pa.field(name, pa.list_(pa.string())) for name in s.LIST_COLUMNS]
    return (
        scores
        + boxes
        + lists
        + [pa.field(s.CONCEPT_PREFIX + name, pa.float32()) for name in concepts]
        + [pa.field(name, pa.float32()) for name in extra]
    )


def _fields(*pairs: tuple[str, pa.DataType]) -> list[pa.Field]:
    import pyarrow as pa

    return [pa.field(name, dtype) for name, dtype in pairs]


def sources_schema() -> pa.Schema:
    """``sources.parquet``: one row per input, with its outcome.

    ``domain`` names the closed domain that a file says it shows (``video.tags.DOMAINS``); NULL is any other footage.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.SOURCE_ID, pa.string()),
            (s.SOURCE_URI, pa.string()),
            (s.OUTCOME, pa.string()),
            (s.ERROR_STAGE, pa.string()),
            (s.ERROR_TYPE, pa.string()),
            (s.ERROR_MESSAGE, pa.string()),
            (s.N_CLIPS, pa.int32()),
            (s.DURATION_S, pa.float64()),
            (s.CODEC, pa.string()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
            (s.FPS, pa.float64()),
            (s.ROTATION, pa.int32()),
            (s.SIZE_BYTES, pa.int64()),
            (s.DOMAIN, pa.string()),
        )
    )


def imports_schema() -> pa.Schema:
    """``imports.parquet``: one row per row (or file) of what was imported, and the clip that it became.

    ``row`` counts from 0 in the order of the input, ``given_id`` is the name that the input had for it. ``outcome`` is
    ``imported``, ``dropped`` or ``quarantined``; ``error_type`` and ``error_message`` say why there is no clip.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.ROW, pa.int64()),
            (s.GIVEN_ID, pa.string()),
            (s.SOURCE_URI, pa.string()),
            (s.START_S, pa.float64()),
            (s.END_S, pa.float64()),
            (s.CLIP_ID, pa.string()),
            (s.OUTCOME, pa.string()),
            (s.ERROR_TYPE, pa.string()),
            (s.ERROR_MESSAGE, pa.string()),
        )
    )


def dropped_schema() -> pa.Schema:
    """``dropped.parquet``: one row per stretch of a source that became no clip, with the reason.

    ``short`` is a shot of less than ``ingest.min_clip_s``; ``dissolve``, ``wipe`` and ``fade`` are frames that show two
    shots at once. Clips and dropped stretches together are the whole source.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.SOURCE_ID, pa.string()),
            (s.SOURCE_URI, pa.string()),
            (s.START_S, pa.float64()),
            (s.END_S, pa.float64()),
            (s.REASON, pa.string()),
        )
    )


def clips_schema() -> pa.Schema:
    """``clips/``: the encoded bytes and the few columns that make the file self-describing."""
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.VIDEO, pa.binary()),
            (s.SOURCE_URI, pa.string()),
            (s.START_S, pa.float64()),
            (s.END_S, pa.float64()),
            (s.N_FRAMES, pa.int32()),
            (s.FPS, pa.float64()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
        )
    )


def manifest_schema(concepts: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> pa.Schema:
    """``manifest/``: provenance, shape, every score, and the byte range of each clip.

    ``training_forbidden`` is what a C2PA manifest in the source says; NULL: it has one that could not be read here.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.SOURCE_ID, pa.string()),
            (s.SOURCE_URI, pa.string()),
            (s.START_PTS, pa.int64()),
            (s.END_PTS, pa.int64()),
            (s.TIME_BASE_NUM, pa.int64()),
            (s.TIME_BASE_DEN, pa.int64()),
            (s.START_S, pa.float64()),
            (s.END_S, pa.float64()),
            (s.TRANSITION_IN, pa.string()),
            (s.TRANSITION_OUT, pa.string()),
            (s.SHOT, pa.int32()),
            (s.N_FRAMES, pa.int32()),
            (s.FPS, pa.float64()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
            (s.AUDIO, pa.string()),
            (s.CAPTION_ORIGINAL, pa.string()),
            (s.DOMAIN, pa.string()),
            (s.TRAINING_FORBIDDEN, pa.bool_()),
        )
        + _score_fields(concepts, extra)
        + _fields(
            (s.PHASH, pa.uint64()),
            (s.LOOK, pa.string()),
            (s.SHARD, pa.string()),
            (s.BYTE_OFFSET, pa.int64()),
            (s.BYTE_LENGTH, pa.int64()),
            (s.VIDEO_XXH3, pa.string()),
            (s.ERROR, pa.string()),
        )
    )


def embeddings_schema(dim: int) -> pa.Schema:
    """``embeddings/``: one unit-norm CLIP vector of ``dim`` float16 per clip."""
    import pyarrow as pa

    return pa.schema(
        _fields((s.CLIP_ID, pa.string()), (s.CLIP_EMBEDDING, pa.list_(pa.float16(), dim)))
    )


def selection_schema() -> pa.Schema:
    """``selection.parquet``: one decision per clip, with every reason that applied.

    ``duplicate_of`` is the clip_id kept instead, ``duplicate_in`` the earlier dataset it is in (NULL: this one).
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.DECISION, pa.string()),
            (s.REASONS, pa.list_(pa.string())),
            (s.DUPLICATE_OF, pa.string()),
            (s.DUPLICATE_IN, pa.string()),
        )
    )


def captions_schema() -> pa.Schema:
    """``captions/``: one row per clip and kind; a failed caption is a row with a typed outcome.

    ``raw_text`` is what the model said where ``text`` differs from it, ``repairs`` what was done. ``hints`` is what
    the model was told, ``facts`` what was measured: clauses and the manifest columns that each is made of.
    """
    import pyarrow as pa

    fact = pa.struct(_fields((s.FACT_CLAUSE, pa.string()), (s.FACT_COLUMNS, pa.list_(pa.string()))))
    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.KIND, pa.string()),
            (s.TEXT, pa.string()),
            (s.RAW_TEXT, pa.string()),
            (s.OUTCOME, pa.string()),
            (s.CHECKS, pa.list_(pa.string())),
            (s.REPAIRS, pa.list_(pa.string())),
            (s.HINTS, pa.list_(pa.string())),
            (s.FACTS, pa.list_(fact)),
            (s.ERROR_MESSAGE, pa.string()),
            (s.MODEL, pa.string()),
            (s.PROMPT_HASH, pa.string()),
            (s.FRAMES_HASH, pa.string()),
            (s.SAMPLING_HASH, pa.string()),
            (s.SEED, pa.int64()),
        )
    )


def truth_schema() -> pa.Schema:
    """``truth/``: one row per clip and kind, how the caption stands against its frames.

    ``truth_min`` and ``truth_mean`` over the caption's assertions, ``worst_assertion`` the one with the least score;
    NULL where nothing could be scored. ``text_hash`` is of the caption's text, ``model`` the CLIP model's id.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.KIND, pa.string()),
            (s.TEXT_HASH, pa.string()),
            (s.TRUTH_MIN, pa.float32()),
            (s.TRUTH_MEAN, pa.float32()),
            (s.WORST_ASSERTION, pa.string()),
            (s.CHECKS, pa.list_(pa.string())),
            (s.MODEL, pa.string()),
        )
    )


def shards_schema(concepts: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> pa.Schema:
    """``shards/part-*``: a kept clip with its bytes, captions, shape, scores and provenance.

    ``source_uri`` is a URI, or the name of a local file without its folders. ``shot_id`` is the same for clips cut from
    one shot, ``split`` (``train`` or ``validation``) for all clips of a source.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.VIDEO, pa.binary()),
            (s.CAPTION_SHORT, pa.string()),
            (s.CAPTION_DENSE, pa.string()),
            (s.CAPTION_STRUCTURED, pa.string()),
            (s.CAPTION_ORIGINAL, pa.string()),
            (s.CAPTION_FACTS, pa.string()),
            (s.N_FRAMES, pa.int32()),
            (s.FPS, pa.float64()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
        )
        + _score_fields(concepts, extra)
        + _fields(
            (s.SOURCE_ID, pa.string()),
            (s.SOURCE_URI, pa.string()),
            (s.SHOT_ID, pa.string()),
            (s.SPLIT, pa.string()),
            (s.START_S, pa.float64()),
            (s.END_S, pa.float64()),
            (s.DOMAIN, pa.string()),
            (s.PHASH, pa.uint64()),
            (s.LOOK, pa.string()),
        )
    )


def shard_manifest_schema(concepts: tuple[str, ...] = ()) -> pa.Schema:
    """``shards.manifest.parquet``: every column of the shards but the bytes, plus their byte range."""
    import pyarrow as pa

    fields = [field for field in shards_schema(concepts) if field.name != s.VIDEO]
    return pa.schema(
        fields
        + _fields(
            (s.SHARD, pa.string()),
            (s.BYTE_OFFSET, pa.int64()),
            (s.BYTE_LENGTH, pa.int64()),
            (s.VIDEO_XXH3, pa.string()),
        )
    )


def latents_schema() -> pa.Schema:
    """``latents/part-*``: the VAE's posterior of each clip.

    ``posterior`` holds bfloat16 numbers: the mean (C, T, H, W) of ``latent_shape``, then the log-variance of the same
    shape where it is kept. ``payload_xxh3`` is the xxh3-64 of these bytes.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.SOURCE_ID, pa.string()),
            (s.CACHE_KEY, pa.string()),
            (s.POSTERIOR, pa.binary()),
            (s.PAYLOAD_XXH3, pa.uint64()),
            (s.LATENT_SHAPE, pa.list_(pa.int32(), 4)),
            (s.N_FRAMES, pa.int32()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
            (s.FPS, pa.float64()),
        )
    )


def texts_schema() -> pa.Schema:
    """``latents/texts/part-*``: token features of each caption, whichever clips show it.

    ``text_key`` names caption and text encoder. ``text_features`` holds ``text_len`` tokens as bfloat16, or as float8
    after a float32 scale for each. ``text_cut`` is how many tokens did not fit the encoder; NULL where it cannot say.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.TEXT_KEY, pa.string()),
            (s.CAPTION, pa.string()),
            (s.TEXT_FEATURES, pa.binary()),
            (s.PAYLOAD_XXH3, pa.uint64()),
            (s.TEXT_LEN, pa.int32()),
            (s.TEXT_CUT, pa.int32()),
        )
    )


def latents_manifest_schema() -> pa.Schema:
    """``latents/manifest.parquet``: which clip shows which caption, and the parts that hold them; the commit record."""
    import pyarrow as pa

    names = (s.CLIP_ID, s.KIND, s.CACHE_KEY, s.TEXT_KEY, s.SHARD, s.TEXT_SHARD)
    return pa.schema(_fields(*((name, pa.string()) for name in names)))


def latent_index_schema() -> pa.Schema:
    """``latents/clips.arrow``: a row a clip, sorted by id; what training needs to find and plan it.

    ``first_caption`` is the clip's first row in ``captions.arrow``; its last is before the next clip's first.
    ``caption_mask`` has a bit for each kind of caption that the clip has, in the order of the metadata's ``kinds``.
    ``source_draw`` is a hash of the source, by which sources are held out.
    """
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.CLIP_ID, pa.string()),
            (s.SOURCE_ID, pa.dictionary(pa.int32(), pa.string())),
            (s.SOURCE_DRAW, pa.uint32()),
            (s.SHARD, pa.dictionary(pa.int32(), pa.string())),
            (s.BYTE_OFFSET, pa.int64()),
            (s.PAYLOAD_XXH3, pa.uint64()),
            (s.LATENT_SHAPE, pa.list_(pa.int32(), 4)),
            (s.N_FRAMES, pa.int32()),
            (s.WIDTH, pa.int32()),
            (s.HEIGHT, pa.int32()),
            (s.FPS, pa.float64()),
            (s.FIRST_CAPTION, pa.int64()),
            (s.CAPTION_MASK, pa.uint16()),
        )
    )


def caption_index_schema() -> pa.Schema:
    """``latents/captions.arrow``: a row a clip and kind, where its text features and its text lie."""
    import pyarrow as pa

    return pa.schema(
        _fields(
            (s.KIND, pa.dictionary(pa.int32(), pa.string())),
            (s.TEXT_SHARD, pa.dictionary(pa.int32(), pa.string())),
            (s.BYTE_OFFSET, pa.int64()),
            (s.PAYLOAD_XXH3, pa.uint64()),
            (s.TEXT_LEN, pa.int32()),
            (s.TEXT_CUT, pa.int32()),
            (s.CAPTION_OFFSET, pa.int64()),
            (s.CAPTION_LENGTH, pa.int32()),
        )
    )
