"""Keys of latents and text features name all that they hang on, and a row says what was encoded."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from jobs.shards.encode_chunk import BATCH_PIXELS, Encoder, Task, batches
from pipeline import schema as s
from pipeline.config import EncodeConfig
from tests.helpers.run_folders import CODECS

CONFIG = EncodeConfig(vae=f"{CODECS}:MeanVae", text_encoder=f"{CODECS}:ByteEncoder")
ROW: dict[str, Any] = {
    s.CLIP_ID: "a", s.SHARD: "part-00000.parquet", s.BYTE_OFFSET: 4, s.BYTE_LENGTH: 99,
    s.VIDEO_XXH3: "f" * 32, s.N_FRAMES: 60, s.FPS: 24.0, s.WIDTH: 96, s.HEIGHT: 64, s.SOURCE_ID: "s",
}  # fmt: skip


def encoder(**changes: Any) -> Encoder:
    return Encoder(dataclasses.replace(CONFIG, **changes), device="cpu")


@pytest.mark.parametrize(
    "change",
    [{"fps": 12.0}, {"max_frames": 9}, {"max_pixels": 32 * 32}, {"posterior": "mean"}],
    ids=str,
)
def test_another_view_or_posterior_is_another_key(change: dict[str, Any]) -> None:
    """Kept under the old key, latents of the old size would be trained on as if nothing had been asked."""
    before, after = encoder().task(ROW, {}), encoder(**change).task(ROW, {})
    assert before.key != after.key
    assert encoder().task(ROW, {"dense": "a dog"}).key == before.key, "of no caption"


@pytest.mark.parametrize("name", [s.VIDEO_XXH3, s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT])
def test_another_clip_is_another_key_wherever_it_lies(name: str) -> None:
    ours = encoder()
    other = "e" * 32 if name == s.VIDEO_XXH3 else ROW[name] * 2
    assert ours.task({**ROW, name: other}, {}).key != ours.task(ROW, {}).key
    moved = {**ROW, s.SHARD: "part-00007.parquet", s.BYTE_OFFSET: 400, s.CLIP_ID: "b"}
    assert ours.task(moved, {}).key == ours.task(ROW, {}).key


def test_another_storage_of_text_is_another_key() -> None:
    keys = {encoder(text_storage=kind).text_key("a dog") for kind in ("fp32", "bf16", "fp8")}
    assert len(keys) == 3 and encoder().text_key("a dog") != encoder().text_key("a cat")


def test_a_row_has_the_rate_and_size_of_what_was_encoded() -> None:
    """The rate of the source beside frames of the view would train every movement as three times as fast."""
    ours = encoder(fps=8.0)
    task = ours.task(ROW, {})
    row = ours._row(task, np.zeros(1), np.zeros(1))
    frames, height, width = task.shape
    assert (row[s.N_FRAMES], row[s.HEIGHT], row[s.WIDTH]) == (frames, height, width)
    assert row[s.FPS] == 8.0 and frames == 17 and not height % 16 and not width % 16
    slow = ours._row(ours.task({**ROW, s.FPS: 5.0}, {}), np.zeros(1), np.zeros(1))
    assert slow[s.FPS] == 5.0


def test_a_batch_is_of_one_shape_and_fits_its_pixels() -> None:
    shapes = [(5, 32, 32)] * 3 + [(9, 32, 32)] * 2 + [(9, 32, 48)] + [(17, 512, 512)] * 2
    tasks = [
        Task(clip_id=str(n), source={}, shape=shape, captions={}, key="")
        for n, shape in enumerate(shapes)
    ]
    found = [[task.clip_id for task in batch] for batch in batches(tasks)]
    assert found == [["0", "1", "2"], ["3", "4"], ["5"], ["6"], ["7"]]
    many = BATCH_PIXELS // (5 * 32 * 32)
    small = [dataclasses.replace(tasks[0], clip_id=str(n)) for n in range(many + 1)]
    assert [len(batch) for batch in batches(small)] == [many, 1]
