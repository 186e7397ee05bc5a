"""Segments know their lengths on the host; runs of equal ones are found once."""

import torch

from dit.segments import runs_of, segments


def test_segments_say_where_they_end_on_host_and_device():
    found = segments([3, 0, 5])
    assert found.ends == (0, 3, 3, 8)
    assert found.cu.dtype == torch.int32 and found.cu.tolist() == [0, 3, 3, 8]
    assert found.lengths == (3, 0, 5) and found.longest == 5
    assert found.to("cpu") == found


def test_neighbours_of_one_length_are_a_run():
    assert runs_of([4, 4, 2, 4]) == ((2, 4), (1, 2), (1, 4))
    assert runs_of([]) == ()
