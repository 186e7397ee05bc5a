"""Search by text, by picture and by example over the stored CLIP embeddings, in bounded memory.

The model runs in a process of its own that ends when nobody searches: it takes several times the memory of the server,
and it alone reads uploaded pictures.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from jobs.core.errors import UserError
from jobs.search.dataset import Dataset
from pipeline import schema as s
from pipeline.store.paths import parquet_input

IDLE_S = 300.0
"""Seconds without a search after which the model's process ends."""
ANSWER_S = 180.0
"""Longest wait for an answer of it: the first one loads the model."""
MOST_PIXELS = 50_000_000
"""Pixels of an uploaded picture at most."""
MOST_REFERENCES = 256
"""Clips that scores are calibrated on where ``truth/`` has none, the first ones of the table."""
KEPT = 64
"""Vectors of pictures and texts that are kept."""


class Embedder:
    """The CLIP model of a dataset in a child process."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._process: Any = None
        self._pipe: Any = None
        self._lock = threading.Lock()
        self._used = 0.0

    def ask(self, what: str, *given: Any) -> Any:
        """Call ``what`` in the child: ``text``, ``image`` or ``support``; UserError with its words when it fails."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._start()
            self._used = time.monotonic()
            try:
                self._pipe.send((what, given))
                if not self._pipe.poll(ANSWER_S):
                    raise UserError(f"the CLIP model gave no answer in {ANSWER_S:.0f} s")
                fine, value = self._pipe.recv()
            except (EOFError, OSError, UserError) as error:
                self._stop()
                why = str(error) if isinstance(error, UserError) else "its process ended"
                raise UserError(f"search is not possible: {why}") from None
        if not fine:
            raise UserError(f"search is not possible: {value}")
        return value

    def rest(self) -> None:
        """End the child when it was not used for a while."""
        if (
            self._process is not None
            and time.monotonic() - self._used > IDLE_S
            and self._lock.acquire(False)
        ):
            try:
                self._stop()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the child."""
        self._stop()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=work, args=(far, self.model), daemon=True)
        self._process.start()
        far.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def work(pipe: Any, model: str) -> None:
    """The child: load the model at the first call, then answer until the pipe ends."""
    import torch

    torch.set_num_threads(1)
    loaded = None
    while True:
        try:
            what, given = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if loaded is None:
                from pipeline.openclip.model import load_openclip

                loaded = load_openclip(model)
            pipe.send((True, ANSWERS[what](loaded, *given)))
        except Exception as error:  # noqa: BLE001 - the person who searched is told
            line = " ".join(str(error).split())[:300]
            pipe.send((False, line or type(error).__name__))


def embed_text(model: Any, text: str) -> np.ndarray:
    """Unit vector of a text."""
    return np.asarray(model.embed_texts([text])[0], np.float32)


def embed_image(model: Any, data: bytes) -> np.ndarray:
    """Unit vector of a picture file."""
    import io

    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError("the picture is too large")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"this is no picture that can be read ({type(error).__name__})") from None
    return np.asarray(model.embed_images([pixels])[0], np.float32)


def support(
    model: Any,
    text: str,
    kind: str,
    video: bytes,
    shown: list[int],
    size: tuple[int, int],
    reference: Any,
) -> list[tuple[str, float]]:
    """The assertions of a caption with their scores against the frames ``shown`` of a clip (``captioner.truth``)."""
    from captioner.ask.structured import parse
    from captioner.render import plain
    from captioner.truth.grounding import assertion_scores, scored_assertions
    from pipeline.video.decode import decode_clip

    assertions = scored_assertions(plain(parse(text)) if kind == "structured" else text)
    if not assertions:
        return []
    pixels, _ = decode_clip(video, indices=shown, size=size)
    frames = model.embed_images(pixels)
    fits = reference is not None and reference.shape[1] == frames.shape[1]
    scores = assertion_scores(model.embed_texts(assertions), frames, reference if fits else None)
    return [(text, float(score)) for text, score in zip(assertions, scores, strict=True)]


ANSWERS: Mapping[str, Any] = {"text": embed_text, "image": embed_image, "support": support}


class Similarity:
    """How near every clip of a dataset is to a text, a picture or a clip."""

    def __init__(self, data: Dataset, embedder: Embedder | None) -> None:
        self.data, self.embedder = data, embedder
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()
        self._rows: list[np.ndarray] | None = None
        self._lock = threading.Lock()

    @property
    def there(self) -> bool:
        """Whether there are embeddings to search."""
        return "embeddings" in self.data.tables

    def scores(self, question: Mapping[str, Any]) -> np.ndarray:
        """float32 (N,): cosine with each clip, NaN for those without an embedding."""
        if not self.there:
            raise UserError("there are no embeddings here: ingest with a CLIP model makes them")
        return self.cosines(self.vector(question))

    def vector(self, question: Mapping[str, Any]) -> np.ndarray:
        """The unit vector that is searched for."""
        if like := question.get("like"):
            return self.clip_vector(str(like))
        if key := question.get("image"):
            if (found := self._vectors.get(str(key))) is None:
                raise UserError("the picture is no longer here; upload it again")
            return found
        text = " ".join(str(question["text"]).split())[:500]
        key = f"text:{text}"
        if key not in self._vectors:
            self.keep(key, self._model().ask("text", text))
        return self._vectors[key]

    def take_image(self, data: bytes) -> str:
        """Keep a picture's vector; returns the name to search it by."""
        import hashlib

        key = "image:" + hashlib.blake2b(data, digest_size=10).hexdigest()
        if key not in self._vectors:
            self.keep(key, self._model().ask("image", data))
        return key

    def keep(self, key: str, vector: np.ndarray) -> None:
        """Remember a vector under a name."""
        with self._lock:
            self._vectors[key] = vector
            if len(self._vectors) > KEPT:
                self._vectors.popitem(last=False)

    def clip_vector(self, clip: str) -> np.ndarray:
        """The stored vector of a clip."""
        import pyarrow.compute as pc

        for batch in self._batches():
            hit = pc.index(batch[s.CLIP_ID], clip).as_py()
            if hit >= 0:
                value = batch[s.CLIP_EMBEDDING][hit].as_py()
                if value is not None:
                    return np.asarray(value, np.float32)
        raise UserError("this clip has no embedding")

    def reference(self) -> np.ndarray | None:
        """Vectors that the scores of assertions are calibrated on, as ``truth/`` keeps them; None without."""
        import pyarrow.parquet as pq

        from captioner.truth.grounding import LEAST_REFERENCES

        path = self.data.run.path / "truth" / "reference.parquet"
        if path.exists():
            table = pq.read_table(parquet_input(path))
            return np.stack(table[s.CLIP_EMBEDDING].to_numpy()).astype(np.float32)
        if not self.there:
            return None
        found, count = [], 0
        for batch in self._batches():
            column = batch[s.CLIP_EMBEDDING].drop_null()
            found.append(np.asarray(column.flatten()).reshape(-1, column.type.list_size))
            count += len(column)
            if count >= MOST_REFERENCES:
                break
        if count < LEAST_REFERENCES:
            return None
        return np.concatenate(found)[:MOST_REFERENCES].astype(np.float32)

    def cosines(self, vector: np.ndarray) -> np.ndarray:
        """float32 (N,): cosine of ``vector`` with every clip's, read a batch at a time."""
        import pyarrow.compute as pc

        found = np.full(len(self.data), np.nan, np.float32)
        places: list[np.ndarray] = []
        known = self._rows
        for number, batch in enumerate(self._batches()):
            column = batch[s.CLIP_EMBEDDING]
            if column.type.list_size != len(vector):
                raise UserError(
                    f"the embeddings have {column.type.list_size} numbers, the CLIP model gives {len(vector)}: "
                    "they are of different models"
                )
            there = column.is_valid().to_numpy(zero_copy_only=False)
            flat = np.asarray(column.drop_null().flatten()).reshape(-1, len(vector))
            if known is None:
                at = pc.index_in(
                    batch[s.CLIP_ID], value_set=self.data.held[s.CLIP_ID].combine_chunks()
                )
                places.append(at.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32))
            at = (places if known is None else known)[number]
            found[at[there & (at >= 0)]] = (flat.astype(np.float32) @ vector)[(at >= 0)[there]]
        self._rows = places if known is None else known
        return found

    def _batches(self) -> Any:
        import pyarrow.parquet as pq

        for file in self.data.tables["embeddings"]:
            with pq.ParquetFile(file) as parquet:
                yield from parquet.iter_batches(65_536, columns=[s.CLIP_ID, s.CLIP_EMBEDDING])

    def _model(self) -> Embedder:
        if self.embedder is None:
            raise UserError(
                "there is no CLIP model here: shards do not name one; view the run folder"
            )
        return self.embedder
