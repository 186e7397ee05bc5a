"""``filmstock judge`` on small folders: figures, prompts from three places, exports, and what a person can mend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.generate import judge
from jobs.generate.distractors import distractors
from jobs.generate.judged_files import find_prompts
from pipeline.quality.overall import overall
from pipeline.video.encode import encode_mp4
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene

SCENES = [random_scene(seed, split="heldout", duration_s=17 / 8) for seed in (1, 2, 3)]
TEXTS = [caption(scene, "dense") for scene in SCENES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three world videos; the last one's prompt is another scene's."""
    out = tmp_path_factory.mktemp("videos")
    for i, scene in enumerate(SCENES):
        frames = render(scene, width=64, height=64, fps=8, n_frames=17)
        (out / f"{i}.mp4").write_bytes(encode_mp4(frames, 8))
    named = {"0.mp4": TEXTS[0], "1.mp4": TEXTS[1], "2.mp4": TEXTS[0]}
    (out / "prompts.json").write_text(json.dumps(named))
    return out


def test_figures_of_a_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, vbench = tmp_path / "figures.json", tmp_path / "vbench"
    words = [str(folder), "--out", str(out), "--vbench", str(vbench), "--real", str(folder)]
    assert judge.main(words) == EXIT_OK
    found = json.loads(out.read_text())
    rows = {Path(row["path"]).name: row for row in found["videos"]}
    assert rows["0.mp4"]["frames_right"] == rows["1.mp4"]["frames_right"] == 1
    assert rows["0.mp4"]["wrong"] == [] and rows["2.mp4"]["wrong"] != []
    assert rows["0.mp4"]["relevance"] > rows["2.mp4"]["relevance"]
    summary = found["summary"]
    for name in ("coherence", "fluency", "relevance"):
        assert summary[name] == pytest.approx(np.mean([row[name] for row in rows.values()]))
    assert rows["0.mp4"]["relevance"] > 0.85 > 0.7 > rows["2.mp4"]["relevance"]
    assert summary["overall"] == pytest.approx(overall(summary)) and summary["creativity"] > 0.01
    assert summary["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert json.loads((vbench / "prompts.json").read_text())["1.mp4"] == TEXTS[1]
    assert (vbench / "videos" / "1.mp4").read_bytes() == (folder / "1.mp4").read_bytes()
    printed = capsys.readouterr().out
    assert "frames right" in printed and "--mode=custom_input" in printed


def test_prompts_in_order_without_clip(folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(TEXTS) + "\n")
    out = tmp_path / "figures.json"
    words = [str(folder), "--prompts", str(prompts), "--clip-model", "none", "--out", str(out)]
    assert judge.main(words) == EXIT_OK
    found = json.loads(out.read_text())
    assert [row["frames_right"] for row in found["videos"]] == [1, 1, 1]
    assert found["summary"]["relevance"] is None and found["summary"]["creativity"] is None


def test_videos_of_two_folders_have_their_own_prompts_and_the_best_comes_first(
    tmp_path: Path,
) -> None:
    """Names repeat from folder to folder: 000.mp4 of one must not be judged by the prompt of the other."""
    videos = []
    for name, text in (("one", "A red circle."), ("two", "A blue square.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "prompts.json").write_text(json.dumps({"0.mp4": text}))
        videos.append(tmp_path / name / "0.mp4")
        videos[-1].touch()
    args = judge.Args(paths=(tmp_path,))
    found = find_prompts(args.prompt, args.prompts, videos)
    assert [found[path] for path in videos] == ["A red circle.", "A blue square."]
    rows = [
        judge.Judged(path=Path(name), coherence=value, fluency=value, relevance=value)
        for name, value in (("low.mp4", 0.2), ("high.mp4", 0.9), ("mid.mp4", 0.5))
    ]
    lines = judge.table(rows).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["high.mp4", "mid.mp4", "low.mp4"]


def test_what_a_person_can_mend(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        judge.main([str(tmp_path / "nowhere")])
    with pytest.raises(UserError, match="holds no video"):
        judge.main([str(tmp_path)])
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("one\n")
    with pytest.raises(UserError, match="1 prompts for 3 videos"):
        judge.main([str(folder), "--prompts", str(prompts)])
    named = tmp_path / "prompts.json"
    named.write_text("[1]")
    with pytest.raises(UserError, match="must map file names"):
        judge.main([str(folder), "--prompts", str(named)])
    with pytest.raises(UserError):
        judge.main([str(folder), "--clip-model", "no-such-model"])


def test_a_broken_video_is_left_out_and_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = [str(folder / "0.mp4"), str(broken), "--clip-model", "none"]
    assert judge.main(words) == EXIT_PARTIAL
    assert "broken.mp4" in capsys.readouterr().err
    with pytest.raises(UserError, match="broken.mp4.*give a video that can be read"):
        judge.main([str(broken), "--clip-model", "none"])


def test_distractors_are_never_the_prompts_own_words() -> None:
    said = ["A red circle moves left."]
    found = distractors(said, [TEXTS[0], "A red circle moves left."], world=False)
    assert said[0] not in found and len(found) > 40
    assert len(distractors(said, (), world=True)) > 60


def test_a_text_is_embedded_once_and_each_place_gets_its_own() -> None:
    """A folder of many videos asks for the same sentences of each."""
    asked: list[str] = []

    def lengths(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        return np.array([[len(text)] for text in texts])

    embed = judge.each_once(lengths)
    assert embed(["a", "bbb", "a"]).tolist() == [[1], [3], [1]]
    assert embed(["cc", "bbb"]).tolist() == [[2], [3]]
    assert asked == ["a", "bbb", "cc"]
