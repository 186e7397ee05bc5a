"""References and retrieval in `sample`: read at any size, refused before a model is loaded, and written down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dit.checkpoint import load_dit, save_dit
from dit.latents import LatentSpec
from dit.model import DiT
from jobs.core.errors import Refused, UserError
from jobs.generate import shown
from jobs.generate.marks import Marks
from jobs.generate.sample import Args, main, run
from jobs.generate.shown import Prompted, Shown, read_files, reference_size
from jobs.search.retrieve import Answer, Found, Retrieval
from jobs.train.dit_setup import WithTag
from pipeline import load_text_encoder
from pipeline.video.encode import encode_mp4
from tests.helpers.world_set import prepare

FRAMES = np.linspace(0, 255, 9 * 32 * 48 * 3).reshape(9, 32, 48, 3).astype(np.uint8)
QUICK = {"frames": 1, "steps": 2, "size": "32x32", "device": "cpu"}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """picture.png of 50x30, video.mp4 of 9 frames, long.mp4 of 60, words.png that is none."""
    folder = tmp_path_factory.mktemp("media")
    Image.fromarray(FRAMES[0]).resize((50, 30)).save(folder / "picture.png")
    (folder / "video.mp4").write_bytes(encode_mp4(FRAMES, 8))
    (folder / "long.mp4").write_bytes(encode_mp4(FRAMES[:1].repeat(60, 0), 8))
    (folder / "words.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The embedded DiT with a tag for references, which it has not learned to read."""
    from dataclasses import replace

    loaded = load_dit()
    model = DiT(replace(loaded.model.config, references=True))
    weights = WithTag(loaded.model.state_dict(), loaded.model.config.width)
    model.load_state_dict({name: weights[name].clone() for name in weights})
    folder = tmp_path_factory.mktemp("dit")
    save_dit(model, loaded.latents, folder / "dit.safetensors")
    assert isinstance(loaded.latents, LatentSpec) and not torch.any(model.reference)
    return str(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("set")
    clip = load_text_encoder("embedded")
    ids = prepare(folder, clip)
    Retrieval.clip = clip  # the one that is loaded
    return folder, ids


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*args: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("jobs.generate.videos.open_models", load)


@pytest.mark.parametrize(
    ("size", "like", "fits"),
    [
        ((64, 64), (64, 64), (64, 64)),
        ((1920, 1080), (64, 64), (80, 48)),
        ((30, 50), (128, 80), (80, 128)),
        ((9000, 3), (64, 64), (128, 32)),
        ((5, 5), (16, 16), (16, 16)),
    ],
)
def test_a_reference_of_any_size_keeps_its_aspect_and_fits(size, like, fits) -> None:
    assert reference_size(*size, like, 16) == fits


def test_pictures_and_videos_are_read_and_named_by_their_hash(media: Path) -> None:
    found = read_files([media / "picture.png", media / "video.mp4"], (64, 64), 16, 8.0)
    assert [x.shape for x in found.frames] == [(48, 80, 3), (9, 48, 80, 3)]
    assert [each["frames"] for each in found.records] == [1, 9]
    assert all(len(name) == 64 for name in found.names)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["absent.png"], "absent.png cannot be read"),
        (["words.png"], "words.png is neither a picture nor a video"),
        (["long.mp4"], "more than 49 frames at 8 a second"),
        (["picture.png"] * 5, "give at most 4"),
    ],
)
def test_what_is_no_reference_is_one_line_before_a_model_is_loaded(
    files: list[str], said: str, media: Path, takes: str, tmp_path: Path, no_models: None
) -> None:
    files = [str(media / name) for name in files]
    argv = ["--prompt", "It moves right.", "--dit", takes, "--out", str(tmp_path / "new")]
    with pytest.raises(UserError, match=said):
        main([*argv, "--reference", *files])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--reference", "picture.png"], "the DiT embedded takes no references"),
        (["--retrieve", "nowhere"], "does not exist"),
        (["--retrieve", ".", "--like", "."], "both say what to be like"),
        (["--retrieve", ".", "--expand-url", "server"], "it must start with http"),
        (["--expand", "--expand-url", "http://127.0.0.1:1/v1"], "needs --expand-model"),
        (["--expand-url", "http://x/v1", "--expand-model", "m"], "add it, or --retrieve"),
        (["--retrieve", "empty"], "holds neither manifest/ nor shards"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    more: list[str], said: str, media: Path, tmp_path: Path, no_models: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(media)
    (media / "empty").mkdir(exist_ok=True)
    with pytest.raises(UserError, match=said):
        main(["--prompt", "A red circle.", "--out", str(tmp_path / "new"), *more])
    assert not (tmp_path / "new").exists()


def test_a_reference_is_shown_and_written_down(
    media: Path, takes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = Args(prompt=("A circle.",), dit=takes, reference=(media / "picture.png",), out=out, **QUICK)  # fmt: skip
    run(args)
    (file,) = out.glob("000-*.json")
    made = json.loads(file.read_text())
    (record,) = made["references"]
    assert record == {**record, "file": "picture.png", "frames": 1, "width": 48, "height": 32}
    assert made["settings"]["reference_scale"] == 1.5
    assert made["inputs"][0]["sha256"] == record["sha256"]
    assert f"shown {record['sha256']}" in capsys.readouterr().out


def test_what_is_retrieved_is_said_used_and_written_down(
    dataset: tuple[Path, list[str]], takes: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder, ids = dataset
    prompt = "A red circle moves to the right."
    for name, dit in (("plain", "embedded"), ("shown", takes)):
        run(Args(prompt=(prompt,), dit=dit, retrieve=folder, retrieved=2, out=tmp_path / name, **QUICK))  # fmt: skip
        (file,) = (tmp_path / name).glob("000-*.json")
        made = json.loads(file.read_text())
        found = [ids.index(each["clip_id"]) for each in made["retrieved"]]
        assert set(found) == {0, 2} and made["asked"] == prompt
        assert made["prompt"].startswith("A ") and "red circle moves" in made["prompt"]
        printed = capsys.readouterr().out
        assert all(ids[i] in printed for i in found)
        shown_clips = [each["clip_id"] for each in made.get("references", [])]
        assert shown_clips == ([ids[found[0]]] if name == "shown" else [])


def test_two_prompts_that_become_one_text_keep_what_is_theirs() -> None:
    def answer(prompt: str, clip: str) -> Answer:
        found = Found(
            clip_id=clip, similarity=0.5, caption="", source_id="s", start_s=0.0, end_s=1.0
        )
        return Answer(prompt=prompt, found=(found,), examples=(), library=None)

    both = Prompted(
        shown=(Shown(frames=(FRAMES[0],)), Shown(frames=(FRAMES[1],))),
        answers=(answer("a ring", "one"), answer("the ring", "two")),
    )
    assert [both.record(i)["asked"] for i in (0, 1)] == ["a ring", "the ring"]
    assert [both.names(i) for i in (0, 1)] == [("one",), ("two",)]
    (first,), (second,), (third,) = both.references([1, 0, 1])
    assert (first == FRAMES[1]).all() and (second == FRAMES[0]).all() and third is first
    assert Prompted().references([0]) is None and Prompted().record(0) == {}


def test_an_unsafe_prompt_is_refused_before_anything_is_looked_up(
    dataset: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.search.retrieve.open_retrieval", lambda folder: 1 / 0)
    with pytest.raises(Refused, match="naked"):
        run(Args(prompt=("A naked woman",), retrieve=dataset[0], out=tmp_path / "o", **QUICK))


def test_a_container_names_what_was_shown() -> None:
    marks = Marks(weights="ab12")
    plain, more = marks.tags("A ring."), marks.tags("A ring.", ("clip1", "clip2"))
    assert more["comment"] == plain["comment"] + "; shown clip1, clip2"


def test_a_picture_of_several_frames_is_read_as_a_video(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in FRAMES[::4]]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=125)
    assert not shown.is_picture(tmp_path / "a.gif")
    (frames,) = read_files([tmp_path / "a.gif"], (48, 32), 16, 8.0).frames
    assert frames.ndim == 4
