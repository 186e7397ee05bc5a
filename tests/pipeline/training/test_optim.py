"""The optimizer: orthogonal updates of a stated size for matrices, AdamW's own for the rest, exact resume."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.training import optim
from pipeline.training.optim import Group, Muon, Optimizer


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def channels_last(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16), (8, 4, 3, 3), (6, 5, 3, 3, 3)])
def test_a_matrix_step_is_orthogonal_and_has_adamws_size(shape: tuple[int, ...]) -> None:
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = drawn(*shape)
    Optimizer([Group(params=[weight], hidden=True)]).step(0.1)
    update = -weight.detach().flatten(1)
    size = 0.1 * 0.2 * max(update.shape) ** 0.5
    values = torch.linalg.svdvals(update) / size
    assert values.min() > 0.5 and values.max() < 1.3
    u, _, v = torch.linalg.svd(drawn(*shape).flatten(1), full_matrices=False)
    assert torch.cosine_similarity(update.flatten(), (u @ v).flatten(), dim=0) > 0.95
    assert weight.grad is None


def test_a_convolution_is_stepped_alike_in_every_memory_format() -> None:
    plain, last = nn.Parameter(drawn(8, 4, 3, 3)), nn.Parameter(channels_last(drawn(8, 4, 3, 3)))
    for weight in (plain, last):
        optimizer = Optimizer([Group(params=[weight], hidden=True, weight_decay=0.1)])
        for step in range(3):
            weight.grad = drawn(8, 4, 3, 3, seed=step)
            optimizer.step(0.1)
    assert not torch.equal(plain, drawn(8, 4, 3, 3))
    torch.testing.assert_close(plain, last, atol=2e-3, rtol=0)  # bf16 inside Muon
    assert last.is_contiguous(memory_format=torch.channels_last)


def test_other_groups_take_adamw_steps() -> None:
    ours, theirs = (nn.Parameter(drawn(6)) for _ in range(2))
    a = Optimizer([Group(params=[ours], weight_decay=0.1)], optimizer="muon")
    b = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), weight_decay=0.1)
    for step in range(5):
        ours.grad, theirs.grad = (drawn(6, seed=step) for _ in range(2))
        a.step(0.01)
        b.step()
    torch.testing.assert_close(ours, theirs)


def test_adamw_takes_the_matrices_too_when_asked() -> None:
    ours, theirs = (nn.Parameter(drawn(6, 4)) for _ in range(2))
    a = Optimizer([Group(params=[ours], hidden=True)], optimizer="adamw")
    b = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), weight_decay=0.0)
    ours.grad, theirs.grad = (drawn(6, 4, seed=3) for _ in range(2))
    a.step(0.01)
    b.step()
    torch.testing.assert_close(ours, theirs)
    with pytest.raises(ValueError, match="optimizer 'sgd' is unknown; use muon or adamw"):
        Optimizer([Group(params=[ours])], optimizer="sgd")


def test_a_rate_is_scaled_per_group() -> None:
    fast, slow = (nn.Parameter(torch.zeros(3)) for _ in range(2))
    optimizer = Optimizer([Group(params=[fast]), Group(params=[slow], lr_scale=0.1)])
    fast.grad = slow.grad = torch.ones(3)
    optimizer.step(1.0)
    torch.testing.assert_close(slow, 0.1 * fast)


def test_a_loaded_state_goes_on_bit_for_bit() -> None:
    def weights() -> list[nn.Parameter]:
        return [nn.Parameter(channels_last(drawn(8, 4, 3, 3))), nn.Parameter(drawn(5))]

    def made(params: list[nn.Parameter]) -> Optimizer:
        return Optimizer([Group(params=params[:1], hidden=True), Group(params=params[1:])])

    def steps(optimizer: Optimizer, params: list[nn.Parameter], numbers: range) -> None:
        for n in numbers:
            params[0].grad = channels_last(drawn(8, 4, 3, 3, seed=n))
            params[1].grad = drawn(5, seed=n)
            optimizer.step(0.1)

    whole = weights()
    steps(made(whole), whole, range(6))
    first = weights()
    optimizer = made(first)
    steps(optimizer, first, range(3))
    second = [nn.Parameter(p.detach().clone()) for p in first]
    again = made(second)
    again.load_state_dict(optimizer.state_dict())
    steps(again, second, range(3, 6))
    assert all(map(torch.equal, whole, second))
    with pytest.raises(ValueError, match="another optimizer"):
        Optimizer([Group(params=second)], optimizer="adamw").load_state_dict(optimizer.state_dict())


def test_equal_matrices_are_stepped_together_as_torch_steps_each() -> None:
    """What a GPU does, done here: the same moves as torch's own Muon, momentum and decay with it."""
    shapes = ((6, 4), (4, 6), (6, 4), (5, 5), (4, 6))
    generator = torch.Generator().manual_seed(3)
    ours = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    settings = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    mine, torchs = Muon(ours, **settings), torch.optim.Muon(theirs, **settings)
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        torchs.step()
        with torch.no_grad():
            mine._move_alike(ours, mine.param_groups[0])
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=2e-3)
        buffers = (mine.state[a]["momentum_buffer"], torchs.state[b]["momentum_buffer"])
        assert torch.allclose(*buffers, atol=1e-6)


def test_stacks_are_of_one_shape_and_no_larger_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optim, "MOST_STACKED", 50)
    shapes = [(6, 4), (4, 6), (6, 4), (6, 4), (10, 10)]
    groups = optim.alike([torch.zeros(s) for s in shapes])
    assert sorted(sum(groups, [])) == [0, 1, 2, 3, 4]
    assert groups == [[0, 2], [1], [3], [4]]
