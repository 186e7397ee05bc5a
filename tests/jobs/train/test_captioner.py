"""``filmstock train-captioner``: from shards or a run folder to a model that ``caption`` loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captioner.config import CaptionConfig
from jobs.caption.rows import KINDS, write_part
from jobs.caption.worker import CaptionWorker
from jobs.core.errors import UserError
from jobs.train.captioner import main
from pipeline import schema as s
from pipeline.openclip.torchvision_compat import prepare_torchvision
from pipeline.shards.layout import manifest_of
from pipeline.shards.read import open_table
from pipeline.tables import captions_schema
from tests.helpers.caption_media import make_run_folder
from tests.helpers.json_lines import json_lines
from tests.helpers.shard_media import make_rows, make_shards
from tests.helpers.tiny_vlms import fast_vlm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    prepare_torchvision()
    return fast_vlm(tmp_path_factory.mktemp("vlm") / "m")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("set") / "shards", make_rows(6))


def words(data: Path, out: Path, base: str, *more: str) -> list[str]:
    few = ["--steps", "2", "--batch", "2", "--frames", "2"]
    return [str(data), "--out", str(out), "--kind", "dense", "--model", base, *few, *more]


def caption_rows(ids: list[str]) -> list[dict]:
    """Stored captions as ``caption`` leaves them; the last clip's went wrong."""
    return [
        {
            **dict.fromkeys(captions_schema().names),
            s.CLIP_ID: clip_id,
            s.KIND: kind,
            s.TEXT: f"{kind} words of {clip_id}",
            s.OUTCOME: "looped" if clip_id == ids[-1] else "ok",
            s.MODEL: "m",
            s.SEED: 0,
        }
        for clip_id in ids
        for kind in ("short", "dense")
    ]


def test_trains_once_and_says_what_to_do_next(shards, base, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert main(words(shards.parent, out, base)) == 0
    told = capsys.readouterr().out
    assert "learns dense captions of 6 clips in 2 steps of 2" in told
    assert f"caption.model={out / 'weights'}" in told and "caption.frames=2" in told
    assert main(words(shards, out, base)) == 0
    assert "nothing to do" in capsys.readouterr().out
    rows = json_lines(out / "metrics.jsonl")
    assert rows[-1]["steps"] == 2
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"seed = 0 \(now 1\); give the same, or another --out"):
        main(words(shards, out, base, "--seed", "1"))
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_the_same_command_goes_on_and_resume_needs_a_checkpoint(shards, base, tmp_path, capsys):
    from captioner.train.finetune import TuneConfig, finetune
    from jobs.train.captioner import find_examples
    from pipeline.store.paths import location

    config = TuneConfig(model=base, steps=2, batch=2, frames=2, checkpoint_every=1)
    examples = find_examples(location(str(shards)), "dense", None)
    finetune(config.settled(), examples, tmp_path / "cut", stop_after=1)  # as a kill would
    assert main(words(shards, tmp_path / "cut", base)) == 0
    assert "going on from" in capsys.readouterr().out
    with pytest.raises(UserError, match="holds no checkpoint .state.pt. to go on from"):
        main(words(shards, tmp_path / "new", base, "--resume"))
    assert not (tmp_path / "new").exists()


def test_nothing_held_out_is_told(shards, base, tmp_path, capsys) -> None:
    assert main(words(shards, tmp_path / "out", base, "--held-out-share", "0")) == 0
    assert "0 of 6 clips are held out" in capsys.readouterr().err


def test_the_caption_job_runs_on_what_was_trained(base, tmp_path) -> None:
    """Learned from a run folder's captions that ended well, then asked about the same clips."""
    run = tmp_path / "run"
    ids = make_run_folder(run, 4)
    (run / "captions").mkdir()
    from pipeline.store.paths import location

    write_part(location(run / "captions"), caption_rows(ids))
    out = tmp_path / "out"
    assert main(words(run, out, base, "--lora-rank", "2")) == 0
    done = json.loads((out / ".done" / "train-captioner.json").read_text())
    assert done["clips"] == 3
    config = CaptionConfig(
        model=str(out / "weights"), frames=2, kinds=("dense",), max_new_tokens=8, retries_per_row=0
    )
    worker = CaptionWorker(config, str(run), 1)
    clips = [{**row, KINDS: "dense"} for row in open_table(run / "manifest").to_pylist()]
    counted = list(worker.block(clips))
    assert sum(count["rows"] for count in counted) == 4
    assert not sum(count["errors"] for count in counted)
    rows = [r for r in open_table(run / "captions").to_pylist() if r[s.MODEL] != "m"]
    assert len(rows) == 4 and all(r[s.MODEL].startswith("out@") for r in rows)


def test_words_of_ones_own(shards, base, tmp_path) -> None:
    ids = open_table(manifest_of(shards), [s.CLIP_ID])[s.CLIP_ID].to_pylist()
    lines = [json.dumps({"clip_id": i, "text": f"words of {i}"}) for i in ids[:3]]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    out = tmp_path / "out"
    assert main(words(shards, out, base, "--captions", str(tmp_path / "own.jsonl"))) == 0
    assert json.loads((out / ".done" / "train-captioner.json").read_text())["clips"] == 3


def test_wrong_input_is_one_line_and_leaves_nothing(shards, base, tmp_path) -> None:
    (tmp_path / "none.csv").write_text("clip_id,text\nelsewhere,a\n")
    run = tmp_path / "run"
    make_run_folder(run, 1)
    for argv, says in (
        (words(shards, tmp_path / "o", base)[:3] + ["--kind", "original"], "cannot be learned"),
        (words(shards, tmp_path / "o", "org/none"), "filmstock models get org/none"),
        (words(shards, tmp_path / "o", base, "--captions", str(tmp_path / "none.csv")), "no dense"),
        (words(tmp_path / "nowhere", tmp_path / "o", base), "does not exist"),
        (words(run, tmp_path / "o", base), "holds no finished shards"),
        (words(shards, tmp_path / "o", base, "--lora-rank", "2", "--lora-targets", "wq"), "q_proj"),
        (words(shards, tmp_path / "o", base, "--prompt", "{who}?"), "placeholder"),
        (words(shards, tmp_path / "o", base, "--batch", "0"), "--batch 0: it must be at least 1"),
    ):
        with pytest.raises(UserError, match=says) as caught:
            main(argv)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "o").exists()
