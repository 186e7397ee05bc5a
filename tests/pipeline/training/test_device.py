"""A device is found or refused by name, and everything with tensors in it gets there."""

from dataclasses import dataclass
from functools import cached_property

import pytest
import torch

from pipeline.training.device import OnDevice, device_line, pick_device, same_bits, to_device


def test_auto_is_the_best_there_is():
    want = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device().type == want
    assert pick_device("cpu") == torch.device("cpu")
    assert device_line(torch.device("cpu")).endswith("CPU threads")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(
        ValueError, match=r"device 'cuda:3' is not there: .* sees 0 GPUs here; use auto"
    ):
        pick_device("cuda:3")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "meta"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(ValueError, match="use auto, cpu, cuda or cuda:N"):
        pick_device(name)


@dataclass
class Box:
    x: torch.Tensor

    def to(self, device):
        return Box(to_device(self.x, device))


def test_tensors_move_and_the_rest_stays():
    x = torch.arange(3.0)
    value = {"a": [x, 1], "b": (Box(x), "word", None)}
    assert to_device(value, "cpu")["a"][0] is x
    moved = to_device(value, "meta")
    assert moved["a"][0].device.type == moved["b"][0].x.device.type == "meta"
    assert moved["a"][1] == 1 and moved["b"][1:] == ("word", None)


def test_sums_in_order_are_a_gpus_affair():
    before = torch.are_deterministic_algorithms_enabled()
    with same_bits(torch.device("cpu")):
        assert torch.are_deterministic_algorithms_enabled() == before


def test_a_bundle_of_tensors_moves_whole_and_what_is_cached_in_it_stays_behind():
    @dataclass(frozen=True, kw_only=True)
    class Inner(OnDevice):
        rows: torch.Tensor

    @dataclass(frozen=True, kw_only=True)
    class Bundle(OnDevice):
        name: str
        inner: Inner
        rows: torch.Tensor | None = None

        @cached_property
        def length(self) -> int:
            return len(self.name)

    bundle = Bundle(name="abc", inner=Inner(rows=torch.ones(2)))
    assert bundle.length == 3
    moved = bundle.to("meta")
    assert (moved.name, moved.rows, moved.inner.rows.device.type) == ("abc", None, "meta")
    assert isinstance(moved, Bundle) and bundle.inner.rows.device.type == "cpu"
