"""The plain values of a training state are read without torch; nothing else in the file is believed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.training.facts import read_facts
from pipeline.training.state import save_state
from tests.helpers.unsafe_state import save_unsafe_state


def state() -> dict:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    optimizer.step()
    return {
        "step": 7,
        "elapsed_s": 1.5,
        "train_config": {"lr": None, "kinds": ("dense", "short"), "nested": {"share": 0.1}},
        "window": [{"loss": 1.0}],
        "model": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "size": torch.Size((2, 3)),
        "name": "caf\u00e9",
    }


def test_plain_values_are_as_they_were_saved_and_tensors_are_none(tmp_path: Path) -> None:
    saved = state()
    save_state(tmp_path / "state.pt", saved)
    found = read_facts(tmp_path / "state.pt")
    plain = ("step", "elapsed_s", "train_config", "window", "name")
    assert {name: found[name] for name in plain} == {name: saved[name] for name in plain}
    assert list(found["model"]) == ["weight", "bias"] and found["model"]["weight"] is None
    groups, had = (each["optimizer"]["param_groups"] for each in (found, saved))
    assert groups == had
    assert found["parameter"] is None and found["device"] is None


def test_torch_is_not_imported(tmp_path: Path) -> None:
    save_state(tmp_path / "state.pt", state())
    code = (
        "import sys; from pathlib import Path; from pipeline.training.facts import read_facts\n"
        "print(read_facts(Path(sys.argv[1]))['step'], 'torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    words = [sys.executable, "-c", code, str(tmp_path / "state.pt")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=root)
    assert done.stdout == "7 False\n", done.stderr


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    save_unsafe_state(tmp_path / "state.pt", ran)
    with pytest.raises(ValueError, match="state.pt is not a readable training state"):
        read_facts(tmp_path / "state.pt")
    assert not ran.exists()


@pytest.mark.parametrize("keep", [0, 10, 400, -30])
def test_a_damaged_file_is_one_line_with_the_way_out(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "state.pt"
    save_state(path, state())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a readable training state .*; give another --out"):
        read_facts(path)


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "state.pt")
    with pytest.raises(ValueError, match="it holds no table of values"):
        read_facts(tmp_path / "state.pt")
