"""The table of a pack's noise levels says of every token what the tokens' own levels said."""

import torch

from dit.levels import levels_of

CLIP = torch.tensor([0, 0, 0, 1, 1, 2])
T = torch.tensor([0.0, 0.7, 0.7, 0.7, 0.0, 0.0])


def test_neighbours_of_a_clip_share_a_row_and_clips_do_not():
    levels = levels_of(T, CLIP)
    assert levels.value.tolist() == [0.0, T[1].item(), T[3].item(), 0.0, 0.0]
    assert levels.clip.tolist() == [0, 0, 1, 1, 2]
    assert levels.rows.index.tolist() == [0, 1, 1, 2, 3, 4]
    assert torch.equal(levels.of_tokens(), T)


def test_rows_stay_at_other_levels():
    levels = levels_of(torch.where(T > 0, 1.0, 0.0), CLIP)
    assert torch.equal(levels.at(levels.value * 0.7).of_tokens(), T)


def test_every_row_gets_what_its_clip_has():
    table = torch.arange(6.0).view(3, 2)
    assert torch.equal(levels_of(T, CLIP).of_clips(table), table[[0, 0, 1, 1, 2]])
