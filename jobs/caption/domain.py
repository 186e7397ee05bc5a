"""Find clips of a domain that the captioner does not know; their captions end as ``out_of_domain``.

The embedded captioner knows the synthetic world alone, and answers with its shapes and colours whatever it is shown.
``filmstock film`` marks its files; clips of any other source are foreign to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobs.caption.rows import Key, Made, caption_row, hinted, write_part
from pipeline import schema as s
from pipeline.store.paths import Location
from pipeline.video.tags import WORLD

if TYPE_CHECKING:
    import pyarrow as pa

    from captioner.config import CaptionConfig

REASON = (
    "the embedded captioner knows the synthetic world only, and this clip is not marked as of it"
)
HELP = (
    "{clips} clips are not of the synthetic world, which is all that the embedded captioner knows: "
    "their captions end as out_of_domain and are not packed; recipe laptop or cluster describes real footage "
    "(filmstock models get --recipe laptop)"
)


def is_narrow(config: CaptionConfig) -> bool:
    """True when the model knows the synthetic world only, and the recipe does not ask it all the same."""
    return config.model == "embedded" and bool(config.asked) and not config.allow_out_of_domain


def foreign_clips(kept: pa.Table, config: CaptionConfig) -> set[str]:
    """clip_id of the kept clips that the model may not be asked about."""
    if not is_narrow(config):
        return set()
    ids = kept[s.CLIP_ID].to_pylist()
    if s.DOMAIN not in kept.column_names:  # a manifest from before films were marked
        return set(ids)
    domains = kept[s.DOMAIN].to_pylist()
    return {clip for clip, domain in zip(ids, domains, strict=True) if domain != WORLD}


def refuse(
    table: Location,
    clips: Sequence[dict[str, Any]],
    foreign: set[str],
    wanted: dict[Key, Made],
    done: set[Key],
    kinds: Sequence[str],
) -> set[Key]:
    """Store the outcome of every caption of a foreign clip that has none yet; returns all of their keys."""
    from captioner.check.outcome import CheckedReply

    checked = CheckedReply(
        text=None,
        raw_text=None,
        outcome=s.CaptionOutcome.OUT_OF_DOMAIN,
        checks=(str(s.CaptionOutcome.OUT_OF_DOMAIN),),
        repairs=(),
        error=REASON,
        frames_hash="",
    )
    keys = {(clip[s.CLIP_ID], kind): clip for clip in clips for kind in kinds}
    keys = {key: clip for key, clip in keys.items() if key[0] in foreign}
    rows = [
        caption_row(key, checked, wanted[key], hinted(clip))
        for key, clip in keys.items()
        if key not in done
    ]
    if rows:
        write_part(table, rows)
    return set(keys)
