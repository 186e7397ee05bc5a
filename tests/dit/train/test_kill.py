"""kill -9 at every write, flush and rename of a step that logs, saves and exports: what is resumed is the same run."""

import builtins
import dataclasses
import io
import itertools
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import torch

import dit.train.loop as training
from dit.checkpoint import load_dit
from dit.config import DiTConfig, TrainConfig
from dit.train.loop import train
from pipeline.training.state import load_state
from tests.dit.train.test_loop import flatten, logged, packs
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import TEXT_DIM, write_folder
from tests.helpers.warm_python import spawned_warm

MODEL = DiTConfig(
    width=12, depth=1, heads=2, mlp_ratio=1, refiner_depth=1, latent_channels=4, text_dim=TEXT_DIM
)
CONFIG = TrainConfig(
    steps=4, tokens_per_pack=40, precision="fp32", warmup_steps=2, optimizer="adamw",
    checkpoint_every=2, eval_every=2, log_every=1, sample_every=0,
)  # fmt: skip


def die_at(number: int) -> None:
    """SIGKILL this process before its ``number``-th fsync or rename, or in the middle of that write."""
    count = itertools.count(1)
    real_open = io.open

    def strike() -> None:
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    class Torn(io.FileIO):
        def write(self, data):
            done = super().write(bytes(data)[: len(data) // 2])
            strike()
            return done + super().write(bytes(data)[done:])

    def open_torn(file, mode="r", buffering=-1, *rest, **options):
        if "b" not in mode or "r" in mode:
            return real_open(file, mode, buffering, *rest, **options)
        raw = Torn(file, mode.replace("b", ""))
        return raw if buffering == 0 else io.BufferedWriter(raw)

    def before(function):
        def call(*args, **options):
            strike()
            return function(*args, **options)

        return call

    builtins.open = io.open = open_torn
    os.fsync, os.replace = before(os.fsync), before(os.replace)


def visible(out: Path) -> dict[str, bytes]:
    """What a resumed run reads."""
    return {p.name: p.read_bytes() for p in sorted(out.iterdir()) if p.name[0] != "."}


def kill_everywhere(folder: str, out: str, kept: str) -> None:
    """Train to the last step, and there let a child finish the run for every number of ``die_at``."""
    torch.set_num_threads(1)
    place, real = Path(out), training.add_metrics

    def at_last_step(where, row):
        if row["step"] == CONFIG.steps:
            before = visible(place)
            for number in itertools.count(1):
                child = os.fork()
                if child == 0:
                    training.add_metrics = real
                    die_at(number)
                    return real(where, row)  # and on to the end of the run
                _, status = os.waitpid(child, 0)
                if os.waitstatus_to_exitcode(status) == 0:
                    os._exit(0)
                assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
                shutil.copytree(place, Path(kept) / str(number))
                for path in place.iterdir():
                    path.unlink()
                for name, data in before.items():
                    (place / name).write_bytes(data)
        return real(where, row)

    training.add_metrics = at_last_step
    train(MODEL, CONFIG, packs(Path(folder), CONFIG), place)
    os._exit(0)  # the child that no number killed


def test_a_kill_at_any_write_of_a_save_changes_nothing(tmp_path):
    folder = write_folder(tmp_path / "latents")
    context = multiprocessing.get_context("spawn")
    paths = [str(folder), str(tmp_path / "out"), str(tmp_path / "killed")]
    process = context.Process(target=kill_everywhere, args=paths)
    with spawned_warm():  # it kills its forks, and not itself
        process.start()
    process.join(500)
    assert process.exitcode == 0
    train(MODEL, CONFIG, packs(folder, CONFIG), tmp_path / "whole")
    whole = load_state(tmp_path / "whole" / "state.pt")
    left: dict[tuple, list[Path]] = {}
    for path in sorted((tmp_path / "killed").iterdir(), key=lambda p: int(p.name)):
        files = visible(path)
        step = load_state(path / "state.pt")["step"]
        lines = files["metrics.jsonl"]
        left.setdefault((step, "dit.safetensors" in files, lines), []).append(path)
    assert sum(map(len, left.values())) > 20
    assert {(step, done) for step, done, _ in left} == {(2, False), (4, False), (4, True)}
    for paths in left.values():
        out = paths[-1]
        train(MODEL, CONFIG, packs(folder, CONFIG), out, resume=True)
        state = load_state(out / "state.pt")
        for part in ("model", "optimizer", "ema"):
            pairs = zip(flatten(whole[part]), flatten(state[part]), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs), part
        for part in ("cursor", "step", "held_out", "skipped"):
            assert state[part] == whole[part]
        assert logged(out) == logged(tmp_path / "whole")
        assert load_dit(out).id == load_dit(tmp_path / "whole").id


def test_a_line_of_metrics_may_span_a_kill(tmp_path):
    """Lines every 2 steps, states every 3: the mean that is logged at step 4 has step 3 of the process that died."""
    folder = write_folder(tmp_path / "latents")
    config = dataclasses.replace(CONFIG, log_every=2, checkpoint_every=3)
    train(MODEL, config, packs(folder, config), tmp_path / "whole")
    train(MODEL, config, packs(folder, config), tmp_path / "cut", stop_after=3)
    torch.manual_seed(99)  # nothing that is drawn hangs on the global generator
    before = torch.get_rng_state()
    train(MODEL, config, packs(folder, config), tmp_path / "cut", resume=True)
    assert torch.equal(torch.get_rng_state(), before)
    rows = json_lines(tmp_path / "cut" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4]
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")
