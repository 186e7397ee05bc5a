"""The contract of a score: which columns it fills, what it must be shown, and what happens when it fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipeline import schema as s
from pipeline.extensions import load_extension
from pipeline.tables import manifest_schema
from pipeline.video.probe import media_type

if TYPE_CHECKING:
    from pipeline.motion.analysis import Analysis

Needs = Literal["passage", "samples", "neighbours", "embedding"]
"""What a scorer is called with, for each clip:

- ``passage``: a ``Passage``, the clip's frames in the low-resolution pass. Runs in the decoding child.
- ``samples``: uint8 RGB (k, h, w, 3), evenly spaced frames of the clip, in order. Runs in a stage of its own.
- ``neighbours``: uint8 RGB (k, 2, h, w, 3), evenly spaced pairs of frames that follow each other. Runs in the child.
- ``embedding``: float32 (D,), the unit CLIP embedding of the clip. Runs where the embedding is made.
"""
NEEDS: tuple[str, ...] = ("passage", "samples", "neighbours", "embedding")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A clip in the low-resolution pass over its source."""

    analysis: Analysis
    """Per-frame statistics of the whole source: luma, optical flow, camera, times."""
    first: int
    """First frame of the clip in the arrays of ``analysis``."""
    stop: int
    """End of the clip, exclusive."""


class Scorer(Protocol):
    """Measures clips. It never drops one: thresholds over its columns are the recipe's.

    A class named in ``[ingest] scorers`` states ``columns`` and ``needs`` on the class and is constructed with nothing,
    once per worker. A value that cannot be told is None, never a number that means so.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns it fills, in lower case. Those of a scorer of your own are float32 in the manifest and the shards."""
        ...

    @property
    def needs(self) -> Needs:
        """What it is called with."""
        ...

    def __call__(self, shown: Any, /) -> Mapping[str, object]:
        """Value of each column for one clip; a column that is left out is NULL."""
        ...


@dataclass(frozen=True)
class FunctionScorer:
    """A function as a ``Scorer``."""

    columns: tuple[str, ...]
    needs: Needs
    function: Callable[[Any], Mapping[str, object]]

    def __call__(self, shown: Any, /) -> Mapping[str, object]:
        return self.function(shown)


def apply_scorers(scorers: Iterable[Scorer], shown: Any, row: dict[str, Any]) -> None:
    """Add what the scorers say to ``row`` in place; one that fails is None, and ``error`` says which and why."""
    for scorer in scorers:
        try:
            found = scorer(shown)
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises costs its own columns only
            row |= dict.fromkeys(scorer.columns)
            note_error(row, scorer.columns[0], error)
        else:
            row |= {name: _finite(found.get(name)) for name in scorer.columns}


def note_error(row: dict[str, Any], column: str, error: Exception) -> None:
    """Add to ``error`` of a row which column could not be filled, and why."""
    note = f"{column}: {media_type(error)}: {error}"
    row[s.ERROR] = "; ".join(filter(None, [row.get(s.ERROR), note]))


def named_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Columns that the scorers of ``[ingest] scorers`` fill, in order.

    Raises:
        ValueError: a name cannot be imported, states no columns or needs, or fills a column that there is already.
    """
    taken = {*manifest_schema().names, s.VIDEO, s.CLIP_EMBEDDING}
    columns: list[str] = []
    for name in names:
        kind = load_extension(name, "scorer")
        fills, needs = getattr(kind, "columns", None), getattr(kind, "needs", None)
        if not isinstance(fills, tuple) or not fills or needs not in NEEDS:
            raise ValueError(
                f"scorer {name!r} must state columns = (NAME, ...) and needs = one of {', '.join(NEEDS)}"
            )
        for column in fills:
            if not (column.isidentifier() and column.islower()) or column.startswith(
                s.CONCEPT_PREFIX
            ):
                raise ValueError(f"scorer {name!r}: {column!r} is no name for a column")
            if column in taken:
                raise ValueError(f"scorer {name!r}: there is a column {column!r} already")
            taken.add(column)
            columns.append(column)
    return tuple(columns)


def make_named(names: Sequence[str], *needs: Needs) -> list[Scorer]:
    """The scorers of ``[ingest] scorers`` that are called with one of ``needs``, constructed."""
    kinds = [load_extension(name, "scorer") for name in names]
    return [kind() if isinstance(kind, type) else kind for kind in kinds if kind.needs in needs]


def _finite(value: Any) -> object:
    """Plain Python in place of NumPy's scalars, and None in place of what is no number."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
