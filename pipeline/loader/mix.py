"""Which caption a clip shows in an epoch: a pure function of (seed, epoch, clip_id) and the weights, of nothing else.

Neither ranks, workers, resumes nor resharding move a draw, and a kind that some other clip gains or loses does not
either. Mixing kinds at sampling time, mostly dense, is DALL-E 3's recipe (Betker et al. 2023, section 2); dropping
the caption is for classifier-free guidance (Ho and Salimans 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import xxhash

from pipeline import schema as s
from pipeline.config import MixConfig

EMPTY = ""
"""Kind of a draw that shows no caption."""
DENSE_SHARE = 0.95
"""Share of captions that are dense when no weights are given; the other kinds split the rest."""

Render = Callable[..., str]
"""``render(text, seed=, epoch=, clip_id=)``: prose of a structured caption; ValueError for what is none."""


def draw_shares(mix: MixConfig, kinds: Collection[str]) -> dict[str, float]:
    """Kind -> share of draws, summing to 1, ``""`` among them; ``kinds`` are those that any clip has.

    Raises ValueError when the weights name only kinds that no clip has. Clips without any caption draw ``""``.
    """
    if not kinds:
        return {EMPTY: 1.0}
    weights = {kind: w for kind in s.CAPTION_KINDS if (w := getattr(mix, kind)) is not None}
    if not weights:
        weights = default_weights(kinds)
    elif mix.empty < 1 and not any(weights.get(kind) for kind in kinds):
        named = " and ".join(kind for kind, weight in weights.items() if weight)
        raise ValueError(
            f"[mix] draws {named} captions only, and no clip has one: there are {', '.join(sorted(kinds))}"
        )
    total = sum(weights.values())
    shares = {kind: (1 - mix.empty) * weight / total for kind, weight in weights.items() if weight}
    return {EMPTY: mix.empty, **shares} if mix.empty else shares


def default_weights(kinds: Collection[str]) -> dict[str, float]:
    """95 % dense, the rest split evenly; without a dense caption, all evenly."""
    others = sorted(set(kinds) - {"dense"})
    if "dense" not in kinds or not others:
        return dict.fromkeys(sorted(kinds), 1.0)
    return {"dense": DENSE_SHARE, **dict.fromkeys(others, (1 - DENSE_SHARE) / len(others))}


def without_empty(shares: Mapping[str, float]) -> dict[str, float]:
    """The same mix of captions where one is always shown (as far as there are any)."""
    rest = {kind: share for kind, share in shares.items() if kind != EMPTY}
    return {kind: share / sum(rest.values()) for kind, share in rest.items()} or {EMPTY: 1.0}


def draw_kind(seed: int, epoch: int, clip_id: str, shares: Mapping[str, float]) -> str:
    """The kind drawn for a clip in an epoch. ``shares`` are positive and need not sum to 1."""
    uniform = _hash(f"caption:{seed}:{epoch}:{clip_id}") / 2.0**64 * sum(shares.values())
    edge = 0.0
    for kind in sorted(shares):
        edge += shares[kind]
        if uniform < edge:
            return kind
    return max(shares)


def shown_kind(drawn: str, have: Collection[str]) -> str:
    """The kind that is shown: the one drawn, else by ``s.FALLBACK_KINDS``, else ``""`` for a clip without any."""
    if drawn == EMPTY or drawn in have:
        return drawn
    return next((kind for kind in s.FALLBACK_KINDS if kind in have), EMPTY)


def draw_rendering(seed: int, epoch: int, clip_id: str, names: Collection[str]) -> str:
    """One of several stored renderings of a caption, all equally likely."""
    ordered = sorted(names, key=lambda name: (len(name), name))
    return ordered[_hash(f"rendering:{seed}:{epoch}:{clip_id}") % len(ordered)]


def draw_caption(
    have: Collection[str],
    text: Callable[[str], str],
    shares: Mapping[str, float],
    seed: int,
    epoch: int,
    clip_id: str,
    render: Render | None = None,
) -> tuple[str, str]:
    """(kind, text) that a clip shows which ``have`` captions of these kinds, read by ``text(kind)``; ("", "") for none.

    A structured caption is rendered anew for each epoch; without ``render``, or where it is none, it counts as lacking.
    """
    drawn = draw_kind(seed, epoch, clip_id, shares)
    kind = shown_kind(drawn, have)
    if kind == "structured":
        try:
            if render is not None:
                return kind, render(text(kind), seed=seed, epoch=epoch, clip_id=clip_id)
        except ValueError:
            pass
        kind = shown_kind(drawn, set(have) - {"structured"})
    return kind, text(kind) if kind else ""


def lacking(shares: Mapping[str, float], alike: Mapping[frozenset[str], int]) -> dict[str, int]:
    """Kind that is drawn -> clips that have captions but none of it, and so show another in its place.

    ``alike``: set of kinds -> how many clips have just these.
    """
    found = {
        kind: sum(n for have, n in alike.items() if have and kind not in have)
        for kind in shares
        if kind != EMPTY
    }
    return {kind: n for kind, n in found.items() if n}


def rendering_name(kind: str, number: int) -> str:
    """What ``latents/`` calls a rendering of a caption: ``structured.0``."""
    return f"{kind}.{number}"


def _hash(key: str) -> int:
    return xxhash.xxh3_64_intdigest(key.encode())
