"""The number format is read from the machine, so that equal runs choose alike."""

from __future__ import annotations

import pytest
import torch

from pipeline.training.compute import begun_dtype, bf16_is_faster


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({}, False),
        ({"avx512_f": True}, False),
        ({"avx512_bf16": True}, True),
        ({"bf16": True}, True),
    ],
)
def test_instructions_decide(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert bf16_is_faster() is expected
    assert bf16_is_faster("cuda:0")


def test_an_older_torch_says_nothing_and_gets_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not bf16_is_faster()


def test_a_run_goes_on_in_the_format_that_it_began_with() -> None:
    cpu = torch.device("cpu")
    assert begun_dtype("fp32", cpu, None) == torch.float32
    assert begun_dtype("fp32", cpu, {"compute": "bfloat16"}) == torch.bfloat16
