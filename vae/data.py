"""Training batches for the VAE from video shards: each batch has one shape and depends only on its step.

Clips of one size are batched together (a convolution needs no packing); which clips, which frames and
whether the step trains on images are pure functions of (clip list, seed, step), so resuming needs
nothing but the step.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.video.decode import decode_clip


@dataclass(frozen=True, kw_only=True)
class ClipRef:
    """Where one clip lies and the shape it trains at."""

    clip_id: str
    path: Path
    offset: int
    length: int
    n_frames: int
    height: int
    width: int


class ClipSet:
    """Clips of shard folders, trimmed to shapes the VAE takes; decoded on demand and kept up to a limit.

    ``shape`` of a clip: frames cut to 1 + a multiple of ``time_factor``, sides centre-cropped to
    multiples of ``space_factor`` (and to ``crop`` pixels if given). Smaller clips are left out and
    counted in ``left_out``.
    """

    def __init__(
        self,
        folders: list[Path],
        *,
        time_factor: int,
        space_factor: int,
        max_frames: int,
        crop: int | None = None,
        cache_mb: int = 1024,
    ) -> None:
        import pyarrow.parquet as pq

        self.refs: list[ClipRef] = []
        self.left_out = 0
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()
        self._cached_bytes, self._limit = 0, cache_mb << 20
        columns = [s.CLIP_ID, s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.N_FRAMES, s.HEIGHT, s.WIDTH]
        for folder in folders:
            manifest = Path(folder) / MANIFEST_NAME
            if not manifest.is_file():
                raise ValueError(f"{folder} holds no {MANIFEST_NAME}; give a folder of video shards")
            for row in pq.read_table(manifest, columns=columns).to_pylist():
                frames = min(row[s.N_FRAMES], max_frames)
                frames = 1 + (frames - 1) // time_factor * time_factor
                height, width = (
                    min(side, crop or side) // space_factor * space_factor
                    for side in (row[s.HEIGHT], row[s.WIDTH])
                )
                if frames < 1 or not height or not width:
                    self.left_out += 1
                    continue
                self.refs.append(
                    ClipRef(
                        clip_id=row[s.CLIP_ID],
                        path=Path(folder) / row[s.SHARD],
                        offset=row[s.BYTE_OFFSET],
                        length=row[s.BYTE_LENGTH],
                        n_frames=frames,
                        height=height,
                        width=width,
                    )
                )
        self.refs.sort(key=lambda ref: ref.clip_id)
        if not self.refs:
            raise ValueError(
                f"no clip of {', '.join(map(str, folders))} is at least {space_factor} pixels a side"
            )

    def subset(self, keep: list[int]) -> ClipSet:
        """The clips at these positions, sharing nothing but the files."""
        other = object.__new__(ClipSet)
        other.__dict__.update(self.__dict__)
        other.refs = [self.refs[i] for i in keep]
        other._cache, other._cached_bytes = OrderedDict(), 0
        return other

    def frames(self, index: int) -> np.ndarray:
        """uint8 (T,H,W,3) of one clip at its training shape."""
        ref = self.refs[index]
        if ref.clip_id in self._cache:
            self._cache.move_to_end(ref.clip_id)
            return self._cache[ref.clip_id]
        with open(ref.path, "rb") as file:
            file.seek(ref.offset)
            data = file.read(ref.length)
        frames, _ = decode_clip(data, indices=range(ref.n_frames))
        top, left = (frames.shape[1] - ref.height) // 2, (frames.shape[2] - ref.width) // 2
        frames = frames[:, top : top + ref.height, left : left + ref.width].copy()
        self._cache[ref.clip_id] = frames
        self._cached_bytes += frames.nbytes
        while self._cached_bytes > self._limit and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return frames

    def buckets(self) -> list[list[int]]:
        """Positions of clips grouped by shape, largest group first."""
        groups: dict[tuple[int, int, int], list[int]] = {}
        for i, ref in enumerate(self.refs):
            groups.setdefault((ref.n_frames, ref.height, ref.width), []).append(i)
        return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def epoch_batches(buckets: list[list[int]], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """All batches of one epoch, each of one shape; the last of a shape is filled from its start."""
    rng = np.random.default_rng([seed, epoch, 0x7AE])
    batches = []
    for bucket in buckets:
        order = [bucket[i] for i in rng.permutation(len(bucket))]
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            batches.append((chosen + order * batch)[:batch])
    return [batches[i] for i in rng.permutation(len(batches))]


class StepBatches:
    """``at(step)`` -> uint8 (B,T,H,W,3), the same for every call and every process."""

    def __init__(self, clips: ClipSet, *, batch: int, seed: int, image_share: float) -> None:
        self.clips, self.batch, self.seed, self.image_share = clips, batch, seed, image_share
        self._buckets = clips.buckets()
        self.steps_per_epoch = sum(-(-len(bucket) // batch) for bucket in self._buckets)
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def indices(self, step: int) -> list[int]:
        """Clip positions of a step."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, epoch_batches(self._buckets, self.batch, self.seed, epoch))
        return self._epoch[1][within]

    def at(self, step: int) -> np.ndarray:
        """The frames of a step; an image step takes four single frames from every clip."""
        clips = np.stack([self.clips.frames(i) for i in self.indices(step)])
        rng = np.random.default_rng([self.seed, step, 0x1A6])
        if rng.random() < self.image_share:
            picks = rng.integers(0, clips.shape[1], size=(4, len(clips)))
            return np.concatenate([clips[np.arange(len(clips)), row][:, None] for row in picks])
        return clips
