"""``filmstock train-vae`` from shards to weights and card."""

from __future__ import annotations

import json

import pytest

from jobs.core.errors import UserError
from jobs.train.vae import main
from tests.vae.conftest import write_world


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_world(
        tmp_path_factory.mktemp("world") / "shards", 12, seed=4, split="train", sizes=((32, 32),)
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
        "--save-every",
        "2",
        *more,
    ]


def test_trains_writes_and_is_finished(shards, tmp_path, capsys):
    assert main(words(shards, tmp_path / "a", "--sheet-every", "2")) == 0
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
    rows = [
        json.loads(line) for line in (tmp_path / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    assert any("heldout_psnr" in row for row in rows)
    capsys.readouterr()
    assert main(words(shards, tmp_path / "a", "--sheet-every", "2")) == 0
    assert "nothing to do" in capsys.readouterr().out

    assert main(words(shards.parent, tmp_path / "b", "--stop-at", "2")) == 0
    assert not (tmp_path / "b" / "vae.safetensors").exists()
    with pytest.raises(UserError, match="add --resume"):
        main(words(shards, tmp_path / "b"))
    assert main(words(shards, tmp_path / "b", "--resume", "--readers", "1")) == 0
    weights = [(tmp_path / name / "vae.safetensors").read_bytes() for name in ("a", "b")]
    header = int.from_bytes(weights[0][:8], "little")
    other = int.from_bytes(weights[1][:8], "little")
    assert weights[0][8 + header :] == weights[1][8 + other :]


def test_wrong_input_is_one_line(shards, tmp_path):
    with pytest.raises(UserError, match=r"holds no manifest.parquet"):
        main(words(tmp_path, tmp_path / "out"))
    with pytest.raises(UserError, match="no VAE preset 'huge'"):
        main(words(shards, tmp_path / "out", "--preset", "huge"))
    with pytest.raises(UserError, match="does not divide"):
        main(words(shards, tmp_path / "out", "--workers", "3"))
    with pytest.raises(UserError, match="add --init embedded"):
        main(words(shards, tmp_path / "out", "--decoder-only"))
