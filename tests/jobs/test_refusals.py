"""What no command can do is refused in one line, before models are imported and before anything is made."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dit.files import weights_file
from jobs import cli
from pipeline.store.machine import free_memory
from pipeline.store.weights import METADATA, read_tensors, weights_header
from pipeline.training.state import save_state

REFUSED = {
    "judge a.mp4 --real nowhere": "nowhere does not exist; give video files",
    "judge a.mp4 --out a.mp4": "--out a.mp4 is also what is read; choose another file",
    "judge a.mp4 --out empty": "--out empty is a folder; give the name of a file",
    "judge a.mp4 --vbench a.mp4": "--vbench a.mp4",
    "judge a.mp4 --clip-model nowhere": "--clip-model: CLIP model 'nowhere' is unknown",
    "judge a.mp4 --prompts nowhere.txt": "No such file or directory; give a text file",
    "judge a.mp4 --prompts latin1.txt": "it is not UTF-8; give a text file",
    "judge a.mp4 --prompts pipe.mp4": "--prompts pipe.mp4 is no file; give a text file",
    "shots pipe.mp4": "pipe.mp4 is no file with bytes of its own; give a video file",
    "sample --prompt 'A red circle.' --skip-blocks 99 --skip-scale 1": "has blocks 0 to 7",
    "sample --prompt 'A red circle.' --best-of 2 --judge-clip nowhere": "--judge-clip: CLIP model",
    "sample --prompt 'A red circle.' --dit ''": "--dit '' is empty",
    "train-captioner run --out new --prompt '{nope}'": "placeholder {nope}",
    "plan --size 0x0": "'0x0' is no size; give width and height in multiples of 16",
    "plan --frames 80": "--frames 80: give 1 + a multiple of 4, such as 81",
    "plan --gpu-hour 4 2": "--gpu-hour 4 2: give the low price first",
    "status run --json --web": "--json and --web are two ways to show it; give one of them",
    "view run --who ' '": "--who ' ' is no name; give one",
    "edits empty": "empty holds no clips; give a run folder",
    "lineage '' --run run": "'' is no CLIP",
    "forget x --run empty": "empty holds no run; give the run folder",
    "export run --for videofolder --out new --template nowhere.j2": "nowhere.j2 is no file",
    "export run --for videofolder --out new --frames 0": "'0' is no list of counts; write",
    "sample --prompt 'A red circle.' --out run": "--out run holds a run of curate; choose another folder",
    "adherence --prompts 2 --out run": "--out run holds a run of curate; choose another folder",
    "film run --minutes 1": "--out run holds a run of curate; choose another folder",
    "world run --clips 4": "--out run holds a run of curate; choose another folder",
    "demo --out run": "--out run holds a run of curate; choose another folder",
    "curate a.mp4 --out run/manifest": "--out run/manifest is the table manifest of the run",
    "train-dit run --out run": "run is a run folder of filmstock curate; choose another",
    "serve embedded --device cuda:99": "device 'cuda:99' is not there",
    "train-dit run --out new --device cuda:99": "device 'cuda:99' is not there",
    "train-vae run --out new --device cuda:99": "device 'cuda:99' is not there",
    "judge a.mp4 --prompt x --prompts a.mp4": "--prompt and --prompts both name prompts",
    "expand circle --retrieve run --retrieved 0": "--retrieved 0: it must be at least 1",
    "sample --prompt x --fps 1e-320": "--fps 1e-320: it must be at least 0.01",
    "sample --prompt x --vae diffusers:": "VAE diffusers: names no folder",
    "sample --prompt x --text transformers:nowhere": "it is no folder, and no repository in the local cache",
    "sample --prompt x --dit shape": "shape/dit.safetensors does not fit its own config: given has shape (5,)",
    "train-dit run --out new --lr ''": "--lr '': it must be a number",
    "reward-dit --out new --reward strict": "--reward: give a name and a number each time",
    "reward-dit --out state": "is no checkpoint of reward-dit; give the same, or another --out",
    "train-clip --out state": "is no checkpoint of train-clip; give another --out",
    "pretrain-captioner --out state": "is no checkpoint of pretrain-captioner; give another --out",
}


@pytest.fixture
def home(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: each test sees that nothing is made in it."""
    tmp_path = tmp_path_factory.mktemp("home")
    (tmp_path / "run" / "manifest").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "latin1.txt").write_bytes("un caf\xe9".encode("latin-1"))
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("shape", "state"):
        (tmp_path / name).mkdir()
    save_state(tmp_path / "state" / "state.pt", {"epoch": 3, "weights": torch.zeros(3)})
    ours = weights_file("embedded")
    tensors = {**read_tensors(ours), "given": torch.zeros(5)}
    save_file(tensors, tmp_path / "shape/dit.safetensors", weights_header(ours)[METADATA])
    return tmp_path


@pytest.mark.parametrize("line", REFUSED)
def test_it_is_refused_in_one_line_and_nothing_is_made(
    line: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in home.rglob("*"))
    assert cli.main(shlex.split(line)) == 2
    told = capsys.readouterr().err
    assert REFUSED[line] in told and len(told.splitlines()) == 1, told
    assert sorted(path.name for path in home.rglob("*")) == before


def test_none_of_it_imports_torch(home: Path) -> None:
    lines = [shlex.split(line) for line in REFUSED]
    code = (
        "import gc, sys; gc.disable(); from jobs.cli import main\n"
        f"codes = [main(words) for words in {lines!r}]\n"
        "print(set(codes), 'torch' in sys.modules)"
    )
    root = Path(cli.__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=300,
    )
    assert done.stdout.splitlines()[-1] == "{2} False", done.stdout + done.stderr


def test_a_batch_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.core.errors import UserError
    from jobs.train.vae import check_memory
    from jobs.train.vae_args import Args
    from vae.config import TrainConfig

    if free_memory() is None:
        pytest.skip("this system does not say how much memory is free")
    args = Args(shards="x", out=Path("y"), train=TrainConfig(batch=10**8))
    with pytest.raises(UserError, match="--batch 100000000 of 17 frames"):
        check_memory(args)
