"""Our side of vLLM: stand-ins that have its signatures, since vLLM itself cannot share an environment."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.backends.base import Request
from captioner.backends.open import check_backend, open_backend
from captioner.config import CaptionConfig
from tests.helpers import vllm_stand_in
from tests.helpers.vllm_stand_in import stand_in

CONFIG = CaptionConfig(
    backend="vllm",
    model="org/vlm@abc",
    frames=3,
    max_new_tokens=77,
    max_model_len=4096,
    gpu_memory=0.8,
    concurrency=3,
    seed=5,
)


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    return stand_in(monkeypatch)


def ask(name: str, **changes: Any) -> Request:
    frames = from_pixels(np.zeros((2, 8, 8, 3), np.uint8), 1.0)
    return Request(clip_id=name, kind="short", frames=frames, prompt=f"say {name}", **changes)


def engine() -> Any:
    return vllm_stand_in.LAST


def test_a_bad_row_costs_itself_and_a_slow_one_holds_up_no_other(
    prompts: list[dict[str, Any]],
) -> None:
    backend = open_backend(CONFIG)
    rows = [ask("slow"), ask("b", seed=6, temperature=0.7), ask("bad"), ask("d", schema={"x": 1})]
    replies = list(backend.caption(iter([*rows, ask("e", max_new_tokens=154)])))
    by_clip = {reply.clip_id: reply for reply in replies}
    assert len(replies) == 5 and replies[-1].clip_id == "slow"
    assert by_clip["e"].text == "say e!" and by_clip["e"].finish == "stop"
    assert by_clip["bad"].text is None and by_clip["bad"].error == "ValueError: bad image"
    assert engine().most == 3, "as many in flight as concurrency says"
    again = list(backend.caption(iter([ask("b")])))  # the next block of clips, the same engine
    assert [reply.text for reply in again] == ["say b!"]
    backend.close()
    assert engine().closed


def test_limits_and_sampling_are_what_the_recipe_says(prompts: list[dict[str, Any]]) -> None:
    backend = open_backend(CONFIG)
    rows = [ask("a"), ask("b", seed=6, temperature=0.7), ask("d", schema={"x": 1})]
    assert not [r for r in backend.caption(iter([*rows, ask("e", max_new_tokens=154)])) if r.error]
    args = engine().args
    assert (args.model, args.revision, args.seed) == ("org/vlm", "abc", 5)
    assert (args.max_model_len, args.gpu_memory_utilization) == (4096, 0.8)
    assert args.limit_mm_per_prompt == {"image": 3, "video": 0}
    sampling = engine().sampling
    plain = sampling["say a"]
    assert (plain.max_tokens, plain.temperature, plain.seed) == (77, 0.0, 0)
    assert plain.output_kind.name == "FINAL_ONLY" and plain.structured_outputs is None
    assert (sampling["say b"].temperature, sampling["say b"].seed) == (0.7, 6)
    assert sampling["say d"].structured_outputs.json == {"x": 1}
    assert sampling["say e"].max_tokens == 154
    backend.close()


def test_frames_go_in_with_their_times_or_as_one_video(
    prompts: list[dict[str, Any]],
) -> None:
    from dataclasses import replace

    for shown_as, text in (
        ("auto", "<0.2 seconds>|<image>|<0.8 seconds>|<image>|say a"),
        ("frames", "<image>|<image>|say a"),
        ("video", "<video>|say a"),
    ):
        backend = open_backend(replace(CONFIG, shown_as=shown_as))
        (reply,) = backend.caption(iter([ask("a")]))
        assert reply.error is None, reply
        assert prompts[-1]["prompt"] == text
        backend.close()
    (video,) = prompts[-1]["multi_modal_data"]["video"]
    pixels, told = video
    assert pixels.shape == (2, 8, 8, 3)
    assert told["do_sample_frames"] is False and told["duration"] == 1.0
    assert [index / told["fps"] for index in told["frames_indices"]] == [0.25, 0.75]
    assert engine().args.limit_mm_per_prompt == {"image": 0, "video": 1}


def test_vllm_absent_is_one_line_with_the_way_out() -> None:
    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vLLM is installed here")
    for call in (check_backend, open_backend):
        with pytest.raises(ValueError, match=r"not installed.*vllm serve"):
            call(CONFIG)


def test_the_embedded_model_is_not_for_vllm(prompts: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="transformers"):
        open_backend(CaptionConfig(backend="vllm"))
