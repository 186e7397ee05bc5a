"""Which clips are kept out of training: those of whole sources, because neighbouring clips of a film look alike."""

from __future__ import annotations

import logging

import numpy as np

from pipeline.latents.index import source_draw
from pipeline.latents.store import LatentStore

log = logging.getLogger(__name__)

ONE_SOURCE_MOST = 0.05
"""Share of the clips that a source may have to be held out alone, where chance held out none."""


def held_out_clips(store: LatentStore, share: float) -> np.ndarray:
    """(clips,) bool: clips whose source falls to the held-out ``share``, a fixed function of the source's id.

    Where chance picks no source, the first in the order of the draw that is small enough is taken; where all are large,
    as in a set of one film, single clips are drawn, and a warning says so.
    """
    none = np.zeros(len(store.clips), bool)
    if share <= 0:
        return none
    edge = share * 2.0**32
    draws = store.source_draws
    held = draws < edge
    if not held.any():
        most = max(2 * share, ONE_SOURCE_MOST) * len(draws)
        values, sizes = np.unique(draws, return_counts=True)  # sorted, so the first is the least
        small = values[sizes <= most]
        if len(small):
            held = draws == small[0]
        else:
            log.warning(
                "all %d sources are too large to be held out: the held-out clips are drawn one by one, and may be "
                "neighbours of clips that are trained on",
                len(values),
            )
            held = np.fromiter((source_draw(c) < edge for c in store.clip_ids), bool, len(none))
    return none if held.all() else held
