"""Clips to one row of tokens and back: exact for any size, with padding that is known as such."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dit.packing import (
    References,
    grid_coords,
    grid_of,
    make_layout,
    patchify,
    real_share,
    split_pack,
    text_rows,
    token_count,
    unpatchify,
)
from dit.segments import segments

SIDES = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7))
PATCHES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


@given(SIDES, PATCHES, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_patches_come_back_whole_for_any_size(shape, patch, channels):
    z = torch.arange(channels * shape[0] * shape[1] * shape[2], dtype=torch.float32)
    z = z.reshape(channels, *shape)
    tokens = patchify(z, patch)
    assert tokens.shape == (token_count(shape, patch), channels * patch[0] * patch[1] * patch[2])
    assert torch.equal(unpatchify(tokens, shape, patch), z)
    real = real_share(shape, patch)
    if real is None:
        assert all(side % step == 0 for side, step in zip(shape, patch, strict=True))
        return
    assert real.shape == (len(tokens), patch[0] * patch[1] * patch[2]) and real.dtype == torch.bool
    assert not real.all() and int(real.sum()) == shape[0] * shape[1] * shape[2]
    numbers = tokens.reshape(len(tokens), channels, -1).transpose(1, 2)[real]
    assert sorted(numbers.flatten().tolist()) == z.flatten().tolist(), (
        "the real ones are each there once"
    )


def test_tokens_run_over_columns_then_rows_then_frames():
    z = torch.arange(2 * 4 * 4, dtype=torch.float32).reshape(1, 2, 4, 4)
    tokens = patchify(z, (1, 2, 2))
    assert tokens[0].tolist() == [0, 1, 4, 5] and tokens[1].tolist() == [2, 3, 6, 7]
    assert tokens[2].tolist() == [8, 9, 12, 13] and tokens[4].tolist() == [16, 17, 20, 21]
    assert grid_coords((2, 2, 2)).tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1],
    ]  # fmt: skip
    two = torch.stack([z[0], 100 + z[0]])
    assert patchify(two, (1, 2, 2))[0].tolist() == [0, 1, 4, 5, 100, 101, 104, 105]
    deep = patchify(z, (2, 2, 2))
    assert deep[0].tolist() == [0, 1, 4, 5, 16, 17, 20, 21]


def test_what_is_padded_repeats_the_edge():
    z = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert patchify(z, (2, 2, 2)).tolist() == [[1, 2, 1, 2] * 2, [3, 3, 3, 3] * 2]
    real = real_share((1, 1, 3), (2, 2, 2))
    assert real.int().tolist() == [[1, 1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]]
    assert grid_of((1, 1, 3), (2, 2, 2)) == (1, 1, 2) and token_count((1, 1, 3), (2, 2, 2)) == 2


def test_a_layout_says_where_every_clip_lies():
    shapes = [(2, 4, 6), (1, 3, 3)]
    texts = [torch.ones(3, 8), None]
    layout = make_layout(shapes, texts, patch=(1, 2, 2), text_dim=8, fps=[24.0, 12.5])
    assert layout.n_clips == 2 and layout.shapes == ((2, 4, 6), (1, 3, 3))
    assert layout.grids.tolist() == [[2, 2, 3], [1, 2, 2]]
    assert layout.grid == ((2, 2, 3), (1, 2, 2)) and layout.grids.dtype == torch.int64
    assert layout.text_rows.counts.tolist() == [3, 1]
    assert layout.segments.ends == (0, 12, 16) and layout.segments.cu.dtype == torch.int32
    assert layout.clip.tolist() == [0] * 12 + [1] * 4
    assert layout.coords[:12].tolist() == grid_coords((2, 2, 3)).tolist()
    assert layout.coords[12:].tolist() == grid_coords((1, 2, 2)).tolist()
    assert layout.fps.tolist() == [24.0, 12.5] and layout.fps.dtype == torch.float32
    assert layout.text.shape == (3, 8) and layout.captions.ends == (0, 3, 3)
    assert make_layout(shapes, texts, patch=(1, 2, 2), text_dim=8).fps.tolist() == [8.0, 8.0]
    assert (
        make_layout(shapes, texts, patch=(1, 2, 2), text_dim=8, fps=30).fps.tolist() == [30.0] * 2
    )
    empty = make_layout(shapes, [None, torch.zeros(0, 8)], patch=(1, 2, 2), text_dim=8)
    assert empty.text.shape == (0, 8) and empty.captions.ends == (0, 0, 0)
    half = make_layout(shapes[:1], [torch.ones(2, 8).half()], patch=(1, 2, 2), text_dim=8)
    assert half.text.dtype == torch.float32
    moved = layout.to("meta")
    assert moved.coords.device.type == moved.captions.cu.device.type == "meta"
    assert moved.shapes == layout.shapes


def test_a_pack_splits_into_its_clips():
    shapes, patch = [(2, 3, 5), (1, 4, 4), (3, 2, 2)], (1, 2, 2)
    clips = [torch.randn(4, *shape) for shape in shapes]
    layout = make_layout(shapes, [None] * 3, patch=patch, text_dim=8)
    pack = torch.cat([patchify(clip, patch) for clip in clips])
    assert all(
        torch.equal(a, b) for a, b in zip(split_pack(pack, layout, patch), clips, strict=True)
    )


def test_captions_count_their_own_tokens_and_none_has_a_null_token_too_many():
    rows = text_rows([2, 0, 3, 1])
    assert rows.counts.tolist() == [2, 1, 3, 1] and rows.segments.ends == (0, 2, 3, 6, 7)
    assert rows.position[:, 0].tolist() == [0, 1, 0, 0, 1, 2, 0], "whatever else is in the pack"
    assert rows.null.tolist() == [2] and rows.real.tolist() == [0, 1, 3, 4, 5, 6]
    assert rows.owner.tolist() == [0, 0, 1, 2, 2, 2, 3]


def test_everything_goes_to_the_device():
    """What stays behind on the CPU stops the first step on a GPU, or is copied again at each."""
    numbers = dict.fromkeys(("coords", "index", "grids", "fps", "clip", "order", "places"))
    shown = References(
        tokens=torch.ones(2, 4),
        segments=segments([2]),
        **{name: torch.ones(2, dtype=torch.int64) for name in numbers},
    )
    for rows in (text_rows([2, 0, 3]), shown):
        moved = vars(rows.to("meta"))
        tensors = [value for value in moved.values() if isinstance(value, torch.Tensor)]
        assert len(tensors) >= 5 and moved.keys() == vars(rows).keys()
        assert {tensor.device.type for tensor in [*tensors, moved["segments"].cu]} == {"meta"}


def test_wrong_texts_are_refused_by_number():
    with pytest.raises(ValueError, match="2 shapes for 1 texts"):
        make_layout([(1, 2, 2)] * 2, [None], patch=(1, 2, 2), text_dim=8)
    with pytest.raises(ValueError, match="0 shapes for 0 texts"):
        make_layout([], [], patch=(1, 2, 2), text_dim=8)
    with pytest.raises(ValueError, match="text 1 has width 9, the model expects 8"):
        make_layout([(1, 2, 2)] * 2, [None, torch.ones(1, 9)], patch=(1, 2, 2), text_dim=8)
    with pytest.raises(ValueError, match="text 0 has width 7, the model expects 8"):
        make_layout([(1, 2, 2)], [torch.ones(1, 7)], patch=(1, 2, 2), text_dim=8)
