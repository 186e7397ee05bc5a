"""train-dit, sample and adherence end to end on tiny models, and the errors a person can fix."""

import dataclasses
import json
import time
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from dit.checkpoint import load_dit, save_dit
from dit.config import LEARNING_RATES, DiTConfig
from dit.few_steps import FewSteps
from dit.files import read_config
from dit.latents import LatentSpec
from dit.model import DiT
from jobs.core.errors import UserError
from jobs.generate import adherence, sample, verbs
from jobs.train import dit as train_dit
from pipeline.latents.codec import to_bf16
from pipeline.latents.store import LatentStore
from pipeline.training.state import load_state
from pipeline.video.decode import decode_clip
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import TEXT_DIM, write_folder

pytestmark = pytest.mark.usefixtures("one_block")


class FakeText:
    """Stands in for CLIP where a test is not about it: features depend on the words only."""

    id = "text0"

    def text_tokens(self, texts: list[str]) -> list[np.ndarray]:
        out = []
        for text in texts:
            words = [zlib.crc32(word.encode()) % 1000 / 500 - 1 for word in text.split()]
            out.append(np.outer(words, np.arange(1, TEXT_DIM + 1) / TEXT_DIM).astype(np.float16))
        return out


@pytest.fixture(scope="module")
def vae_file(tmp_path_factory) -> Path:
    from vae.checkpoint import save_vae
    from vae.config import VAEConfig
    from vae.model import VideoVAE

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_vae(VideoVAE(VAEConfig.preset("tiny")), path)
    return path


@pytest.fixture(scope="module")
def dit_file(tmp_path_factory, vae_file) -> Path:
    from vae.checkpoint import load_vae

    vae = load_vae(vae_file)
    channels = vae.config.latent_channels
    torch.manual_seed(0)
    model = DiT(DiTConfig(width=24, depth=1, heads=2, latent_channels=channels, text_dim=TEXT_DIM))
    spec = LatentSpec(
        vae_id=vae.id, text_encoder_id="text0", mean=(0.0,) * channels, std=(1.0,) * channels
    )
    path = tmp_path_factory.mktemp("dit") / "dit.safetensors"
    save_dit(model, spec, path)
    return path


@pytest.fixture
def models(monkeypatch, dit_file, vae_file) -> list[str]:
    """Options that name the small models; the text encoder is replaced."""
    import pipeline.textencoder.open

    monkeypatch.setattr(
        pipeline.textencoder.open, "load_text_encoder", lambda name, **_: FakeText()
    )
    return ["--dit", str(dit_file), "--vae", str(vae_file)]


USUAL = {
    "--preset": "tiny", "--steps": "4", "--tokens-per-pack": "60", "--held-out-share": "0.15",
    "--checkpoint-every": "2", "--eval-every": "2", "--sample-every": "0",
}  # fmt: skip
ONE = ("--steps", "1")
SMALL = ("--width", "64", "--depth", "1")


def train(folder: Path, out: Path, *words: str) -> int:
    """Train with ``words``, and with the ``USUAL`` where they say nothing else."""
    usual = [word for pair in USUAL.items() if pair[0] not in words for word in pair]
    return train_dit.main([str(folder), "--out", str(out), *usual, *words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    """Latents, and a run on them with the options of ``train`` alone, for tests that change neither."""
    home = tmp_path_factory.mktemp("trained")
    folder = write_folder(home / "latents")
    assert train(folder, home / "run") == 0
    return folder, home / "run"


@pytest.fixture(scope="module")
def small_base(tmp_path_factory) -> tuple[Path, Path]:
    """Latents, and a small model of one step, to be distilled."""
    home = tmp_path_factory.mktemp("base")
    folder = write_folder(home / "latents")
    assert train(folder, home / "run", *SMALL, *ONE) == 0
    return folder, home / "run"


def test_train_dit_writes_weights_card_metrics_and_does_nothing_twice(tmp_path, trained, capsys):
    folder, run = trained
    loaded = load_dit(run)
    assert loaded.latents.vae_id == "vae0"
    assert loaded.info["steps"] == 4
    card = (run / "CARD.md").read_text()
    assert loaded.id in card
    assert "--steps 4" in card
    rows = json_lines(run / "metrics.jsonl")
    assert rows[-1]["step"] == 4
    assert {"loss", "held_out", "tokens_per_s", "waste", "grad_norm"} <= set(rows[-1])
    capsys.readouterr()
    before = contents(run)
    assert train(folder, run) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert contents(run) == before
    fine = tmp_path / "fine"
    assert train(folder, fine, "--init", str(run), *ONE) == 0
    assert load_dit(fine).id != loaded.id
    assert "random weights" in card
    rate = load_state(fine / "state.pt")["train_config"]["lr"]
    assert rate == pytest.approx(0.1 * LEARNING_RATES["tiny"])
    (fine / ".done" / "train-dit.json").unlink()
    # with the start and the rate that it began with
    assert train(folder, fine, "--resume", *ONE) == 0
    assert load_state(fine / "state.pt")["train_config"]["lr"] == rate
    assert f"started from | DiT `{loaded.id}`" in (fine / "CARD.md").read_text()


def test_options_of_model_and_loss_are_kept_with_the_weights(tmp_path, trained):
    folder, plain = trained
    options = ["--attention", "factorised", "--head-gate", "--path", "vp", "--local-share", "0.4"]
    options += ["--recompute", "--loss-unit", "clip", *ONE]
    assert train(folder, tmp_path / "run", *options) == 0
    loaded = load_dit(tmp_path / "run")
    config = loaded.model.config
    assert (config.attention, config.head_gate, config.path) == ("factorised", True, "vp")
    assert loaded.info["train"]["local_share"] == 0.4
    assert train(folder, tmp_path / "fine", "--init", str(tmp_path / "run"), *ONE) == 0
    assert load_dit(tmp_path / "fine").model.config == config
    with pytest.raises(UserError, match="trained with path 'flow'; leave --path out"):
        train(folder, tmp_path / "other", "--init", str(plain), "--path", "vp")


def test_train_dit_errors_are_one_line(tmp_path, trained):
    folder, run = trained
    with pytest.raises(UserError, match="does not exist"):
        train(tmp_path / "none", tmp_path / "run")
    with pytest.raises(UserError, match="preset 'huge' is unknown"):
        train(folder, tmp_path / "run", "--preset", "huge")
    with pytest.raises(UserError, match="raise the budget"):
        train(folder, tmp_path / "run", "--tokens-per-pack", "5")
    other = write_folder(tmp_path / "other", vae_id="vae1")
    with pytest.raises(UserError, match="encode again with that VAE, add --new-vae"):
        train(other, tmp_path / "run2", "--init", str(run))
    with pytest.raises(UserError, match="give --init, leave --lora-rank out"):
        train(other, tmp_path / "run2", "--new-vae")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_other_settings_are_refused_by_name_and_touch_nothing(tmp_path, trained):
    """A refused command once deleted state.pt and metrics.jsonl of a finished run."""
    folder, out = trained
    before = contents(out)
    for more, said in (
        (["--lr", "0.1"], r"lr = 0.002 \(now 0.1\); give the same, or another --out"),
        (["--steps", "1000"], r"steps = 4 \(now 1000\), by which step . of 4"),
        (["--steps", "2"], "4 steps done, more than steps = 2"),
        (["--tokens-per-pack", "70", "--seed", "1"], r"seed = 0 \(now 1\).*tokens_per_pack = 60"),
        (["--preset", "S"], r"width = 192 \(now 384\)"),
        (["--mix", "dense", "1"], "captions mixed as"),
        (["--init", "embedded"], "embedded was trained with VAE"),
        (["--lr", "nan"], "--lr nan: it must be finite and above 0"),
        (["--held-out-share", "1.5"], "--held-out-share 1.5"),
        (["--fsdp"], "add --workers"),
        (["--context-parallel", "2"], "--workers 1 is no multiple of that; give --workers 2"),
        (["--context-parallel", "3", "--workers", "3"], "4 attention heads.*use one of 1, 2, 4"),
        (["--workers", "2"], "--packs-per-step 1 feeds 1 of 2"),
    ):
        for resume in ([], ["--resume"]):
            with pytest.raises(UserError, match=said):
                train(folder, out, *more, *resume)
            assert contents(out) == before, more
    with pytest.raises(UserError, match="holds no checkpoint .state.pt. to go on from"):
        train(folder, tmp_path / "new", "--resume")
    assert not (tmp_path / "new").exists()


def test_ctrl_c_and_the_same_command_end_in_the_same_weights(
    tmp_path, trained, monkeypatch, capsys
):
    """The hint `run the same command again to go on` once started from step 0 and deleted the checkpoint."""
    import os
    import signal

    import dit.train.loop
    from jobs.cli import main

    folder, whole = trained
    often = ["--log-every", "1", "--checkpoint-every", "100"]
    step = dit.train.loop.train_step

    def interrupted(run, *rest):
        row = step(run, *rest)
        if run.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return row

    words = ["train-dit", str(folder), "--out", str(tmp_path / "cut")]
    words += ["--steps", "4", "--tokens-per-pack", "60", "--held-out-share", "0.15"]
    words += ["--eval-every", "2", "--sample-every", "0", *often]
    monkeypatch.setattr(dit.train.loop, "train_step", interrupted)
    assert main(words) == 130
    assert "run the same command again to go on" in capsys.readouterr().err
    assert load_state(tmp_path / "cut" / "state.pt")["step"] == 3
    monkeypatch.setattr(dit.train.loop, "train_step", step)
    assert main(words) == 0
    assert "step 3 of 4" in capsys.readouterr().out
    assert load_dit(tmp_path / "cut").id == load_dit(whole).id
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [1, 2, 3, 4]


def test_nothing_held_out_is_told(tmp_path, trained, capsys):
    assert train(trained[0], tmp_path / "run", "--held-out-share", "0", *ONE) == 0
    assert "0 of 24 clips are held out" in capsys.readouterr().err


def test_a_dit_moves_to_the_latents_of_another_vae_when_told_to(tmp_path, trained):
    run = trained[1]
    other = write_folder(tmp_path / "other", vae_id="vae1")
    words = ["--init", str(run), "--new-vae", *ONE]
    assert train(other, tmp_path / "moved", *words) == 0
    before, after = load_dit(run), load_dit(tmp_path / "moved")
    assert (before.latents.vae_id, after.latents.vae_id) == ("vae0", "vae1")
    assert train(other, tmp_path / "fresh", "--seed", "1", *ONE) == 0
    name = next(n for n, p in before.model.named_parameters() if p.ndim == 2)

    def far(one, two):
        return (one.model.state_dict()[name] - two.model.state_dict()[name]).norm()

    assert far(before, after) < 0.5 * far(before, load_dit(tmp_path / "fresh"))


def test_sample_writes_videos_sheets_and_a_grid(tmp_path, models):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A red circle moves left.\n\nA blue ring stays still.\n")
    words = [
        "--prompts",
        str(prompts),
        "--prompt",
        "A green cross.",
        "--size",
        "48x32",
        "--frames",
        "5",
    ]
    assert sample.main([*words, "--steps", "2", "--out", str(tmp_path / "out"), *models]) == 0
    videos = sorted((tmp_path / "out").glob("*.mp4"))
    assert [v.name[:3] for v in videos] == ["000", "001", "002"]
    assert videos[0].name == "000-a-green-cross.mp4"
    for video in videos:
        frames, _ = decode_clip(video.read_bytes())
        assert frames.shape == (5, 32, 48, 3)
        assert video.with_suffix(".png").exists()
    how = json.loads(videos[1].with_suffix(".json").read_text())
    assert (how["prompt"], how["seed"], how["frames"]) == ("A red circle moves left.", 1, 5)
    assert how["settings"]["steps"] == 2 and set(how["models"]) == {"dit", "vae", "text_encoder"}
    assert (tmp_path / "out" / "grid.png").exists()
    first = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.[mpwj]*[4gpn]")}
    again = ["--prompt", "A green cross.", "--size", "48x32", "--frames", "5", "--steps", "1"]
    assert sample.main([*again, "--out", str(tmp_path / "out"), *models]) == 0
    named = tmp_path / "out" / "prompts.json"
    assert all(path.read_bytes() == body for path, body in first.items() if path != named)
    assert {"000-a-green-cross.mp4", "003-a-green-cross.mp4"} <= set(json.loads(named.read_text()))
    assert (tmp_path / "out" / "grid-003.png").exists()


def test_sample_starts_from_an_image(tmp_path, models):
    from PIL import Image

    Image.new("RGB", (100, 60), (200, 30, 30)).save(tmp_path / "first.png")
    words = ["--prompt", "A red circle.", "--frames", "5", "--steps", "2", "--size", "32x32"]
    out = tmp_path / "out"
    image = ["--image", str(tmp_path / "first.png")]
    assert sample.main([*words, *image, "--out", str(out), *models]) == 0
    assert len(list(out.glob("*.mp4"))) == 1


def test_sample_errors_are_one_line(tmp_path, models, vae_file):
    with pytest.raises(UserError, match="nothing to sample"):
        sample.main(["--out", str(tmp_path), *models])
    with pytest.raises(UserError, match="WIDTHxHEIGHT"):
        sample.main(["--prompt", "x", "--size", "64", *models])
    with pytest.raises(UserError, match="no.png cannot be read"):
        sample.main(["--prompt", "x", "--image", str(tmp_path / "no.png"), *models])
    with pytest.raises(UserError, match="no DiT at"):
        sample.main(["--prompt", "x", "--dit", str(tmp_path / "none")])
    with pytest.raises(UserError, match="--frames 6 does not fit the VAE; give 1 \\+"):
        sample.main(["--prompt", "x", "--frames", "6", *models])
    with pytest.raises(UserError, match="multiple"):
        sample.main(["--prompt", "x", "--size", "60x64", *models])


def test_a_vae_the_dit_was_not_trained_with_is_refused(tmp_path, models, dit_file):
    from vae.checkpoint import save_vae
    from vae.config import VAEConfig
    from vae.model import VideoVAE

    torch.manual_seed(1)
    save_vae(VideoVAE(VAEConfig.preset("tiny")), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="give the VAE that made them"):
        sample.main(
            ["--prompt", "x", "--dit", str(dit_file), "--vae", str(tmp_path / "other.safetensors")]
        )


def test_a_damaged_clip_is_left_out_and_listed_beside_the_run(tmp_path):
    """Without the list nobody learns which latents to make anew."""
    folder = write_folder(tmp_path / "latents")
    store = LatentStore(str(folder))
    payload = to_bf16(store.posterior(3)[0])
    (part,) = (p for p in folder.glob("part-*.parquet") if payload in p.read_bytes())
    damaged = bytearray(part.read_bytes())
    damaged[damaged.index(payload)] ^= 0x55
    part.write_bytes(damaged)
    assert train(folder, tmp_path / "dit", "--held-out-share", "0", "--steps", "6") == 0
    lines = (tmp_path / "dit" / "quarantine.jsonl").read_text().splitlines()
    assert [json.loads(line)["clip_id"] for line in lines] == [store.clip_ids[3]]


def test_adherence_scores_generated_videos_beside_their_ceilings(tmp_path, models, capsys):
    words = ["--prompts", "2", "--steps", "1", "--size", "48x48", "--out", str(tmp_path)]
    assert adherence.main([*words, *models]) == 0
    result = json.loads((tmp_path / "adherence.json").read_text())
    assert result["rendered"]["right"] == result["rendered"]["frames_right"] == 1.0
    assert result["generated"]["frames_right"] == 0.0, "it has learned nothing"
    assert "videos right in every frame" in capsys.readouterr().out


def test_sheets_are_the_same_every_time_and_training_does_not_notice_them(
    tmp_path, capsys, monkeypatch
):
    """Sheets and TensorBoard on or off: bitwise the same weights, averages and moments, and the same lines."""
    from torch.utils.tensorboard import SummaryWriter  # noqa: F401  its import is slow and not what is tested

    from tests.dit.train.test_loop import logged, same_weights
    from vae.checkpoint import load_vae, save_vae
    from vae.config import VAEConfig
    from vae.model import VideoVAE

    monkeypatch.setattr("jobs.train.dit_results.SHEET_STEPS", 2)
    torch.manual_seed(0)
    vae = tmp_path / "vae.safetensors"
    save_vae(VideoVAE(dataclasses.replace(VAEConfig.preset("tiny"), latent_channels=4)), vae)
    folder = write_folder(tmp_path / "latents", vae_id=load_vae(vae).id)
    fp32 = ["--precision", "fp32", "--steps", "2"]
    drawn = ["--sample-every", "1", "--vae", str(vae), "--tensorboard"]
    train(folder, tmp_path / "plain", *fp32)
    train(folder, tmp_path / "drawn", *fp32, *drawn)
    capsys.readouterr()
    train(folder, tmp_path / "again", *fp32, *drawn)
    assert "train-dit: samples: " in capsys.readouterr().err, (
        "drawing takes long, and says that it goes on"
    )
    same_weights(tmp_path / "plain", tmp_path / "drawn")
    assert logged(tmp_path / "plain") == logged(tmp_path / "drawn")
    sheets = [sorted((tmp_path / n / "samples").glob("*.png")) for n in ("drawn", "again")]
    assert [p.name for p in sheets[0]] == ["step-000001.png", "step-000002.png"]
    bytes_of = [[p.read_bytes() for p in paths] for paths in sheets]
    assert bytes_of[0] == bytes_of[1] and len(set(bytes_of[0])) == 2
    assert not (tmp_path / "plain" / "tensorboard").exists()


def test_tensorboard_has_the_numbers_and_a_resumed_run_takes_the_place_of_what_it_does_again(
    tmp_path,
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from jobs.train.dit_progress import Board

    for steps in ((1, 2, 3), (2, 3, 4)):  # killed after 3, resumed from 1
        board = Board(tmp_path)
        for step in steps:
            row = {"stage": "x", "step": step, "loss": step + len(steps), "t0.5": 0.25}
            board(row | {"held_out_shapes": {"5x8x8": 0.125}})
        board.picture(steps[-1], np.zeros((8, 8, 3), np.uint8))
        time.sleep(1.1)  # event files are ordered by the second in their names
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [
        (1, 4.0), (2, 5.0), (3, 6.0), (4, 7.0)
    ]  # fmt: skip
    assert found.Scalars("held_out/t0.5")[0].value == 0.25
    assert found.Scalars("held_out/5x8x8")[0].value == 0.125
    assert found.Images("samples")[-1].step == 4


def test_the_progress_line_says_how_far_above_the_floor_the_loss_is(capsys):
    from jobs.train.dit_progress import Line

    row = dict.fromkeys(("loss", "grad_norm", "lr", "tokens_per_s", "clips_per_s", "waste"), 0.5)
    Line()({**row, "excess": 0.125, "step": 7, "progress": 1.0, "elapsed_s": 9.0, "held_out": 0.4})
    line = capsys.readouterr().err
    for part in ("loss 0.5000 (+0.1250 over floor)", "held-out 0.4", "grad 0.50", "waste 50.0%"):
        assert part in line


@pytest.mark.skipif(find_spec("peft") is None, reason="peft is not installed")
def test_adapters_from_the_command_line(tmp_path, trained):
    folder, base = trained
    fine = tmp_path / "fine"
    assert train(folder, fine, "--init", str(base), "--lora-rank", "2", *ONE) == 0
    assert load_dit(fine).info["train"]["optimizer"] == "adamw"
    assert (fine / "state.pt").stat().st_size < (base / "state.pt").stat().st_size / 5
    first = load_dit(fine).id
    (fine / ".done" / "train-dit.json").unlink()
    (fine / "dit.safetensors").unlink()
    assert train(folder, fine, "--resume", *ONE) == 0  # knows its base and rank
    assert load_dit(fine).id == first
    with pytest.raises(UserError, match="name it with --init"):
        train(folder, tmp_path / "none", "--lora-rank", "2")
    for words, message in (
        (["--workers", "2", "--lora-rank", "2"], "adapters are small"),
        ([], "--wor"),
    ):
        with pytest.raises(UserError, match=message):
            train(folder, tmp_path / "none", "--init", str(base), "--fsdp", *words)


def test_a_dit_is_distilled_and_taken_up_again(tmp_path, small_base, monkeypatch):
    """The few-step model knows its steps; the same command goes on with it bit for bit."""
    import dit.train.loop

    folder, base = small_base
    few, again = tmp_path / "few", tmp_path / "again"
    words = ["--distil-from", str(base), "--distil-steps", "2", "--distil-teacher-steps", "4"]
    assert train(folder, few, *words, "--condition-share", "0.5") == 0
    made = load_dit(few)
    baked = made.model.config.few_steps
    assert (baked.steps, baked.guidance, baked.parts) == (2, 4.0, 2)
    assert baked.teacher == made.info["started_from"] == load_dit(base).id != made.id
    assert {"step1", "step2"} <= set(made.info["held_out"])
    assert "2 steps" in (few / "CARD.md").read_text()
    step = dit.train.loop.train_step

    def killed(run, *rest):
        if run.step == 3:
            raise KeyboardInterrupt
        return step(run, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dit.train.loop, "train_step", killed)
        train(folder, again, *words, "--condition-share", "0.5")
    assert load_state(again / "state.pt")["step"] == 2
    assert train(folder, again, *words, "--condition-share", "0.5", "--resume") == 0
    assert load_dit(again).id == made.id


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--distil-steps 2", "--distil-steps is about a model of few steps"),
        ("--distil-from embedded --distil-steps 3", "8 steps of the teacher are no multiple of 3"),
        ("--distil-from embedded --fsdp --workers 2", "leave --fsdp out"),
        ("--distil-from embedded --width 128", "leave --width and --heads out"),
        ("--width 100", "--width 100 is no multiple of 64"),
        ("--width 128 --heads 3", "over 3 heads"),
        ("--init embedded --width 128", "leave --width and --heads out"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, words, said):
    with pytest.raises(UserError, match=said):
        train_dit.main([str(tmp_path), "--out", str(tmp_path / "run"), *words.split()])


def test_a_few_step_model_is_neither_followed_nor_trained_as_usual(tmp_path, small_base):
    folder, base = small_base
    few = tmp_path / "few"
    loaded = load_dit(base)
    shape = dataclasses.replace(loaded.model.config, few_steps=FewSteps(teacher=loaded.id))
    model = DiT(shape)
    save_dit(model, loaded.latents, few / "dit.safetensors")
    with pytest.raises(UserError, match="training as usual would undo it"):
        train(folder, tmp_path / "none", "--init", str(few))
    with pytest.raises(UserError, match="was distilled to 4 steps already"):
        train(folder, tmp_path / "none", "--distil-from", str(few))
    assert not (tmp_path / "none").exists()
    resumed = ["--init", str(few), "--distil-from", str(base)]
    assert train(folder, tmp_path / "more", *resumed, *ONE) == 0


def test_sample_and_verbs_use_what_a_few_step_model_has_baked_in(
    tmp_path, models, dit_file, capsys
):
    loaded = load_dit(dit_file)
    few = tmp_path / "few.safetensors"
    shape = dataclasses.replace(loaded.model.config, few_steps=FewSteps(steps=2, teacher_steps=4))
    model = DiT(shape)
    model.load_state_dict(loaded.model.state_dict())
    save_dit(model, loaded.latents, few)
    words = ["--dit", str(few), *models[2:], "--frames", "5", "--prompt", "a red circle"]
    assert sample.main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "2 steps each" in capsys.readouterr().out
    (made,) = (tmp_path / "out").glob("000-*.json")
    settings = json.loads(made.read_text())["settings"]
    assert (settings["steps"], settings["guidance"]) == (2, 4.0)
    for clash in (["--steps", "8"], ["--guidance", "1"], ["--solver", "heun"]):
        with pytest.raises(UserError, match="was distilled to 2 steps"):
            sample.main([*words, "--out", str(tmp_path / "none"), *clash])
    picture = tmp_path / "out" / made.with_suffix(".png").name
    with pytest.raises(UserError, match="starts from noise alone"):
        verbs.edit(
            [str(picture), *words[:4], "--strength", "0.5", "--out", str(tmp_path / "e.mp4")]
        )
    size = ["--size", "64x64", "--frames", "5", "--prompt", "a red circle"]
    out = tmp_path / "animated.mp4"
    assert verbs.animate([str(picture), *words[:4], *size, "--out", str(out)]) == 0
    assert json.loads(out.with_suffix(".json").read_text())["settings"]["steps"] == 2
    assert not (tmp_path / "none").exists()


def test_int8_weights_name_their_extra_or_sample(tmp_path, models, capsys):
    words = [
        *models,
        "--frames",
        "5",
        "--steps",
        "2",
        "--prompt",
        "a red circle",
        "--weights",
        "int8",
    ]
    if find_spec("torchao") is None:
        with pytest.raises(UserError, match=r"pip install 'filmstock\[quant\]'"):
            sample.main([*words, "--out", str(tmp_path / "none")])
        assert not (tmp_path / "none").exists()
        return
    assert sample.main([*words, "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 1


def test_width_and_depth_are_free(tmp_path, trained):
    """Sizes between the presets train, and the weights say what they are."""
    folder, _ = trained
    words = f"{folder} --out {tmp_path / 'run'} --width 128 --depth 2 --steps 1 --tokens-per-pack 60 --sample-every 0"
    assert train_dit.main(words.split()) == 0
    config = load_dit(tmp_path / "run").model.config
    assert (config.width, config.depth, config.heads) == (128, 2, 1)
    assert read_config(tmp_path / "run") == config
