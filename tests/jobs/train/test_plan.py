"""filmstock plan: sums that can be checked by hand, and what does not fit is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.core.errors import UserError
from jobs.train import plan as planning
from jobs.train.plan import Args, main, plan


def test_a_plan_adds_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--preset B --size 256x256 --frames 17 --clips 1000000 --gpus 8 --gpu-hour 2 4 --kinds 2"
    )
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    for word in ("memory a GPU", "tokens/s", "days", "disk", "money", "measured", "assumed"):
        assert word in said
    args = Args(preset="B", size="256x256", frames=17, clips=1_000_000, gpus=8, kinds=2)
    made = plan(args)
    assert made.clip_tokens == 5 * 16 * 16
    low, likely, high = made.tokens_per_s
    assert low < likely < high
    assert made.days[1] == pytest.approx(1280e6 / likely / 86_400)
    assert made.days[0] < made.days[1] < made.days[2]
    assert made.latents == 1e6 * (2 * 2 * 16 * 5 * 32 * 32 + 2 * 2 * 512 * 4096)
    assert made.money[0] == pytest.approx(2 * 24 * 8 * (made.days[0] + made.encode_days))
    assert made.parameters == pytest.approx(133e6, rel=0.01) and made.fits


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--size 250x250", "in multiples of 16"),
        ("--preset huge", "preset 'huge' is unknown"),
        ("--context-parallel 5", "12 attention heads, which 5 processes cannot share"),
        ("--context-parallel 3", "--gpus 8 is no multiple"),
        ("--tokens-per-pack 100", "less than the 32760 tokens"),
    ],
)
def test_what_cannot_be_is_one_line(words: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        main(words.split())


def test_what_no_gpu_holds_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(planning.GPU_MEMORY, "H100", 1e9)
    made = planning.run(Args(preset="B", size="256x256", frames=17, gpus=2))
    assert not made.fits and made.recompute and made.shards == 2
    said = capsys.readouterr()
    assert "no H100 holds this (1.0 GB, of which 920.0 MB can be used)" in said.err
    assert f"B with {made.parameters / 1e6:.1f} M weights" in said.out


def test_gpus_that_share_a_clip_keep_their_part_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = Args(preset="S", size="256x256", frames=33, gpus=6)
    alone = plan(args)
    monkeypatch.setitem(planning.GPU_MEMORY, "H100", 0.7 * alone.memory.total / planning.USABLE)
    monkeypatch.setattr(planning, "TrainConfig", without_recompute(planning.TrainConfig))
    assert not planning.run(args).fits
    assert "--context-parallel 3 fits" in capsys.readouterr().err
    shared = planning.run(replace(args, context_parallel=3))
    assert shared.fits and "tokens of a clip over 3" in capsys.readouterr().out
    assert shared.memory.activations < 0.45 * alone.memory.activations  # a third, and all captions
    assert shared.memory.weights == alone.memory.weights  # spread by --fsdp alone
    config = planning.DiTConfig.preset("S")
    sent = planning.exchanged_bytes(config, 3, recompute=False)
    assert sent == 2 * 12 * 4 * 384 * 2 * 2 / 3
    assert planning.exchanged_bytes(config, 1, recompute=True) == 0


def without_recompute(make):
    return lambda recompute, **settings: make(recompute=False, **settings)
