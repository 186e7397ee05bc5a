"""The figures of ``filmstock judge``, each worked out by hand, without a model and without a video."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.generate import judge
from pipeline.video.probe import MediaError
from pipeline.video.window import Window
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene

RED, BLUE = "A red circle moves left.", "A blue square rests."


def judged(name: str, **figures: Any) -> judge.Judged:
    return judge.Judged(path=Path(f"{name}.mp4"), **figures)


class Model:
    """A CLIP of two directions: what is red, and what is not."""

    def __init__(self, warning: str = "", domain: str | None = "world") -> None:
        self.warning, self.domain = warning, domain
        self.shown: list[list[int]] = []

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "red" in text else [0.0, 1.0] for text in texts])

    def embed_clip(self, frames: np.ndarray) -> np.ndarray:
        self.shown.append([int(frame.flat[0]) for frame in frames])
        return np.array([float(frames.mean()), 1.0])


def test_a_summary_is_the_mean_of_what_was_measured() -> None:
    rows = [
        judged("a", coherence=0.2, fluency=0.5, relevance=1.0, motion=3.0, frames_right=0.25),
        judged("b", coherence=0.6, fluency=0.7, motion=5.0),
    ]
    rows = [
        judge.replace(row, embedding=np.array(at))
        for row, at in zip(rows, ([1, 0], [0, 1]), strict=True)
    ]
    assert judge.summarise(rows) == {
        "videos": 2,
        "coherence": pytest.approx(0.4),
        "fluency": pytest.approx(0.6),
        "relevance": 1.0,
        "motion": pytest.approx(4.0),
        "frames_right": 0.25,
        "creativity": pytest.approx(1.0),
        "overall": pytest.approx(0.4 * 0.4 + 0.3 * 0.6 + 0.2 + 0.1),
    }
    nothing = judge.summarise([judged("a")])
    assert nothing["videos"] == 1 and {v for k, v in nothing.items() if k != "videos"} == {None}
    mixed = [judge.replace(rows[0], embedding=None), rows[1]]
    assert judge.summarise(mixed)["creativity"] is None, "one embedding has no diversity"


def test_a_row_is_what_the_file_of_figures_holds() -> None:
    row = judged("a", coherence=0.5, relevance=0.25, embedding=np.ones(2), wrong=("colour",)).row()
    assert row["path"] == "a.mp4" and row["overall"] == pytest.approx((0.2 + 0.05) / 0.6)
    assert row["wrong"] == ("colour",) and row["fluency"] is None and "embedding" not in row
    only = {"coherence": 0.4, "fluency": 0.3, "relevance": 0.2}
    for name, weight in only.items():
        assert judged("a", **{name: weight}).overall == pytest.approx(weight)
    assert judged("a").overall is None
    each = judged("a", coherence=1.0, fluency=0.5, relevance=0.0)
    assert each.overall == pytest.approx(0.55 / 0.9)


def test_the_table_as_it_is_printed() -> None:
    rows = [
        judged("none"),
        judged("clip-b", coherence=0.25, fluency=0.5, relevance=0.75, frames_right=0.5),
        judged("c", coherence=1, fluency=1, relevance=1, frames_right=0, wrong=("x", "y")),
    ]
    assert judge.table(rows).splitlines() == [
        "video          overall  coherence    fluency  relevance  frames right  wrong",
        "c.mp4            1.000      1.000      1.000      1.000         0.000  x, y",
        "clip-b.mp4       0.444      0.250      0.500      0.750         0.500",
        "none.mp4             -          -          -          -             -",
    ]
    assert judge.table(rows[:1]).splitlines() == [
        "video        overall  coherence    fluency  relevance",
        "none.mp4           -          -          -          -",
    ]


def test_the_line_of_the_set() -> None:
    summary = {
        "videos": 3, "overall": 0.5, "coherence": 0.25, "fluency": None, "relevance": 1,
        "creativity": 0.125, "frames_right": 0.0, "frechet_distance": 12.3456, "motion": 7,
    }  # fmt: skip
    assert judge.summary_line(summary) == (
        "judge: 3 videos: overall 0.500, coherence 0.250, relevance 1.000, creativity 0.125, "
        "frames right 0.000, frechet distance 12.346"
    )


def test_relevance_ranks_what_a_prompt_says_and_names_what_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each prompt's sentences among those of the others; a false one is among those that fail."""
    asked: list[tuple[list[str], list[str], bool]] = []

    def distractors(said: list[str], others: list[str], *, world: bool) -> list[str]:
        asked.append((said, others, world))
        return ["red", "grey", "grey", "grey"]

    monkeypatch.setattr("jobs.generate.distractors.distractors", distractors)
    red, grey = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    rows = [
        judged("a", prompt=f"{RED} {BLUE}", embedding=red, failed=("one",), frames_right=1.0),
        judged("b", prompt=BLUE, embedding=grey, frames_right=1.0),
        judged("c", embedding=red),
        judged("d", prompt=f"{RED} {BLUE}", embedding=grey, frames_right=1.0),
    ]
    out = judge.with_relevance(rows, Model())  # type: ignore[arg-type]
    assert [each.path for each in out] == [each.path for each in rows]
    # red fits above three of four and ties with the other: 0.875; grey ties with three: 0.375
    assert [each.relevance for each in out] == [
        pytest.approx(0.625), pytest.approx(0.625), None, pytest.approx(0.375),
    ]  # fmt: skip
    assert [each.failed for each in out] == [("one", BLUE), (), (), (RED,)]
    assert [(said, others) for said, others, _ in asked] == [
        ([RED, BLUE], [BLUE]),
        ([BLUE], [f"{RED} {BLUE}"] * 2),
        ([RED, BLUE], [BLUE]),
    ]
    assert {world for _, _, world in asked} == {True}
    assert judge.with_relevance(rows, None) == rows
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("warning", "domain", "prompt", "right", "told"),
    [
        ("it knows the world alone", "world", RED, None, True),
        ("it knows the world alone", "world", RED, 0.5, False),
        ("it knows the world alone", "world", None, None, False),
        ("", None, RED, None, False),
    ],
)
def test_a_clip_that_does_not_know_what_is_asked_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    warning: str,
    domain: str | None,
    prompt: str | None,
    right: float | None,
    told: bool,
) -> None:
    """A relevance of prompts that it never saw is no figure to choose a checkpoint by."""
    worlds: list[bool] = []

    def distractors(*_: Any, world: bool) -> list[str]:
        worlds.append(world)
        return ["grey"]

    monkeypatch.setattr("jobs.generate.distractors.distractors", distractors)
    rows = [judged("a", prompt=prompt, embedding=np.ones(2), frames_right=right)]
    judge.with_relevance(rows, Model(warning, domain))  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert ("relevance and creativity: it knows the world alone" in error) == told
    assert worlds == ([domain is not None] if prompt else [])


def test_clip_sees_eight_frames_evenly_spread() -> None:
    model = Model()
    frames = np.arange(97, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    judge.embed(frames, model)  # type: ignore[arg-type]
    (shown,) = model.shown
    assert len(shown) == 8 and shown == sorted(shown)
    gaps = np.diff(shown)
    assert gaps.max() - gaps.min() <= 1 and shown[0] < 13 and shown[-1] > 83


def test_one_video_s_figures_are_those_of_its_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = SimpleNamespace(coherence=0.1, fluency=0.2, motion=0.3)
    monkeypatch.setattr("pipeline.quality.motion.motion_quality", lambda frames: quality)
    seen: list[tuple[float, str]] = []

    def strict(frames: Any, fps: float, prompt: str) -> Any:
        seen.append((fps, prompt))
        return (0.5, ("w",), ("f",)) if prompt == RED else None

    monkeypatch.setattr(judge, "strict_view", strict)
    window = Window(frames=np.full((4, 2, 2, 3), 7, np.uint8), fps=12.0)
    got = judge.judge_video(Path("a.mp4"), window, RED, Model())  # type: ignore[arg-type]
    assert (got.path, got.prompt, got.motion) == (Path("a.mp4"), RED, 0.3)
    assert (got.coherence, got.fluency, got.relevance) == (0.1, 0.2, None)
    assert (got.frames_right, got.wrong, got.failed) == (0.5, ("w",), ("f",))
    assert got.embedding.tolist() == [7.0, 1.0]
    other = judge.judge_video(Path("a.mp4"), window, BLUE, None)
    assert (other.frames_right, other.wrong, other.failed) == (None, (), ())
    assert other.embedding is None and other.prompt == BLUE
    assert seen == [(12.0, RED), (12.0, BLUE)]
    judge.judge_video(Path("a.mp4"), window, None, None)
    assert len(seen) == 2, "without a prompt there is nothing to hold it to"
    monkeypatch.setattr("pipeline.quality.motion.motion_quality", lambda frames: None)
    still = judge.judge_video(Path("a.mp4"), window, None, None)
    assert (still.coherence, still.fluency, still.motion) == (None, None, None)


def test_the_strict_view_names_the_wrong_object_s_sentences() -> None:
    scene = random_scene(1, split="heldout", duration_s=17 / 8)
    frames = render(scene, width=64, height=64, fps=8, n_frames=17)
    text = caption(scene, "dense")
    assert judge.strict_view(frames, 8, text) == (1.0, (), ())
    first = scene.objects[0]
    name = f"{first.colour} {first.shape}"
    lie = text.replace(name, f"{first.colour} {'ring' if first.shape != 'ring' else 'cross'}")
    found = judge.strict_view(frames, 8, lie)
    assert found is not None and found[0] == 0 and found[1]
    assert found[2] and all(first.colour in sentence.lower() for sentence in found[2])
    assert judge.strict_view(frames, 8, "A man walks a dog in the park.") is None
    assert judge.strict_view(frames, 8, "The camera is still.") is None


class Files:
    """Videos that are read without decoding: a grey of their number; None cannot be read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *greys: int | None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for number, grey in enumerate(greys):
            (folder / f"{number}.mp4").write_text("" if grey is None else str(grey))

        def read_window(path: Path, *, sandbox: Any) -> Window:
            assert sandbox == "sandbox"
            if not (grey := Path(path).read_text()):
                where = f" in {path}" if Path(path).name == "1.mp4" else ""
                raise MediaError("open", "invalid_data", f"no video{where}")
            return Window(frames=np.full((4, 2, 2, 3), int(grey), np.uint8), fps=8.0)

        monkeypatch.setattr("pipeline.video.window.read_window", read_window)
        monkeypatch.setattr("pipeline.video.isolate.Sandbox", lambda: nullcontext("sandbox"))
        quality = SimpleNamespace(coherence=0.5, fluency=0.5, motion=0.5)
        monkeypatch.setattr("pipeline.quality.motion.motion_quality", lambda frames: quality)
        monkeypatch.setattr("pipeline.openclip.find.find_openclip", lambda name: None)
        monkeypatch.setattr("jobs.generate.distractors.distractors", lambda *_, world: ["grey"])
        self.loaded: list[str] = []

        def load(name: str, *, device: str) -> Model:
            self.loaded.append(f"{name} {device}")
            return Model()

        monkeypatch.setattr("pipeline.openclip.model.load_openclip", load)


def test_every_video_is_judged_by_its_own_prompt_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path / "v", monkeypatch, 10, None, 30)
    named = {"0.mp4": "A dog runs.", "2.mp4": "A cat sleeps."}
    (files.folder / "prompts.json").write_text(json.dumps(named))
    out = tmp_path / "figures.json"
    words = [str(files.folder), "--out", str(out), "--json", "--device", "cpu"]
    assert judge.main(words) == EXIT_PARTIAL
    printed = capsys.readouterr()
    assert f"no video in {files.folder}/1.mp4\n" in printed.err
    lines = printed.out.splitlines()
    assert lines[0] == "judge: 3 videos by CLIP embedded"
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    found = json.loads(out.read_text())
    assert found["videos"] == rows and len(rows) == 2 and found["summary"]["videos"] == 2
    assert [(Path(r["path"]).name, r["prompt"]) for r in rows] == list(named.items())
    assert lines[-1].startswith("judge: 2 videos: overall ")
    assert out.read_text().startswith('{\n "summary"') and out.read_text().endswith("}\n")
    assert [row["relevance"] for row in rows] == [0.5, 0.5], "neither knows red: a tie"
    assert [row["failed"] for row in rows] == [[], []], "which is no failure"
    assert printed.err.count(f"{files.folder}/1.mp4") == 1
    assert files.loaded == ["embedded cpu"], "the model is loaded once"
    one = [str(files.folder / "0.mp4"), "--clip-model", "none", "--prompt", RED]
    assert judge.main(one) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "judge: 1 video" and lines[1].startswith("video ") and len(lines) == 4
    assert len(files.loaded) == 1
    handed: list[Any] = []
    monkeypatch.setattr("jobs.generate.vbench.export_vbench", lambda *what: handed.append(what))
    assert judge.main([*one, "--json", "--vbench", str(tmp_path / "vbench")]) == EXIT_OK
    row = json.loads(capsys.readouterr().out.splitlines()[1])
    assert row["prompt"] == RED and row["relevance"] is None
    assert handed == [(tmp_path / "vbench", {files.folder / "0.mp4": RED})]


def test_what_cannot_be_read_at_all_ends_before_a_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path / "v", monkeypatch, None, None)
    with pytest.raises(UserError, match="^none of 2 videos could be read; give others$"):
        judge.main([str(files.folder)])
    with pytest.raises(UserError, match=r"0\.mp4: .*no video; give a video that can be read$"):
        judge.main([str(files.folder / "0.mp4")])
    assert files.loaded == []


def test_real_videos_are_a_second_set_of_the_same_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Means 20 and 50 of equal spread are 900 apart; with no CLIP there is nothing to measure it by."""
    files = Files(tmp_path / "v", monkeypatch, 10, 30)
    real = Files(tmp_path / "real", monkeypatch, 40, None, 60)
    out = tmp_path / "figures.json"
    words = [str(files.folder), "--real", str(real.folder), "--out", str(out)]
    assert judge.main(words) == EXIT_OK
    assert json.loads(out.read_text())["summary"]["frechet_distance"] == pytest.approx(900)
    printed = capsys.readouterr().out
    assert printed.startswith("judge: 2 videos by CLIP embedded\n")
    assert "frechet distance 900.000" in printed
    assert judge.main([*words, "--clip-model", "none"]) == EXIT_OK
    assert "frechet_distance" not in json.loads(out.read_text())["summary"]
    empty = Files(tmp_path / "broken", monkeypatch, None, None)
    with pytest.raises(UserError, match="broken holds no video that can be read"):
        judge.main([str(files.folder), "--real", str(empty.folder)])
    assert len(real.loaded) == 1 and empty.loaded == [], "refused before the work"


def test_places_and_names_that_cannot_be_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(tmp_path / "v", monkeypatch, 10, 30)
    (tmp_path / "file").touch()
    video = str(files.folder / "0.mp4")
    for words, says in (
        (["--out", str(tmp_path)], "--out"),
        (["--out", video], "--out"),
        (["--vbench", str(tmp_path / "file")], "--vbench"),
        (["--real", str(tmp_path / "nowhere")], "nowhere does not exist"),
    ):
        with pytest.raises(UserError, match=says):
            judge.main([str(files.folder), *words])

    def absent(name: str) -> None:
        raise ValueError(f"no CLIP {name}")

    monkeypatch.setattr("pipeline.openclip.find.find_openclip", absent)
    with pytest.raises(UserError, match="^--clip-model: no CLIP ViT-X$"):
        judge.main([str(files.folder), "--clip-model", "ViT-X"])
    assert files.loaded == [] and (files.folder / "0.mp4").read_text() == "10"


def test_a_clip_that_cannot_be_loaded_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, *, device: str) -> None:
        raise ValueError(f"{name} is damaged")

    monkeypatch.setattr("pipeline.openclip.model.load_openclip", broken)
    with pytest.raises(UserError, match="^ViT-B is damaged$"):
        judge.open_clip_for("ViT-B", "cpu")
    assert judge.open_clip_for("none", "cpu") is None


def test_what_a_world_video_shows_is_told_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path / "v", monkeypatch, 10)
    monkeypatch.setattr("pipeline.world.judge.judge", lambda frames, fps: (len(frames), fps))
    monkeypatch.setattr("jobs.world.judge.sentence", lambda seen: f"saw {seen}")
    words = [str(files.folder), "--clip-model", "none"]
    assert judge.main([*words, "--attributes"]) == EXIT_OK
    assert "0.mp4: saw (4, 8.0)\n" in capsys.readouterr().out
    assert judge.main(words) == EXIT_OK
    assert "saw" not in capsys.readouterr().out


def test_its_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        judge.main(["--help"])
    assert "usage: filmstock judge [" in capsys.readouterr().out
