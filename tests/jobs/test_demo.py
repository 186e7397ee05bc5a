"""The demo runs the commands that it prints, in order, and stops at the first that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import demo
from jobs.commands import COMMANDS as TABLE
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, UserError
from pipeline.video.encode import encode_mp4
from pipeline.world.render import render
from pipeline.world.scene import Obj, Scene

STEPS = ["film", "curate", "encode", "train-dit", "sample", "extend", "edit", "loop"]
ENDS: dict[str, int | None] = {}
"""Command -> the exit code with which it ends in these tests."""
CALLED: list[list[str]] = []


def ends(argv: list[str]) -> int | None:
    """Stands in every command's place, and says what it was called with."""
    name = STEPS[len(CALLED)]
    CALLED.append([name, *argv])
    return ENDS.get(name, EXIT_OK)


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    ENDS.clear()
    CALLED.clear()
    table = {name: command._replace(target=f"{__name__}:ends") for name, command in TABLE.items()}
    monkeypatch.setattr("jobs.commands.COMMANDS", table)


@pytest.mark.parametrize("failing", STEPS)
@pytest.mark.parametrize("code", [1, EXIT_USAGE, 4])
def test_a_failed_step_stops_the_demo(
    failing: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Going on would train and sample from what is not there, and end as if all were well."""
    ENDS[failing] = code
    with pytest.raises(UserError, match=f"filmstock {failing} ended with exit code {code}"):
        demo.main(["--out", str(tmp_path / "demo")])
    assert [name for name, *_ in CALLED] == STEPS[: STEPS.index(failing) + 1]
    printed = capsys.readouterr().out
    assert "The demo took" not in printed and "where to look" not in printed
    for words in CALLED:
        assert f"$ filmstock {' '.join(words)}\n" in printed, "the demo is also the tutorial"


def test_quarantined_sources_do_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The footage has a corrupt file on purpose: curate then ends with the code of a partial success."""
    ENDS.update(curate=EXIT_PARTIAL, encode=None)
    monkeypatch.setattr(demo, "judge_samples", lambda folder: [f"judged {folder.name}"])
    data = tmp_path / "demo" / "set"
    data.mkdir(parents=True)
    (data / "metrics.jsonl").write_text(
        '{"stage": "select", "funnel": {"clips": 9, "still": 7}}\n'
        '{"stage": "select", "funnel": {"clips": 9, "still": 8}}\n{"stage": "pack"}\n'
    )
    options = ["--minutes", "0.5", "--seed", "4", "--train-minutes", "0.25"]
    assert demo.main(["--out", str(tmp_path / "demo"), *options]) == EXIT_OK
    out = tmp_path / "demo"
    assert [name for name, *_ in CALLED] == STEPS
    assert CALLED[0][1:] == [f"{out}/raw", "--minutes", "0.5", "--files", "5", "--seed", "4"]
    assert CALLED[1][1:] == [f"{out}/raw", "--out", f"{out}/set", "--recipe", "demo"]
    assert CALLED[3][-2:] == ["--minutes", "0.25"] and CALLED[4][-2:] == ["--seed", "4"]
    for words in CALLED[5:]:
        assert words[-4:] == ["--dit", f"{out}/dit", "--out", f"{out}/verbs/{words[0]}.mp4"]
        assert Path(words[1]).parent == out / "samples"
    assert Path(CALLED[7][1]).name.startswith("002-a-large-yellow-triangle-stays-still")
    assert (out / "prompts.txt").read_text().splitlines() == list(demo.PROMPTS)
    printed = capsys.readouterr().out
    assert "judged samples" in printed and "still" in printed and "    8\n" in printed


def test_samples_are_judged_from_their_pixels(tmp_path: Path) -> None:
    """All show the scene of the first prompt, so the others' colours and shapes are wrong."""
    circle = Obj(
        shape="circle", colour="red", size="large", radius=0.23, x=0.3, y=0.5, vx=0.15, vy=0.0,
        motion="right", speed="slowly",
    )  # fmt: skip
    scene = Scene(
        seed=0, objects=(circle,), background="grey", texture="plain", camera="static",
        camera_speed=0.0, light="even", duration_s=2.0, texture_period=0.2,
    )  # fmt: skip
    video = encode_mp4(render(scene, width=96, height=64, fps=8.0, n_frames=16), 8.0)
    for number in range(len(demo.PROMPTS)):
        (tmp_path / f"{number}.mp4").write_bytes(video)
    lines = demo.judge_samples(tmp_path)
    judged = [line for line in lines if line.endswith(")")]
    assert len(judged) == len(demo.PROMPTS)
    assert judged[0].startswith("0.mp4: 16 of 16 frames right; all else right, too")
    for number, prompt in enumerate(demo.PROMPTS[1:], 1):
        assert judged[number].startswith(f"{number}.mp4: 0 of 16 frames right; wrong: missing in")
        assert judged[number].endswith(f"({prompt.split('.')[0]})")
    unseen = [line for line in lines if line not in judged]
    assert unseen == ["  training never showed: square that bounces up and down"]
