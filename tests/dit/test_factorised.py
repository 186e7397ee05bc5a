"""Factorised attention is full attention over frames, then over columns: nothing else is seen."""

import torch

from dit.factorised import factors_of
from dit.layers import Attention
from dit.packing import make_layout
from dit.rope import rope_turns
from dit.segments import segments

SHAPES = [(3, 4, 6), (1, 8, 8), (2, 5, 7)]


def layout_of(shapes):
    return make_layout(shapes, [None] * len(shapes), patch=(1, 2, 2), text_dim=8)


def test_frames_and_columns_cover_every_token_once():
    layout = layout_of(SHAPES)
    factors = factors_of(layout)
    n = len(layout.coords)
    assert factors.order.sort().values.tolist() == list(range(n))
    assert torch.equal(factors.order[factors.back], torch.arange(n))
    frames = factors.frames.ends
    for start, stop in zip(frames[:-1], frames[1:], strict=True):
        assert (
            len({(int(layout.clip[i]), int(layout.coords[i, 0])) for i in range(start, stop)}) == 1
        )
    columns = factors.columns.ends
    for start, stop in zip(columns[:-1], columns[1:], strict=True):
        rows = factors.order[start:stop]
        places = {(int(layout.clip[i]), *layout.coords[i, 1:].tolist()) for i in rows}
        assert len(places) == 1
        assert layout.coords[rows, 0].tolist() == list(range(stop - start))
    assert len(frames) - 1 == 3 + 1 + 2
    assert len(columns) - 1 == 6 + 16 + 12


def test_each_half_equals_attention_over_frames_or_columns_alone():
    torch.manual_seed(0)
    layer = Attention(24, 2)
    layout = layout_of(SHAPES)
    factors = factors_of(layout)
    x = torch.randn(len(layout.coords), 24)
    turns = rope_turns(layout.coords, 12, 100.0)
    spatial = layer(x, factors.frames, turns=turns)
    along = layer(x[factors.order], factors.columns, turns=turns[factors.order])[factors.back]
    groups = {"frame": {}, "column": {}}
    for i, (clip, (t, y, w)) in enumerate(
        zip(layout.clip.tolist(), layout.coords.tolist(), strict=True)
    ):
        groups["frame"].setdefault((clip, t), []).append(i)
        groups["column"].setdefault((clip, y, w), []).append(i)
    for out, kind in ((spatial, "frame"), (along, "column")):
        for rows in groups[kind].values():
            alone = layer(x[rows], segments([len(rows)]), turns=turns[rows])
            torch.testing.assert_close(out[rows], alone, atol=1e-5, rtol=1e-5)


def test_a_gate_of_zero_logits_changes_nothing_and_a_closed_one_silences_its_head():
    torch.manual_seed(0)
    plain, gated = Attention(24, 2), Attention(24, 2, gated=True)
    gated.load_state_dict(plain.state_dict(), strict=False)
    for parameter in gated.gate.parameters():
        torch.nn.init.zeros_(parameter)
    x, cu = torch.randn(9, 24), segments([5, 4])
    turns = rope_turns(torch.arange(9)[:, None], 12, 100.0)
    torch.testing.assert_close(gated(x, cu, turns=turns), plain(x, cu, turns=turns))
    with torch.no_grad():
        gated.gate.bias[0] = -200.0
        gated.out.weight[:, 12:] = 0  # what is left of the output comes from the closed head
        gated.out.bias.zero_()
    assert not gated(x, cu, turns=turns).any()
