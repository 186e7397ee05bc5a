"""Rows of ``latents/``: opened once without reading them, then fetched one at a time by byte range."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from pipeline import schema as s
from pipeline.latents.codec import from_bf16, text_bytes, unpack_text
from pipeline.latents.index import open_index
from pipeline.latents.layout import (
    CHANNEL_MEAN,
    CHANNEL_STD,
    KINDS,
    POSTERIOR_KEPT,
    ROWS_HASH,
    SETTINGS_NAME,
    TEXT_DIM,
    TEXT_STORAGE,
    TEXTS,
    latents_root,
)
from pipeline.shards.ranges import ClipError, ShardFiles

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MEMORY_BYTES = 2 << 30
"""Bytes of a store's latents that a process keeps once they are fetched; on a disk the page cache does that."""
CHUNK = 1 << 16
"""Rows that are looked through together where all are."""


class LatentStore:
    """Clips of a latents folder, sorted by id, and their captions, sorted by clip and kind.

    A clip has a number, 0 to ``len(clip_ids)``, and each of its captions a number of its own, 0 to ``len(self)``.
    """

    def __init__(self, folder: str | Path, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self.root = latents_root(folder)
        self.metadata, self._clips, self._captions = open_index(self.root)
        self.text_dim = int(self.metadata[TEXT_DIM])
        self.channel_mean: list[float] = json.loads(self.metadata[CHANNEL_MEAN])
        self.channel_std: list[float] = json.loads(self.metadata[CHANNEL_STD])
        self.hash = self.metadata[ROWS_HASH]
        """Identity of the data: ids, kinds, and what each row was computed from."""
        self.full = self.metadata[POSTERIOR_KEPT] == "full"
        """Whether the log-variance is kept."""
        self.files, self.text_files = ShardFiles(self.root), ShardFiles(self.root / TEXTS)
        self.memory_bytes = memory_bytes
        self._kept: dict[tuple[str, int], bytes] = {}
        self._room = memory_bytes if "://" in str(self.root) else 0
        self._lock = threading.Lock()
        of_clip = (s.BYTE_OFFSET, s.PAYLOAD_XXH3, s.N_FRAMES, s.WIDTH, s.HEIGHT, s.FPS)
        self._clip = {name: self._clips[name].to_numpy() for name in of_clip}
        of_text = (s.BYTE_OFFSET, s.PAYLOAD_XXH3, s.TEXT_LEN, s.CAPTION_OFFSET, s.CAPTION_LENGTH)
        self._text = {name: self._captions[name].to_numpy() for name in of_text}
        self._kind_codes = self._captions[s.KIND].indices.to_numpy()
        self._first = self._clips[s.FIRST_CAPTION].to_numpy()
        self._kinds: list[str] = self._captions[s.KIND].dictionary.to_pylist()
        self.shapes = self._clips[s.LATENT_SHAPE].flatten().to_numpy().reshape(-1, 4)
        """(clips, 4) int32: (C, T, H, W) of each clip, a view of the mapped file."""
        self.source_draws = self._clips[s.SOURCE_DRAW].to_numpy()
        """(clips,) uint32: where the source of each clip stands when sources are held out."""
        self.clips = _Clips(self)
        """Clip number -> {kind: number of the caption}."""
        self.clip_ids = _Column(self._clips[s.CLIP_ID])
        """Clip number -> id."""
        log.info("latents: %d clips with %d captions in %s", len(self.clips), len(self), self.root)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (str(self.root), self.memory_bytes)  # a spawned process maps the same files

    def made_with(self, setting: str) -> str:
        """What ``encode`` was told for ``vae`` or ``text_encoder``, empty where the folder does not say."""
        try:
            return str(json.loads((self.root / SETTINGS_NAME).read_text()).get(setting, ""))
        except (OSError, ValueError):
            return ""

    def __len__(self) -> int:
        return len(self._captions)

    @property
    def sources(self) -> list[str]:
        """Ids of all sources; ``source_codes`` says which is whose."""
        found: list[str] = self._clips[s.SOURCE_ID].dictionary.to_pylist()
        return found

    @property
    def source_codes(self) -> np.ndarray:
        """(clips,) int32: index in ``sources`` of each clip's source."""
        codes: np.ndarray = self._clips[s.SOURCE_ID].indices.to_numpy()
        return codes

    def pixels(self) -> dict[tuple[float, ...], int]:
        """(frames, width, height, frames per second) that the VAE saw of clips -> how many clips."""
        of = (s.N_FRAMES, s.WIDTH, s.HEIGHT, s.FPS)
        rows = np.stack([self._clip[name].astype(float) for name in of], axis=1)
        values, counts = np.unique(rows, axis=0, return_counts=True)
        return {tuple(row): n for row, n in zip(values.tolist(), counts.tolist(), strict=True)}

    def kind_sets(self) -> dict[frozenset[str], int]:
        """Set of caption kinds -> how many clips have just these."""
        names: list[str] = json.loads(self.metadata_of_index(KINDS))
        masks = self._clips[s.CAPTION_MASK].to_numpy()
        counts: dict[int, int] = {}
        for start in range(0, len(masks), CHUNK):
            found = np.bincount(masks[start : start + CHUNK])
            for value in np.flatnonzero(found).tolist():
                counts[value] = counts.get(value, 0) + int(found[value])
        return {
            frozenset(name for bit, name in enumerate(names) if mask >> bit & 1): count
            for mask, count in counts.items()
        }

    def metadata_of_index(self, key: str) -> str:
        """A value of the index's schema metadata."""
        found: bytes = self._clips.schema.metadata[key.encode()]
        return found.decode()

    def captions_of(self, clip: int) -> range:
        """Numbers of a clip's captions."""
        end = int(self._first[clip + 1]) if clip + 1 < len(self._first) else len(self)
        return range(int(self._first[clip]), end)

    def clip_of(self, caption: int) -> int:
        """Number of the clip that a caption belongs to."""
        return int(np.searchsorted(self._first, caption, side="right")) - 1

    def kind(self, caption: int) -> str:
        """Kind of a caption, ``structured.0`` of a rendering."""
        return self._kinds[self._kind_codes[caption]]

    def text_len(self, caption: int) -> int:
        """Tokens of a caption."""
        return int(self._text[s.TEXT_LEN][caption])

    def text_cut(self, caption: int) -> int | None:
        """Tokens of a caption that did not fit the text encoder; None where the encoder could not say."""
        cut: int | None = self._captions[s.TEXT_CUT][caption].as_py()
        return cut

    def clip(self, clip: int) -> dict[str, Any]:
        """Scalars of a clip."""
        names = (s.N_FRAMES, s.WIDTH, s.HEIGHT, s.FPS)
        return {
            s.CLIP_ID: self.clip_ids[clip],
            s.SOURCE_ID: self._clips[s.SOURCE_ID][clip].as_py(),
            s.LATENT_SHAPE: self.shapes[clip].tolist(),
            **{name: self._clip[name][clip].item() for name in names},
        }

    def row(self, caption: int) -> dict[str, Any]:
        """Scalars of a caption and of its clip."""
        told = {s.KIND: self.kind(caption), s.CAPTION: self.caption(caption)}
        return {
            **self.clip(self.clip_of(caption)),
            **told,
            s.TEXT_LEN: self.text_len(caption),
            s.TEXT_CUT: self.text_cut(caption),
        }

    def caption(self, caption: int) -> str:
        """Text of a caption."""
        at, length = (
            int(self._text[name][caption]) for name in (s.CAPTION_OFFSET, s.CAPTION_LENGTH)
        )
        if not length:
            return ""
        part: str = self._captions[s.TEXT_SHARD][caption].as_py()
        return self._read(self.text_files, part, at, length).decode()

    def posterior(self, clip: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(mean, log-variance), each (C, T, H, W) float32; the latter None where it is not kept.

        Raises:
            ClipError: the bytes are gone or are not those that were written, or they hold NaN or infinity.
        """
        shape = tuple(self.shapes[clip].tolist())
        length = 2 * int(np.prod(shape)) * (2 if self.full else 1)
        part = self._clips[s.SHARD][clip].as_py()
        data = self._read(self.files, part, int(self._clip[s.BYTE_OFFSET][clip]), length)
        self._check(data, int(self._clip[s.PAYLOAD_XXH3][clip]), part, self.clip_ids[clip])
        numbers = from_bf16(data)
        if not np.isfinite(numbers).all():
            raise ClipError("decode", f"latents of clip {self.clip_ids[clip]} hold NaN or infinity")
        both = numbers.reshape(-1, *shape)
        return both[0], both[1] if self.full else None

    def text(self, caption: int) -> np.ndarray:
        """Text features (L, text_dim) float32; raises as ``posterior`` does."""
        tokens, storage = self.text_len(caption), self.metadata[TEXT_STORAGE]
        if not tokens:
            return np.zeros((0, self.text_dim), np.float32)
        length = text_bytes(tokens, self.text_dim, storage)
        part = self._captions[s.TEXT_SHARD][caption].as_py()
        data = self._read(self.text_files, part, int(self._text[s.BYTE_OFFSET][caption]), length)
        owner = self.clip_ids[self.clip_of(caption)]
        self._check(data, int(self._text[s.PAYLOAD_XXH3][caption]), f"{TEXTS}/{part}", owner)
        features = unpack_text(data, tokens, self.text_dim, storage)
        if not np.isfinite(features).all():
            raise ClipError("decode", f"text features of clip {owner} hold NaN or infinity")
        return features

    def item(self, caption: int) -> dict[str, Any]:
        """A clip and one of its captions for training: float32 tensors and scalars."""
        import torch

        text = {
            s.KIND: self.kind(caption),
            s.CAPTION: self.caption(caption),
            s.TEXT_FEATURES: torch.from_numpy(self.text(caption)),
        }
        return {**self._latents(self.clip_of(caption)), **text}

    def bare_item(self, clip: int) -> dict[str, Any]:
        """A clip without a caption: its kind is empty, and it has no text features."""
        import torch

        none = torch.zeros((0, self.text_dim))
        return {**self._latents(clip), s.KIND: "", s.CAPTION: "", s.TEXT_FEATURES: none}

    def _latents(self, clip: int) -> dict[str, Any]:
        import torch

        mean, logvar = (
            None if numbers is None else torch.from_numpy(numbers)
            for numbers in self.posterior(clip)
        )
        assert mean is not None
        if logvar is None:  # no noise of the posterior: its variance is 0
            logvar = torch.full_like(mean, -torch.inf)
        return {s.LATENT_MEAN: mean, s.LATENT_LOGVAR: logvar, **self.clip(clip)}

    def channel_stats(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean, std), each (C,1,1,1): ``(latent - mean) / std`` has unit scale."""
        import torch

        mean, std = torch.tensor(self.channel_mean), torch.tensor(self.channel_std)
        return mean.view(-1, 1, 1, 1), std.view(-1, 1, 1, 1)

    def _check(self, data: bytes, expected: int, part: str, clip: str) -> None:
        if xxhash.xxh3_64_intdigest(data) != expected:
            raise ClipError(
                "hash",
                f"bytes of clip {clip} in {self.root / part} do not match their hash: the part is damaged; "
                "delete it and run `filmstock encode` again",
            )

    def _read(self, files: ShardFiles, part: str, offset: int, length: int) -> bytes:
        """A byte range, from what was fetched before where the store is far."""
        key = (f"{files.root}/{part}", offset)
        if (kept := self._kept.get(key)) is not None:
            return kept
        data = files.read(part, offset, length)
        if self._room >= length:
            with self._lock:
                self._room -= length
                self._kept[key] = data
        return data


class _Clips(Sequence[dict[str, int]]):
    """Clip number -> {kind: number of the caption}, read from the index when asked."""

    def __init__(self, store: LatentStore) -> None:
        self._store = store

    def __len__(self) -> int:
        return len(self._store._first)

    def __getitem__(self, clip: Any) -> Any:
        if isinstance(clip, slice):
            return [self[n] for n in range(*clip.indices(len(self)))]
        if not 0 <= clip < len(self):
            raise IndexError(clip)
        return {self._store.kind(n): n for n in self._store.captions_of(clip)}


class _Column(Sequence[str]):
    """A column of strings of the index, a cell made when it is asked for."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, row: Any) -> Any:
        return self._column[row].as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), CHUNK):
            yield from self._column[start : start + CHUNK].to_pylist()


def _reopen(folder: str, memory_bytes: int) -> LatentStore:
    return LatentStore(folder, memory_bytes=memory_bytes)
