"""World clips: rows are pure functions of (config, index), with captions that are true of the pixels."""

import json

import pytest

from pipeline import schema as s
from pipeline.tables import shards_schema
from pipeline.video.decode import decode_clip
from pipeline.world.captions import parse_caption
from pipeline.world.clips import WorldConfig, check_config, chunks, world_row, world_rows
from pipeline.world.judge import judge, score_against

CONFIG = WorldConfig(clips=24, seed=5, split="heldout", image_share=0.25)


def test_rows_are_pure_and_seeds_differ() -> None:
    assert world_row(CONFIG, 3) == world_row(CONFIG, 3)
    other = WorldConfig(clips=24, seed=6, split="heldout")
    assert world_row(CONFIG, 3)[s.VIDEO] != world_row(other, 3)[s.VIDEO]


def test_rows_fill_the_shard_schema_and_say_the_truth() -> None:
    rows = world_rows(CONFIG, 0, CONFIG.clips)
    assert len({row[s.CLIP_ID] for row in rows}) == CONFIG.clips
    right = 0
    for row in rows:
        assert set(row) <= set(shards_schema().names)
        frames, _ = decode_clip(row[s.VIDEO])
        assert frames.shape == (row[s.N_FRAMES], row[s.HEIGHT], row[s.WIDTH], 3)
        stated = parse_caption(row[s.CAPTION_DENSE])
        fields = json.loads(row[s.CAPTION_STRUCTURED])
        image = row[s.N_FRAMES] == 1
        assert ("camera" in fields) == (stated.camera is not None) == (not image)
        right += all(score_against(stated, judge(frames, row[s.FPS])).values())
    assert right >= CONFIG.clips - 1
    assert {row[s.N_FRAMES] for row in rows} == {1, 17}
    assert len({(row[s.WIDTH], row[s.HEIGHT]) for row in rows}) == 3


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"sizes": ((60, 64),)}, "multiple of 16"),
        ({"sizes": ((8192, 64),)}, "at most 4096"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"max_objects": 99}, "at most 3"),
        ({"crf": 52}, "at most 51"),
        ({"split": "tran"}, "split 'tran'"),
        ({"clips": 0}, "clips is 0; it must be at least 1"),
        ({"image_share": 2.0}, "image_share is 2.0"),
    ],
)
def test_bad_configs_are_refused(bad: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_config(WorldConfig(**bad))


def test_chunks_cover_everything_once() -> None:
    assert list(chunks(7, 3)) == [(0, 3), (3, 6), (6, 7)]
