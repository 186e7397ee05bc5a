"""What the routes share: the dataset as it is now, its database, answers, edits. Changed tables are reopened."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.core.errors import UserError
from jobs.edits.journal import Edit
from jobs.edits.replay import Replayed, replay
from jobs.search.dataset import Dataset, clip_model, open_dataset
from jobs.search.similar import Embedder, Similarity
from jobs.view.database import Database
from jobs.view.facets import Facets
from jobs.view.label import Labels
from jobs.view.query import Questions
from jobs.view.stills import Stills
from jobs.view.what_if import WhatIf
from pipeline import schema as s
from pipeline.store.paths import Location, ObjectPath

LOOK_S = 2.0
"""Seconds between two looks at whether the tables have changed."""

RETIRED_S = 60.0
"""Seconds that replaced tables stay open for requests under way."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A dataset with all that answers questions about it."""

    data: Dataset
    db: Database
    questions: Questions
    facets: Facets
    similar: Similarity
    labels: Labels
    what_if: WhatIf | None
    """None for shards, which have no rules."""

    def close(self) -> None:
        """End what runs for it."""
        self.db.close()
        self.data.close()


class Viewer:
    """The folder that is viewed."""

    def __init__(self, folder: Location, who: str) -> None:
        self.folder, self.who = folder, who
        self.stills = Stills()
        self.stills.warm()
        self._lock = threading.RLock()
        data = open_dataset(folder)
        model = clip_model(data)
        self._embedder = Embedder(model) if model else None
        self._opened = open_all(data, self._embedder)
        self._looked = time.monotonic()
        self._edits: tuple[str, Replayed] = ("", replay([]))
        self._version = 0
        self._retired: list[tuple[float, Opened]] = []

    @property
    def now(self) -> Opened:
        """The tables as they are; looked at every few seconds, those of an object store on ``reload`` only."""
        with self._lock:
            quiet = time.monotonic() - self._looked < LOOK_S
            if not quiet:
                self._looked = time.monotonic()
                if self._embedder is not None:
                    self._embedder.rest()
                if not isinstance(self.folder, ObjectPath):
                    self._reload_if_changed()
            return self._opened

    def reload(self) -> None:
        """Open the tables again, if they have changed."""
        with self._lock:
            self._reload_if_changed()

    def _reload_if_changed(self) -> None:
        try:
            found = open_dataset(self.folder)
        except (UserError, OSError):  # a stage is replacing them
            return
        if found.stamp == self._opened.data.stamp:
            found.close()
            return
        before, self._opened = self._opened, open_all(found, self._embedder_of(found))
        self._edits = ("", replay([]))
        self._retired.append((time.monotonic(), before))
        while time.monotonic() - self._retired[0][0] > RETIRED_S:  # requests may still read from it
            self._retired.pop(0)[1].close()

    def _embedder_of(self, data: Dataset) -> Embedder | None:
        """The CLIP model's process: the one that runs, unless the recipe names another model by now."""
        model = clip_model(data)
        if self._embedder is None or self._embedder.model != model:
            if self._embedder is not None:
                self._embedder.close()
            self._embedder = Embedder(model) if model else None
        return self._embedder

    def edits(self) -> Replayed:
        """The edits as they are now, those of others too."""
        with self._lock:
            journal = self._opened.data.journal
            stamp = "|".join(f"{path.name}:{path.stat().st_size}" for path in journal.files())
            if stamp != self._edits[0]:
                self._edits = (stamp, self._opened.data.edits())
                self._version += 1
            return self._edits[1]

    @property
    def version(self) -> int:
        """Counts the times that the edits changed."""
        self.edits()
        return self._version

    def edit(self, who: str, action: str, value: dict[str, Any], clip: str, why: str) -> Edit:
        """Write an edit to the journal; it is on the disk when this returns."""
        opened = self.now
        place: dict[str, Any] = {}
        if clip:
            held = opened.data.held_row(opened.data.row_of(clip))
            place = {name: held[name] for name in (s.CLIP_ID, s.SOURCE_ID)}
            place |= {name: _seconds(held[name]) for name in (s.START_S, s.END_S)}
        if action == "verdict":
            kind, queue = (str(value.get(name)) for name in ("kind", "queue"))
            value = {**value, "said": opened.labels.said(clip, kind, queue, opened.data.edits())}
        return opened.data.journal.append(who or self.who, action, value, why=why, **place)

    def close(self) -> None:
        """End everything."""
        self.stills.close()
        for opened in (*(each for _, each in self._retired), self._opened):
            opened.close()
        if self._embedder is not None:
            self._embedder.close()


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def open_all(data: Dataset, embedder: Embedder | None) -> Opened:
    """A dataset, ready to answer; ``embedder`` is the CLIP model that searches it."""
    db = Database(data)
    similar = Similarity(data, embedder)
    questions = Questions(data, db, similar.scores)
    return Opened(
        data=data,
        db=db,
        questions=questions,
        facets=Facets(data, questions),
        similar=similar,
        labels=Labels(data, db),
        what_if=None if data.shards_only else WhatIf(data, questions),
    )


def default_name() -> str:
    """Who edits when the browser does not say: the user of this machine."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "someone"


PAGES = Path(__file__).parent / "templates"
ASSETS = Path(__file__).parent / "assets"
