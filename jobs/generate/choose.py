"""Draw several videos of a prompt, judge them, keep the best; and try once more with what failed put first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.core.console import say
from jobs.generate.judge import Judged, judge_video, open_clip_for, with_relevance
from pipeline.video.window import Window

Draw = Callable[[Sequence[str], Sequence[int], int], list[np.ndarray]]
"""Takes texts, the number of the prompt that each stands for and the seed of the first, gives a video for each; seeds
count up."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The video kept for one prompt."""

    video: np.ndarray
    prompt: str
    """What it was drawn from: the prompt, or its refined form."""
    seed: int
    judged: Judged


def choose(
    prompts: Sequence[str],
    draw: Draw,
    *,
    fps: float,
    seed: int,
    best_of: int,
    refine: bool,
    clip_model: str,
    device: str,
) -> list[Chosen]:
    """For each prompt the best of ``best_of`` videos; with ``refine`` against as many of the refined prompt, too.

    Candidate ``k`` of prompt ``i`` has seed ``seed + k * len(prompts) + i``, so the first is that of a plain run.
    """
    model = open_clip_for(clip_model, device)

    def candidates(texts: Sequence[str], asked: Sequence[int], start: int) -> list[list[Chosen]]:
        """Videos of each text, judged by the prompt that was asked."""
        count = len(texts)
        videos = draw([*texts] * best_of, [*asked] * best_of, start)
        judged = with_relevance(
            [
                judge_video(
                    Path(str(i)),
                    Window(frames=video, fps=fps),
                    prompts[asked[i % count]],
                    model,
                )
                for i, video in enumerate(videos)
            ],
            model,
        )
        made = [
            Chosen(video=video, prompt=texts[i % count], seed=start + i, judged=judged[i])
            for i, video in enumerate(videos)
        ]
        return [made[i::count] for i in range(count)]

    drawn = candidates(prompts, range(len(prompts)), seed)
    kept = [max(each, key=rank) for each in drawn]
    if best_of > 1:
        say(f"best of {best_of}: {gain([each[0] for each in drawn], kept)}")
    if not refine:
        return kept
    failing = [i for i, each in enumerate(kept) if each.judged.failed]
    if not failing:
        say("refine: no assertion failed, nothing to do")
        return kept
    texts = [refined(prompts[i], kept[i].judged.failed) for i in failing]
    more = candidates(texts, failing, seed + best_of * len(prompts))
    better = list(kept)
    for i, new in zip(failing, more, strict=True):
        better[i] = max([kept[i], *new], key=rank)
    say(f"refine: {len(failing)} of {len(prompts)} prompts again: {gain(kept, better)}")
    return better


def rank(chosen: Chosen) -> tuple[float, float, float]:
    """What makes one video better than another: nothing wrong, then frames right, then the overall figure."""
    judged = chosen.judged
    return (
        -float(len(judged.wrong)),
        judged.frames_right if judged.frames_right is not None else 0.0,
        judged.overall or 0.0,
    )


def refined(prompt: str, failed: Sequence[str]) -> str:
    """The prompt with the sentences of its failed assertions first; if they are first already, said once more."""
    from captioner.truth.assertions import split

    if not failed:
        return prompt
    sentences = list(dict.fromkeys(sentence for _, sentence in split(prompt)))
    of = {part: sentence for part, sentence in split(prompt)}
    first = list(dict.fromkeys(of.get(part, part) for part in failed))
    ordered = [*first, *(sentence for sentence in sentences if sentence not in first)]
    text = " ".join(ordered)
    return text if text != " ".join(sentences) else " ".join([text, *first])


def gain(before: Sequence[Chosen], after: Sequence[Chosen]) -> str:
    """What choosing has gained, mean over the prompts, in words."""
    said = []
    for name in ("frames_right", "relevance", "overall"):
        pairs = [
            (was, now)
            for a, b in zip(before, after, strict=True)
            if (was := getattr(a.judged, name)) is not None
            and (now := getattr(b.judged, name)) is not None
        ]
        if pairs:
            was, now = np.mean(pairs, axis=0)
            said.append(f"{name.replace('_', ' ')} {was:.3f} -> {now:.3f}")
    return ", ".join(said) or "nothing could be measured"
