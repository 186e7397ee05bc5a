"""``captioner.caption``: a file or frames in, checked captions out; a defect is asked about again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from captioner import CaptionConfig, caption
from captioner.ask.frames import ClipFrames
from captioner.backends.base import Reply, Request, reply_to
from pipeline.schema import CaptionOutcome
from pipeline.video.encode import encode_mp4
from pipeline.video.probe import MediaError
from pipeline.world.render import render
from pipeline.world.scene import random_scene


class Scripted:
    """A backend that answers from a script and notes what it was asked."""

    model_id, pulls = "scripted", 2

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def prepare(self, frames: ClipFrames) -> ClipFrames:
        return frames

    def caption(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request)
            yield reply_to(request, text=self.answers[request.kind].pop(0), finish="stop")

    def close(self) -> None:
        raise AssertionError("the caller's backend is the caller's to close")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return render(random_scene(3, split="train"), width=64, height=64, fps=8.0, n_frames=8)


def test_an_answer_with_a_defect_is_asked_for_again(frames: np.ndarray):
    backend = Scripted(
        {"short": ["I cannot describe this.", "A red circle."], "dense": ["A circle moves."]}
    )
    found = caption(
        frames, kinds=("short", "dense"), seconds=1.0, backend=backend, config=CaptionConfig(seed=5)
    )
    assert (found["short"].text, found["short"].outcome) == ("A red circle.", CaptionOutcome.OK)
    assert found["short"].repairs == ("asked_again",)
    assert list(found) == ["short", "dense"]
    assert [(r.kind, r.seed, r.temperature > 0) for r in backend.asked] == [
        ("short", 5, False), ("dense", 5, False), ("short", 6, True),
    ]  # fmt: skip
    assert "1.0 second" in backend.asked[0].prompt


def test_a_file_is_sampled_and_described_by_the_embedded_model(frames: np.ndarray, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_mp4(frames, 8.0))
    found = caption(path, kinds=("short",))
    assert found["short"].outcome == CaptionOutcome.OK
    thing = random_scene(3, split="train").objects[0]
    assert thing.shape in str(found["short"].text)


def test_wrong_input_is_named(frames: np.ndarray, tmp_path):
    with pytest.raises(ValueError, match="give seconds="):
        caption(frames)
    with pytest.raises(ValueError, match="kind 'long' is not asked of a model"):
        caption(frames, kinds=("long",), seconds=1.0)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError):
        caption(tmp_path / "bad.mp4", backend=Scripted({}))
