"""``filmstock film`` and ``filmstock judge``: the commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.world import film, judge
from jobs.world.shards import run as render_world
from pipeline import schema as s
from pipeline.shards.read import open_manifest
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.world.captions import parse_caption
from pipeline.world.clips import WorldConfig
from pipeline.world.film import TRUTH_NAME
from pipeline.world.judge import judge as look
from pipeline.world.judge import score_against
from pipeline.world.render import render
from pipeline.world.scene import random_scene
from tests.helpers.warm_python import spawned_warm


@pytest.fixture(autouse=True, scope="module")
def warm() -> Iterator[None]:
    """Processes that render are forks."""
    with spawned_warm():
        yield


def test_film_writes_truth_and_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(tmp_path), "--minutes", "0.05", "--files", "1", "--corrupt", "0", "--workers", "1"]
    assert film.main(argv) == 0
    truth = json.loads((tmp_path / TRUTH_NAME).read_text())
    assert [entry["name"] for entry in truth["files"]] == ["film-00.mp4"]
    assert (tmp_path / "film-00.mp4").stat().st_size > 10_000
    capsys.readouterr()
    assert film.main(argv) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_film_refuses_what_it_cannot_shoot(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split 'training'"):
        film.main([str(tmp_path), "--split", "training"])
    with pytest.raises(UserError, match="at least one file must be sound"):
        film.main([str(tmp_path), "--files", "1", "--corrupt", "1"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    scene = random_scene(12, split="heldout", max_objects=1, duration_s=17 / 8)
    path = tmp_path_factory.mktemp("judge") / "clip.mp4"
    path.write_bytes(encode_mp4(render(scene, width=64, height=64, fps=8, n_frames=17), 8))
    return path, scene.objects[0].colour, scene.objects[0].shape


def test_judge_prints_what_it_sees(
    clip: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, colour, shape = clip
    assert judge.main([str(path), "--prompt", f"A {colour} {shape}."]) == 0
    out = capsys.readouterr().out
    assert f"{colour} {shape}" in out and "colour right, shape right" in out
    wrong = "red" if colour != "red" else "blue"
    assert judge.main([str(path), "--prompt", f"A {wrong} {shape}.", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["objects"][0][:2] == [colour, shape]
    assert seen["right"]["colour"] is False


def test_judge_says_what_it_cannot_read(
    clip: tuple[Path, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="cannot read"):
        judge.main([str(tmp_path / "absent.mp4")])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    assert judge.main([str(clip[0]), str(broken)]) == 3
    assert "cannot read" in capsys.readouterr().err
    with pytest.raises(UserError, match="names no object"):
        judge.main([str(clip[0]), "--prompt", "a nice picture"])


def test_world_shards_show_what_their_captions_say(tmp_path: Path) -> None:
    config = WorldConfig(clips=8, seed=3, split="heldout")
    manifest = open_manifest(render_world(config, tmp_path, workers=1))
    right = 0
    for index in range(len(manifest)):
        frames, _ = decode_clip(manifest.read(index))
        stated = parse_caption(manifest.row(index)[s.CAPTION_DENSE])
        right += all(score_against(stated, look(frames, config.fps)).values())
    assert right >= 7
