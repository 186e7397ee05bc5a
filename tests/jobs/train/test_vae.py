"""``filmstock train-vae`` from shards to weights and card."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.train.vae import main
from tests.helpers.json_lines import json_lines
from tests.vae.conftest import write_world


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_world(
        tmp_path_factory.mktemp("world") / "shards", 6, seed=4, split="train", sizes=((32, 32),)
    )


def words(shards, out, *more: str) -> list[str]:
    return [
        str(shards),
        "--out",
        str(out),
        "--steps",
        "4",
        "--batch",
        "2",
        "--checkpoint-every",
        "2",
        *more,
    ]


@pytest.mark.usefixtures("thin_vae")
def test_trains_writes_and_is_finished(shards, tmp_path, capsys):
    assert main(words(shards, tmp_path / "a", "--eval-every", "2")) == 0
    names = {p.name for p in (tmp_path / "a").iterdir()}
    assert {
        "vae.safetensors",
        "CARD.md",
        "reconstructions.png",
        "metrics.jsonl",
        "state.pt",
    } <= names
    card = (tmp_path / "a" / "CARD.md").read_text()
    assert "the training shards" in card  # nothing was held out, and it says so
    assert "--steps 4" in card
    rows = json_lines(tmp_path / "a" / "metrics.jsonl")
    assert any("training_psnr" in row for row in rows)  # no clip was held out
    assert "train-vae: measuring latents of " in capsys.readouterr().out, (
        "it takes long, and says so"
    )
    assert main(words(shards, tmp_path / "a", "--eval-every", "2")) == 0
    assert "nothing to do" in capsys.readouterr().out

    assert main(words(shards.parent, tmp_path / "b", "--stop-at", "2")) == 0
    assert not (tmp_path / "b" / "vae.safetensors").exists()
    assert main(words(shards, tmp_path / "b", "--readers", "1")) == 0
    assert "going on from" in capsys.readouterr().out
    weights = [(tmp_path / name / "vae.safetensors").read_bytes() for name in ("a", "b")]
    header = int.from_bytes(weights[0][:8], "little")
    other = int.from_bytes(weights[1][:8], "little")
    assert weights[0][8 + header :] == weights[1][8 + other :]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_other_settings_are_refused_by_name_and_touch_nothing(shards, tmp_path):
    """A refused command that rewrites run.json makes show-batch draw the wrong clips."""
    out = tmp_path / "run"
    assert main(words(shards, out, "--stop-at", "2")) == 0
    before = contents(out)
    for more, said in (
        (("--lr", "0.1"), r"lr = 0.005 \(now 0.1\).*another --out"),
        (("--kl", "0.5"), r"loss.kl = 0.001 \(now 0.5\)"),
        (("--preset", "4x8x8"), "time_kernel = 2 .now 3."),
        (("--steps", "1"), "2 steps done, more than steps = 1"),
        (("--init", "embedded"), "started from random weights, this run from "),
        (("--seed", "1", "--batch", "4"), r"batch = 2 \(now 4\)"),
    ):
        with pytest.raises(UserError, match=said):
            main(words(shards, out, *more, "--resume"))
        assert contents(out) == before, more
    other = write_world(tmp_path / "other", 6, seed=9, split="train")
    with pytest.raises(UserError, match="the data changed since the checkpoint"):
        main(words(other, out))
    assert contents(out) == before
    with pytest.raises(UserError, match="--resume: .*none holds no checkpoint"):
        main(words(shards, tmp_path / "none", "--resume"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "option",
    ["--warmup-steps -1", "--ema-decay 1", "--kl inf", "--image-share 1.5", "--batch 0", "--optimizer sgd"],
)  # fmt: skip
def test_a_senseless_setting_is_one_line_and_touches_nothing(shards, tmp_path, option):
    name, value = option.split()
    with pytest.raises(UserError) as caught:
        main(words(shards, tmp_path / "out", name, value))
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_wrong_input_is_one_line(shards, tmp_path):
    with pytest.raises(UserError, match=r"holds no finished shards"):
        main(words(tmp_path, tmp_path / "out"))
    with pytest.raises(UserError, match="no VAE preset 'huge'"):
        main(words(shards, tmp_path / "out", "--preset", "huge"))
    with pytest.raises(UserError, match="does not divide"):
        main(words(shards, tmp_path / "out", "--workers", "3"))
    with pytest.raises(UserError, match="add --init embedded"):
        main(words(shards, tmp_path / "out", "--decoder-only"))
