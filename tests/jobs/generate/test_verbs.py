"""The commands over files: what they write, and which input they refuse before a model is loaded."""

from __future__ import annotations

import itertools
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.cli import main
from jobs.core.errors import UserError
from jobs.generate import verbs
from jobs.generate.marks import Marks
from jobs.generate.result import MOST_SHOWN, VideoFile, load_models
from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4

QUICK = ["--steps", "1", "--guidance", "1", "--prompt", "A red circle moves right."]
FRAMES = np.linspace(0, 255, 9 * 32 * 48 * 3).reshape(9, 32, 48, 3).astype(np.uint8)


@pytest.fixture(scope="module")
def loaded() -> dict:
    return {}


@pytest.fixture(autouse=True)
def one_load(loaded, monkeypatch):
    """The embedded models, loaded once for all tests of this file; everything is checked as ever."""

    def load(args, video, **what):
        if "models" not in loaded:
            loaded["models"] = load_models(args, video, **what)
        loaded["models"].check_video(video, what["least"], what["what"])
        return loaded["models"]

    monkeypatch.setattr(verbs, "load_models", load)


@pytest.fixture
def no_models(monkeypatch):
    def load(*args, **what):
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(verbs, "load_models", load)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    path.write_bytes(encode_mp4(FRAMES, 8))
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    Image.fromarray(FRAMES[0]).save(path)
    return path


def made(folder: Path, words: list[str]) -> tuple[np.ndarray, dict]:
    """Frames and JSON of a command's result."""
    out = folder / words[0] / "made.mp4"
    assert main([*words, *QUICK, "--out", str(out)]) == 0
    assert out.with_suffix(".png").is_file()
    assert Image.open(out.with_suffix(".webp")).n_frames > 1, "equal frames are merged"
    return decode_clip(out.read_bytes())[0], json.loads(out.with_suffix(".json").read_text())


def test_animate(tmp_path, picture):
    video, how = made(tmp_path, ["animate", str(picture), "--frames", "5"])
    assert video.shape == (5, 32, 48, 3)
    assert how["made_by"] == "filmstock animate"
    assert how["synthetic"] is True
    assert how["inputs"][0]["file"] == "picture.png"
    assert len(how["inputs"][0]["sha256"]) == 64
    assert how["settings"]["steps"] == 1
    assert set(how["models"]) == {"dit", "vae", "text_encoder"}


@pytest.mark.parametrize(("more", "kept"), [([], slice(0, 9)), (["--backward"], slice(8, 17))])
def test_extend(tmp_path, clip, more, kept):
    video, how = made(
        tmp_path, ["extend", str(clip), "--seconds", "1", "--frames", "9", *more, "--context", "1"]
    )
    assert len(video) == 9 + 8
    assert (how["frames"], how["frames_kept"]) == (17, 9)
    assert np.abs(video[kept].astype(int) - FRAMES).mean() < 4, "the clip itself, encoded again"


def test_loop_and_connect(tmp_path, clip):
    video, _ = made(tmp_path, ["loop", str(clip), "--frames", "3"])
    assert len(video) == 9 + 3
    video, how = made(tmp_path, ["connect", str(clip), str(clip), "--frames", "3"])
    assert len(video) == 9 + 3 + 9
    assert how["frames_kept"] == 18


def test_edit_and_inpaint(tmp_path, clip):
    video, _ = made(tmp_path, ["edit", str(clip), "--strength", "0"])
    assert np.abs(video.astype(int) - FRAMES).mean() < 4, "nothing is changed"
    words = ["inpaint", str(clip), "--region", "0,0,16x16", "--span", "0-0.5"]
    video, how = made(tmp_path, words)
    assert np.abs(video[4:].astype(int) - FRAMES[4:]).mean() < 4
    assert how["frames_kept"] == 5


def test_a_video_of_another_rate_and_size_is_brought_to_what_is_asked(tmp_path, clip):
    video, _ = made(
        tmp_path, ["edit", str(clip), "--strength", "0", "--fps", "4", "--size", "32x32"]
    )
    assert video.shape == (5, 32, 32, 3)
    assert np.abs(video.astype(int) - FRAMES[::2, :, 8:40]).mean() < 4


def test_a_long_video_has_no_preview_and_keeps_few_frames(tmp_path):
    file = VideoFile(tmp_path / "long.mp4", 8, marks=Marks(weights="0123"), prompt="")
    for _ in range(30):
        file.add(FRAMES)
    assert len(file.preview) == 161
    assert file.frames == 270


def test_a_sheet_of_a_long_video_is_drawn_from_few_frames_of_all_of_it(tmp_path):
    file = VideoFile(tmp_path / "long.mp4", 8, marks=Marks(weights="0123"), prompt="")
    for shade in range(200):
        file.add(np.full((9, 32, 48, 3), shade, np.uint8))
    assert len(file.shown) <= MOST_SHOWN
    shades = [int(frame[0, 0, 0]) for frame in file.shown]
    assert shades == sorted(shades)
    assert shades[0] == 0
    assert shades[-1] >= 198, "the end is among them"
    gaps = {b - a for a, b in itertools.pairwise(shades)}
    assert max(gaps) - min(gaps) <= 1, "evenly spread"
    assert all(frame.base is None for frame in file.shown), "no frame keeps its chunk"


@pytest.mark.parametrize("words", [["loop", "CLIP"], ["connect", "CLIP", "CLIP"]])
def test_memory_of_a_bridge_is_that_of_its_window_however_long_the_video(
    monkeypatch, tmp_path, words
):
    monkeypatch.setattr(verbs, "load_models", load_models)
    asked = []

    def check(width, height, frames, **what):
        asked.append(frames)
        raise UserError("far enough")

    monkeypatch.setattr("jobs.generate.result.check_size", check)
    long = tmp_path / "long.mp4"
    long.write_bytes(encode_mp4(FRAMES.repeat(11, axis=0), 8))
    words = [str(long) if word == "CLIP" else word for word in words]
    assert main([*words, "--out", str(tmp_path / "out.mp4")]) == 2
    assert asked == [17], "5 frames given before, 7 made, 4 given after, and the first of them"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["edit", "CLIP", "--strength", "1.2"], "--strength 1.2: it must be at least 0 and at most 1"),
        (["edit", "nowhere.mp4"], "nowhere.mp4 cannot be read: No such file"),
        (["animate", "CLIP"], "the picture"),
        (["inpaint", "CLIP"], "nothing to inpaint; give --region"),
        (["inpaint", "CLIP", "--region", "40,0,16x16"], "does not lie inside the video, which is 48x32"),
        (["inpaint", "CLIP", "--region", "four"], "is no region; give X,Y,WxH"),
        (["inpaint", "CLIP", "--span", "3-2"], "is no span; give START-END"),
        (["inpaint", "CLIP", "--span", "7-9"], "covers no frame"),
        (["inpaint", "CLIP", "--mask", "SMALL"], "is 8x8, the video 48x32; they must be of one size"),
        (["extend", "CLIP", "--seconds", "0.01"], "is no frame at 8 a second"),
        (["loop", "CLIP", "--size", "big"], "write WIDTHxHEIGHT, such as 64x64"),
        (["loop", "CLIP", "--frames", "6"], "--frames 6 does not fit the VAE; give 3 or 7"),
        (["connect", "CLIP", "CLIP", "--frames", "8"], "--frames 8 does not fit the VAE; give 7 or 11"),
        (["animate", "SMALL", "--frames", "16"], "--frames 16 does not fit the VAE; give 1 +"),
        (["animate", "SMALL", "--frames", "1"], "leaves nothing to make beside the picture; give 5"),
        (["extend", "CLIP", "--frames", "5", "--context", "9"], "--context 9 leaves no room"),
        (["extend", "CLIP", "--seconds", "1e12"], "give at most 3600"),
        (["extend", "PIPE"], "it is no file with bytes of its own"),
        (["animate", "HUGE"], "has more than 89 megapixels; make it smaller"),
        (["animate", "CUT"], "it is no picture, or cut short"),
        (["edit", "FOLDER"], "it is a folder; give a file"),
        (["edit", "CLIP", "--text", "nowhere"], "--text nowhere: "),
        (["edit", "CLIP", "--rule", "magic"], "guidance rule 'magic' is unknown"),
        (["edit", "CLIP", "--skip-blocks", "99", "--skip-scale", "1"], "has blocks 0 to 7; give some"),
        (["loop", "CLIP", "--zero-steps", "30"], "zero_steps is 30 of 30 steps"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_before_a_model_is_loaded(
    no_models, tmp_path, clip, capsys, words, said
):
    Image.new("L", (8, 8), 255).save(tmp_path / "small.png")
    os.mkfifo(tmp_path / "pipe.mp4")
    body = (tmp_path / "small.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(body[:-30])
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(body[:12] + header + check + body[33:])
    names = {"CLIP": str(clip), "FOLDER": str(tmp_path)}
    files = {"SMALL": "small.png", "PIPE": "pipe.mp4", "CUT": "cut.png", "HUGE": "huge.png"}
    names |= {name: str(tmp_path / file) for name, file in files.items()}
    out = tmp_path / "out.mp4"
    assert main([names.get(word, word) for word in words] + ["--out", str(out)]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["extend", "CLIP", "--context", "4"], "has 9 frames; to extend it it needs at least 13"),
    ],
)  # fmt: skip
def test_what_the_models_cannot_do_is_one_line(tmp_path, clip, capsys, words, said):
    out = tmp_path / "out.mp4"
    assert (
        main([str(clip) if word == "CLIP" else word for word in words] + ["--out", str(out)]) == 2
    )
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_sides_that_do_not_fit_are_refused_by_the_headers_alone(
    monkeypatch, tmp_path, clip, capsys
):
    monkeypatch.setattr(verbs, "load_models", load_models)
    monkeypatch.setattr("vae.loaded.open_vae", None)
    words = ["edit", str(clip), "--size", "50x30", "--out", str(tmp_path / "x.mp4")]
    assert main(words) == 2
    assert "--size 50x30: sides must be multiples of 16 above 0" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["made.mp4", "made.png", "made.json"])
def test_nothing_is_overwritten(no_models, tmp_path, picture, capsys, there):
    (tmp_path / there).write_text("mine")
    assert main(["animate", str(picture), "--out", str(tmp_path / "made.mp4")]) == 2
    assert f"{there} is there already; give another name" in capsys.readouterr().err
    assert (tmp_path / there).read_text() == "mine"


def test_a_result_that_is_no_mp4_is_refused(tmp_path, clip, capsys):
    assert main(["edit", str(clip), "--out", str(tmp_path / "made.gif")]) == 2
    assert "is no MP4" in capsys.readouterr().err
