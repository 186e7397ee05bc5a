"""verify-resume prints one hash for all worlds, another for other data or seeds, and notices a broken order."""

from __future__ import annotations

import pytest

from jobs.core.errors import UserError
from jobs.train import dit as train_dit
from jobs.train import verify_resume
from pipeline.loader.steps import StepLoader
from tests.helpers.latents import write_folder
from tests.helpers.shard_media import make_rows, make_shards

pytestmark = pytest.mark.usefixtures("one_block")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    rows = make_rows(60, shapes=((1, 32, 32),))
    return make_shards(tmp_path_factory.mktemp("verify") / "shards", rows)


def rows_of(text):
    lines = [line.split() for line in text.splitlines()]
    return [line for line in lines if line and line[0].isdigit()]


def test_shards_give_one_hash_for_all_worlds(shards, capsys):
    assert verify_resume.main([str(shards), "--workers", "0"]) == 0
    out = capsys.readouterr().out
    rows = rows_of(out)
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "6", "8"]
    assert len({tuple(row[2:]) for row in rows}) == 1
    assert rows[0][2] == rows[0][3] and "all the same" in out
    assert "an epoch has 2" in out and "4 steps of 24 clips" in out
    other = ["--worlds", "1", "--read", "0", "--workers", "0"]
    verify_resume.main([str(shards), "--seed", "1", *other])
    (seeded,) = rows_of(capsys.readouterr().out)
    verify_resume.main([str(shards), *other])
    (again,) = rows_of(capsys.readouterr().out)
    assert seeded[2] != rows[0][2] == again[2]
    assert again[4] == "-"


def test_worker_processes_read_the_same(shards, capsys):
    assert verify_resume.main([str(shards), "--worlds", "2", "--workers", "0", "2"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row[1] for row in rows] == ["0", "2"] and rows[0][2:] == rows[1][2:]


def test_latents_and_training_runs(tmp_path, capsys):
    folder = write_folder(tmp_path / "latents")
    words = [str(folder), "--out", str(tmp_path / "run"), "--steps", "2", "--sample-every", "0"]
    train_dit.main([*words, "--tokens-per-pack", "30", "--packs-per-step", "2", "--seed", "5"])
    capsys.readouterr()
    assert verify_resume.main([str(tmp_path / "run"), "--workers", "0"]) == 0
    out = capsys.readouterr()
    assert "seed 5" in out.out and "steps of 2 packs" in out.out
    assert "worlds [3, 4, 6, 8] are left out: a step has 2 units" in out.err
    rows = rows_of(out.out)
    assert len(rows) == 2 and len({tuple(row[2:]) for row in rows}) == 1
    assert verify_resume.main([str(folder), "--worlds", "1", "3", "--workers", "0"]) == 0
    assert "steps of 24 packs" in capsys.readouterr().out


def test_a_rank_that_depends_on_its_world_is_noticed(shards, capsys, monkeypatch):
    whole = StepLoader.units_at

    def broken(self, state, **options):
        units = whole(self, state, **options)
        return units[::-1] if self.world == 3 else units

    monkeypatch.setattr(StepLoader, "units_at", broken)
    words = [str(shards), "--worlds", "1", "3", "--workers", "0", "--read", "0"]
    assert verify_resume.main(words) == 1
    assert "THESE DIFFER" in capsys.readouterr().out


def test_wrong_input_is_one_line(shards, tmp_path):
    with pytest.raises(UserError, match="a step of 24 units feeds 1 to 24 ranks"):
        verify_resume.main([str(shards), "--worlds", "99"])
    with pytest.raises(UserError, match="holds no finished shards; make them with"):
        verify_resume.main([str(tmp_path)])
