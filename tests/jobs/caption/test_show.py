"""``--show`` writes what a model is sent of a clip, and asks nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.caption.command import main
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers import caption_media as media
from tests.helpers.faulty_server import FaultyServer
from tests.helpers.tiny_vlms import qwen3_vl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("show") / "run"
    media.make_run_folder(run, clips=2)
    return run


def shown(folder: Path, out: Path, *settings: str) -> list[Path]:
    options = [part for text in settings for part in ("--set", text)]
    assert main([str(folder), "--show", "clip001", "--show-to", str(out), *options]) == 0
    assert not (folder / "captions").exists(), "it was only to be shown"
    return sorted(out.iterdir())


def test_the_embedded_captioner(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = shown(folder, tmp_path, "caption.frames=4")
    assert [path.name for path in files] == [
        "dense.txt",
        *(f"frame-0{i}.png" for i in range(4)),
        "short.txt",
    ]
    assert np.asarray(Image.open(files[1])).shape == (48, 64, 3)
    said = capsys.readouterr().out
    # Four frames of 16 tokens each, their numbers, the question and two marks.
    assert "4 frames of 64 x 48 as frames" in said
    assert "<image> x 16" in files[0].read_text() and "Describe everything." in files[0].read_text()


def test_a_model_with_a_video_input(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_torchvision()
    model = qwen3_vl(tmp_path / "vlm")
    files = shown(folder, tmp_path / "out", f'caption.model="{model}"', "caption.frames=4")
    text = next(path for path in files if path.name == "dense.txt").read_text()
    assert text.count(" seconds>") == 2, "a time for each two frames"
    assert "4 frames of 64 x 48 as video" in capsys.readouterr().out


def test_a_server_is_not_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultyServer() as server:
        files = shown(
            folder,
            tmp_path,
            'caption.backend="openai"',
            'caption.model="vlm"',
            f'caption.base_url="{server.url}"',
            "caption.frames=3",
            'caption.kinds=["dense"]',
        )
        assert not server.bodies
    text = files[0].read_text()
    assert text.count("[image_url: data:image/png;base64") == 3
    assert text.startswith("<0.1 seconds>\n[image_url")
    assert "counted by the server" in capsys.readouterr().out


def test_a_clip_that_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    from jobs.core.errors import UserError

    for clip, why in (("nothing", "no kept clip"), ("clip", "several kept clips")):
        with pytest.raises(UserError, match=why):
            main([str(folder), "--show", clip, "--show-to", str(tmp_path)])
    with pytest.raises(UserError, match="asks no model"):
        main([str(folder), "--show", "clip001", "--set", 'caption.kinds=["facts"]'])
