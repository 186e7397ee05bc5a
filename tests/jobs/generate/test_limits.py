"""What cannot be sampled is refused from headers and arithmetic, before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.core import named
from jobs.core.errors import UserError
from jobs.generate import limits
from jobs.generate.limits import check, check_size
from jobs.generate.sample import Args, main

OURS = {"dit": "embedded", "vae": "embedded"}


def test_sides_and_frames_that_do_not_fit_are_refused_with_those_that_do() -> None:
    check_size(64, 48, 17, **OURS)
    check_size(64, 64, 1, **OURS)
    with pytest.raises(UserError, match=r"--size 65x64: .*multiples of 16 .*give 64x64"):
        check_size(65, 64, 17, **OURS)
    with pytest.raises(UserError, match=r"--size 0x0: .*give 16x16"):
        check_size(0, 0, 17, **OURS)
    with pytest.raises(UserError, match=r"--frames 16 .*1 \+ a multiple of 4, such as 17"):
        check_size(64, 64, 16, **OURS)


def test_a_video_that_memory_does_not_hold_is_refused_with_both_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "free_memory", lambda: 8e9)
    with pytest.raises(
        UserError, match=r"--size 10000x10000 with 17 frames needs about \d+ GB .* 8 GB are free"
    ):
        check_size(10000, 10000, 17, **OURS)
    check_size(256, 256, 17, **OURS)
    monkeypatch.setattr(limits, "free_memory", lambda: None)
    check_size(10000, 10000, 17, **OURS)


def test_guidance_and_frames_take_memory() -> None:
    of = {"side": 8, "time": 4, "config": {"width": 192, "mlp_ratio": 3, "patch": [1, 2, 2]}}
    plain = limits.memory_needed(512, 512, 17, guided=False, **of)
    assert limits.memory_needed(512, 512, 17, guided=True, **of) > plain
    assert 1.9 < limits.memory_needed(512, 512, 33, guided=False, **of) / plain < 2.1
    wide, tall = (
        limits.memory_needed(*size, 17, guided=True, **of) for size in ((1024, 128), (128, 1024))
    )
    assert wide == tall == pytest.approx(limits.memory_needed(512, 256, 17, guided=True, **of))


def test_a_window_needs_room_for_one_new_latent_frame() -> None:
    limits.check_window(17, 4, "embedded")
    with pytest.raises(UserError, match=r"--context 5 leaves no room .* give --frames 21 or more"):
        limits.check_window(17, 5, "embedded")


def test_what_is_no_model_is_refused_by_its_header(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no DiT at .*nowhere; train one"):
        check_size(64, 64, 17, dit=str(tmp_path / "nowhere"), vae="embedded")
    cut = tmp_path / "dit.safetensors"
    body = named.weights_file("embedded", "dit").read_bytes()
    cut.write_bytes(body[: len(body) // 2])
    with pytest.raises(UserError, match="dit.safetensors is not a readable safetensors file"):
        check_size(64, 64, 17, dit=str(tmp_path), vae="embedded")
    with pytest.raises(UserError, match="was not written by filmstock's DiT"):
        check_size(64, 64, 17, dit=str(named.weights_file("embedded", "vae")), vae="embedded")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--guidance nan", "--guidance nan: it must be finite and at least 0"),
        ("--guidance -1", "--guidance -1.0: it must be"),
        ("--shift 0", "--shift 0.0: it must be above 0"),
        ("--shift -2", "--shift -2.0: it must be above 0"),
        ("--fps 0", "--fps 0.0: it must be at least 0.01"),
        ("--steps 0", "--steps 0: it must be at least 1"),
        ("--frames -1", "--frames -1: it must be at least 1"),
        ("--seed -1", "--seed -1: it must be at least 0"),
        ("--device tpu", "device 'tpu' is unknown; use auto, cpu"),
        ("--rule magic", "guidance rule 'magic' is unknown"),
        ("--solver magic", "solver 'magic' is unknown"),
        ("--size 64", "--size '64' is no size"),
        ("--like run", "add --expand"),
        ("--image {tmp}", "cannot be read"),
        ("--out {file}", "is a file; give a folder"),
        ("--prompts {file}", "holds no caption"),
        ("--prompts {tmp}", "cannot be read"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_one_line(
    options: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    words = options.format(tmp=tmp_path, file="file").split()
    prompt = [] if words[0] == "--prompts" else ["--prompt", "A red circle."]
    with pytest.raises(ValueError) as caught:
        main([*prompt, *words])
    assert said in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing was written"


def test_vaes_of_other_kinds_are_asked_when_they_are_loaded() -> None:
    check_size(48, 48, 16, dit="embedded", vae="my_vae:Vae")
    check_size(48, 48, 16, dit="embedded", vae="diffusers:/models/wan")


def test_a_plain_command_passes(tmp_path: Path) -> None:
    check(Args(prompt=("a",), out=tmp_path / "new"), 64, 64)
