"""``filmstock reward-dit`` as a user runs it: with the embedded models, on tiny images."""

import dataclasses

import pytest

from dit.checkpoint import load_dit, save_dit
from dit.few_steps import FewSteps
from dit.model import DiT
from jobs.cli import main
from jobs.train.show_batch import main as show_batch
from tests.helpers.json_lines import json_lines

SMALL = [
    "--size", "32x32", "--frames", "1", "--max-objects", "1", "--prompts-per-step", "2", "--group", "2", "--updates",
    "1", "--draw-steps", "1", "--precision", "fp32", "--threads", "1", "--checkpoint-every", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of two steps by two rewards."""
    out = tmp_path_factory.mktemp("reward") / "out"
    words = ["--reward", "strict", "0.7", "fluency", "0.3", "--steps", "2", "--sample-every", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.reward.results.SHEET_STEPS", 1)
        assert main(["reward-dit", "--out", str(out), *SMALL, *words]) == 0
    return out, words


def test_it_leaves_weights_metrics_sheets_and_a_card(done, capsys):
    out, words = done
    first = load_dit("embedded")
    kept = load_dit(out)
    assert kept.id != first.id and kept.info["started_from"] == first.id
    assert kept.info["reward"]["rewards"] == {"strict": 0.7, "fluency": 0.3}
    rows = json_lines(out / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    names = {
        "reward",
        "reward_strict",
        "reward_fluency",
        "spread",
        "agreed",
        "diversity",
        "distance",
    }
    assert names <= set(rows[0])
    assert {path.name for path in (out / "samples").iterdir()} == {
        "step-000000.png",
        "step-000002.png",
    }
    card = (out / "CARD.md").read_text()
    assert kept.id in card and "--reward strict 0.7 fluency 0.3" in card and "| diversity |" in card


def test_again_there_is_nothing_to_do(done, capsys):
    out, words = done
    before = (out / "dit.safetensors").stat().st_mtime_ns
    assert main(["reward-dit", "--out", str(out), *SMALL, *words]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (out / "dit.safetensors").stat().st_mtime_ns == before


def test_another_run_is_refused_by_name_and_touches_nothing(done, capsys):
    out, words = done
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert main(["reward-dit", "--out", str(out), *SMALL, *words, "--beta", "2"]) == 2
    assert "beta = 1.0 (now 2.0)" in capsys.readouterr().err
    assert main(["reward-dit", "--out", str(out), *SMALL, "--steps", "2"]) == 2
    assert "rewards" in capsys.readouterr().err
    assert main(["train-dit", str(out), "--out", str(out), "--steps", "2"]) == 2
    assert "holds a run of reward-dit" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    with pytest.raises(ValueError, match="holds a run of reward-dit"):
        show_batch([str(out), "--step", "1"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume"], "no checkpoint"),
        (["--reward", "strikt", "1"], "strict"),
        (["--size", "33x32"], "multiples of 16"),
        (["--frames", "3"], "--frames 3 does not fit"),
        (["--group", "1"], "--group 1: it must be at least 2"),
        (["--solver", "eulr"], "eulr"),
        (["--init", "nowhere"], "no DiT at nowhere"),
        (["--prompts", "nowhere.txt"], "cannot read --prompts"),
        (["--text", "nothing-such"], "--text nothing-such"),
        (["--device", "cuda:9"], "cuda:9"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert main(["reward-dit", "--out", str(out), *words]) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.strip().splitlines()) == 1
    assert not out.exists()


def test_a_few_step_model_is_refused_by_its_header_and_leaves_nothing(tmp_path, capsys):
    loaded, out = load_dit(), tmp_path / "out"
    shape = dataclasses.replace(loaded.model.config, few_steps=FewSteps(teacher=loaded.id))
    save_dit(DiT(shape), loaded.latents, tmp_path / "few" / "dit.safetensors")
    assert main(["reward-dit", "--out", str(out), "--init", str(tmp_path / "few")]) == 2
    told = capsys.readouterr().err
    assert "was distilled to 4 steps, and fine-tuning by reward would undo it" in told
    assert not out.exists()


def test_prompts_of_a_file_with_foreign_words_need_another_judge(tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("A dog runs over a field.\n")
    words = ["--out", str(tmp_path / "out"), "--prompts", str(tmp_path / "prompts.txt")]
    assert main(["reward-dit", *words]) == 2
    assert "names no object" in capsys.readouterr().err
    assert main(["reward-dit", *words, "--short-share", "0.5"]) == 2
    assert "about scenes of the world" in capsys.readouterr().err
