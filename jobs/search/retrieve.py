"""The clips of a dataset that are nearest to a prompt: by their CLIP embeddings, and by the words of their captions.

Only clips that ``select`` kept are found, and none that a person rejected or that was forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.expansion.expand import Example, Library, example_of
from jobs.core.errors import UserError
from jobs.search.dataset import DECISIONS, Dataset, clip_model, open_dataset
from jobs.search.similar import Similarity
from pipeline import schema as s
from pipeline.store.paths import Location, typed

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.openclip.model import OpenClipModel

SHORTLIST = 1000
"""Clips nearest by embedding among which captions are compared."""
RANK_OFFSET = 60
"""Added to every rank before the two rankings are fused, as in the paper (see ``Retrieval.nearest``)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A clip that was found for a prompt."""

    clip_id: str
    similarity: float
    """Cosine of the prompt's embedding with the clip's."""
    caption: str
    """Its dense caption, or the first there is of short, original and facts; empty without any."""
    source_id: str
    start_s: float
    end_s: float

    def record(self) -> dict[str, Any]:
        """As plain data, for a JSON file."""
        return {**vars(self), "similarity": round(self.similarity, 4)}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found for one prompt."""

    prompt: str
    found: tuple[Found, ...]
    """Nearest first."""
    examples: tuple[Example, ...]
    """The dense captions among theirs, nearest first."""
    library: Library | None
    """Dense captions of the shortlist; None where there are none."""


class Retrieval:
    """A dataset that prompts are held against; make one with ``open_retrieval``."""

    def __init__(self, data: Dataset, model: str) -> None:
        self.data, self.model = data, model
        self._similar = Similarity(data, None)

    @cached_property
    def allowed(self) -> np.ndarray:
        """(N,) bool: clips that may be found."""
        from jobs.ingest.tombstones import read_tombstones

        data = self.data
        allowed = np.ones(len(data), bool)
        if "selection" in data.tables:
            allowed = data.selection["decided"] == DECISIONS.index(str(s.Decision.KEEP))
        gone = [c for c, said in data.edits().decisions().items() if said == s.Decision.REJECT]
        for clip in gone:
            try:
                allowed[data.row_of(clip)] = False
            except KeyError:
                continue
        forgotten = read_tombstones(data.run.path)
        if forgotten.sources:
            sources = data.held[s.SOURCE_ID].combine_chunks()
            gone_sources = [forgotten.has_source(x) for x in sources.dictionary.to_pylist()]
            allowed &= ~np.array(gone_sources, bool)[sources.indices.to_numpy()]
        return allowed

    @cached_property
    def clip(self) -> OpenClipModel:
        """The CLIP model that made the embeddings."""
        from pipeline.openclip.model import load_openclip

        try:
            return load_openclip(self.model)
        except ValueError as error:
            raise UserError(f"--retrieve {self.data.run}: {error}") from None

    def nearest(self, prompt: str, count: int) -> Answer:
        """The ``count`` clips nearest to a prompt.

        Two rankings of the ``SHORTLIST`` nearest by embedding, by cosine and by the words of the captions (BM25), are
        fused by the sum of 1 / (60 + rank) (reciprocal rank fusion, Cormack, Clarke and Buettcher, SIGIR 2009).
        """
        vector = np.asarray(self.clip.embed_texts([prompt])[0], np.float32)
        cosines = self._similar.cosines(vector)
        rows = np.flatnonzero(self.allowed & np.isfinite(cosines))
        if not len(rows):
            raise UserError(
                f"--retrieve {self.data.run}: no clip is kept and has an embedding, so nothing can be found there"
            )
        rows = rows[np.argsort(-cosines[rows], kind="stable")][:SHORTLIST]
        held = [self.data.held_row(int(row)) for row in rows]
        captions = self.captions([each[s.CLIP_ID] for each in held])
        dense: list[tuple[int, Example]] = []
        for place, each in enumerate(held):
            own = captions.get(each[s.CLIP_ID], {})
            if text := own.get("dense"):
                dense.append((place, example_of(text, own.get("structured"))))
        library = Library(example for _, example in dense) if dense else None
        score = 1 / (RANK_OFFSET + 1 + np.arange(len(rows)))
        if library is not None:
            place_of = {id(example): place for place, example in dense}
            ranked = library.nearest(prompt, len(dense))
            for rank, example in enumerate(ranked):
                score[place_of[id(example)]] += 1 / (RANK_OFFSET + 1 + rank)
        best = np.argsort(-score, kind="stable")[:count]
        examples = dict(dense)
        return Answer(
            prompt=prompt,
            found=tuple(
                Found(
                    clip_id=held[i][s.CLIP_ID],
                    similarity=float(cosines[rows[i]]),
                    caption=_shown(captions.get(held[i][s.CLIP_ID], {})),
                    source_id=str(held[i][s.SOURCE_ID]),
                    start_s=round(float(held[i][s.START_S]), 3),
                    end_s=round(float(held[i][s.END_S]), 3),
                )
                for i in best.tolist()
            ),
            examples=tuple(examples[i] for i in best.tolist() if i in examples),
            library=library,
        )

    def captions(self, clips: Sequence[str]) -> dict[str, dict[str, str]]:
        """clip_id -> kind -> text of these clips, as corrected by hand."""
        import pyarrow as pa

        wanted = pa.array(clips, pa.string())
        if self.data.shards_only:
            found = self._packed(wanted)
        else:
            found = self._captioned(wanted)
        by_hand = self.data.edits().captions()
        for clip in clips:
            if clip in by_hand:
                found.setdefault(clip, {}).update(by_hand[clip])
        return found

    def _captioned(self, wanted: pa.Array) -> dict[str, dict[str, str]]:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        found: dict[str, dict[str, str]] = {}
        for file in self.data.tables.get("captions", []):
            with pq.ParquetFile(file) as parquet:
                table = parquet.read([s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME])
            for row in table.filter(pc.is_in(table[s.CLIP_ID], value_set=wanted)).to_pylist():
                if row[s.OUTCOME] == s.CaptionOutcome.OK and row[s.TEXT]:
                    found.setdefault(row[s.CLIP_ID], {})[row[s.KIND]] = row[s.TEXT]
        return found

    def _packed(self, wanted: pa.Array) -> dict[str, dict[str, str]]:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        found: dict[str, dict[str, str]] = {}
        for file in self.data.files:
            with pq.ParquetFile(file) as parquet:
                names = set(parquet.schema_arrow.names)
                kinds = {k: s.caption_column(k) for k in s.CAPTION_KINDS if s.caption_column(k) in names}  # fmt: skip
                table = parquet.read([s.CLIP_ID, *kinds.values()])
            for row in table.filter(pc.is_in(table[s.CLIP_ID], value_set=wanted)).to_pylist():
                own = {kind: row[column] for kind, column in kinds.items() if row[column]}
                found.setdefault(row[s.CLIP_ID], {}).update(own)
        return found

    def picture(self, clip: str) -> np.ndarray:
        """The frame in the middle of a clip, uint8 RGB (H, W, 3); UserError where it cannot be read."""
        from pipeline.shards.ranges import ClipError
        from pipeline.video.decode import decode_clip

        row = self.data.held_row(self.data.row_of(clip))
        try:
            video = self.data.clip_bytes(row, 0, int(row[s.BYTE_LENGTH]))
            frames, _ = decode_clip(video, indices=[int(row[s.N_FRAMES]) // 2])
        except (ClipError, OSError, ValueError, IndexError) as error:
            raise UserError(
                f"--retrieve {self.data.run}: clip {clip} cannot be read: {error}"
            ) from None
        picture: np.ndarray = frames[0]
        return picture

    def close(self) -> None:
        """Forget copies of an object store's tables."""
        self.data.close()


def open_retrieval(folder: Location | str) -> Retrieval:
    """A run folder with embeddings, checked without loading a model; UserError says what it lacks."""
    data = open_dataset(folder)
    run = data.run
    if not data.shards_only:
        run.need("manifest")
    if "embeddings" not in data.tables:
        where = "give the run folder that they were packed from" if data.shards_only else (
            f"filmstock ingest SRC... --out {typed(run)} makes them where [openclip] names a model"
        )  # fmt: skip
        data.close()
        raise UserError(f"--retrieve {run}: no embeddings of clips are stored there; {where}")
    model = clip_model(data)
    if model is None:
        data.close()
        raise UserError(
            f"--retrieve {run}: its recipe.toml is gone, so nothing says which CLIP made the embeddings; put it back"
        )
    return Retrieval(data, model)


def _shown(captions: Mapping[str, str]) -> str:
    return next((captions[kind] for kind in s.PROSE_KINDS if captions.get(kind)), "")
