"""The rewards that ``reward-dit`` knows by name, and those of others as ``module:object``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from jobs.core.console import warn
from jobs.core.errors import UserError, unknown, user_errors
from pipeline.extensions import is_extension, load_extension

if TYPE_CHECKING:
    from dit.reward.draw import Judges
    from pipeline.contracts import Reward
    from pipeline.openclip.model import OpenClipModel
    from pipeline.world.claims import Claims

NAMES = ("strict", "relevance", "coherence", "fluency")
"""Rewards of ours, see ``docs/reward.md``."""
NOT_MEASURED = 0.5
"""Coherence and fluency of a video that has too few frames for them."""


def check_rewards(weights: Mapping[str, float], prompts: Iterable[str]) -> None:
    """UserError for a reward that is unknown, weights that cannot be, and prompts that a reward cannot judge."""
    for name, weight in weights.items():
        if name not in NAMES and not is_extension(name):
            raise UserError(f"--reward: {unknown('reward', name, NAMES)}, or write module:object")
        if not (weight > 0 and np.isfinite(weight)):
            raise UserError(
                f"--reward {name} {weight:g}: a weight must be above 0; leave the reward out instead"
            )
        if is_extension(name):
            with user_errors():
                load_extension(name, "reward")
    if not weights:
        raise UserError(
            f"--reward names none; give some of {', '.join(NAMES)}, each with its weight"
        )
    if "strict" in weights:
        for prompt in prompts:
            check_world(prompt)


def check_world(prompt: str) -> None:
    """UserError for a prompt that the strict judge cannot hold a video against."""
    from pipeline.world.claims import claims_of
    from pipeline.world.vocabulary import is_far

    if is_far(prompt) or not claims_of(prompt).objects:
        raise UserError(
            f"--reward strict judges videos of the synthetic world, and the prompt {prompt[:60]!r} names no object of "
            'it, such as "a red circle"; take relevance, or other prompts'
        )


def open_judges(weights: Mapping[str, float], clip_model: str, device: str) -> Judges:
    """The rewards by name, ready to judge; CLIP is loaded where ``relevance`` is asked for."""
    from dit.reward.draw import Judges

    made: dict[str, Callable[[], Reward]] = {
        "strict": StrictReward,
        "relevance": lambda: RelevanceReward(open_model(clip_model, device)),
        "coherence": lambda: MotionReward("coherence"),
        "fluency": lambda: MotionReward("fluency"),
    }
    return Judges(
        parts={
            name: (
                weight,
                made[name]() if name in made else made_of(load_extension(name, "reward")),
            )
            for name, weight in weights.items()
        }
    )


def made_of(found: object) -> Reward:
    """What an extension names: a function as it is, a class constructed with nothing."""
    return found() if isinstance(found, type) else found  # type: ignore[return-value]


def open_model(name: str, device: str) -> OpenClipModel:
    """The CLIP that relevance asks."""
    from jobs.generate.judge import open_clip_for

    model = open_clip_for(name, device)
    if model is None:
        raise UserError(
            "--clip-model none goes without --reward relevance; name a CLIP, or another reward"
        )
    return model


class StrictReward:
    """The strict judge of the synthetic world: ``Verdict.score`` against all that the prompt claims; exact."""

    def __call__(
        self, videos: Sequence[np.ndarray], prompts: Sequence[str], fps: float
    ) -> np.ndarray:
        """Scores in [0, 1]; 1 for a video that is right in all."""
        from pipeline.world.strict import judge_strictly

        return np.array(
            [
                judge_strictly(video, fps, _claims(prompt)).score
                for video, prompt in zip(videos, prompts, strict=True)
            ]
        )


@cache
def _claims(prompt: str) -> Claims:
    from pipeline.world.claims import claims_of

    return claims_of(prompt)


class RelevanceReward:
    """CLIP's word on the prompt: each assertion ranked among sentences about other videos (``pipeline.quality``)."""

    def __init__(self, model: OpenClipModel) -> None:
        from jobs.generate.distractors import distractors

        self.model = model
        self._bank = distractors((), (), world=model.domain is not None)
        self._others = model.embed_texts(self._bank)
        self._texts: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(
        self, videos: Sequence[np.ndarray], prompts: Sequence[str], fps: float
    ) -> np.ndarray:
        """Relevance in [0, 1]; 0.5 for a prompt that asserts nothing."""
        from jobs.generate.judge import embed
        from pipeline.quality.relevance import relevance

        scores = []
        for video, prompt in zip(videos, prompts, strict=True):
            said, others = self._embedded(prompt)
            scores.append(
                relevance(said, embed(video, self.model)[None], others).score if len(said) else 0.5
            )
        return np.array(scores)

    def _embedded(self, prompt: str) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of a prompt's assertions and of the distractors; those of the prompt asked last are kept."""
        from captioner.truth.grounding import scored_assertions

        if prompt not in self._texts:
            said = scored_assertions(prompt)
            rest = [text not in said for text in self._bank]
            self._texts = {prompt: (self.model.embed_texts(said), self._others[rest])}
        return self._texts[prompt]


class MotionReward:
    """Coherence or fluency of ``filmstock judge``; neither needs a model or a prompt."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self, videos: Sequence[np.ndarray], prompts: Sequence[str], fps: float
    ) -> np.ndarray:
        """Scores in [0, 1]."""
        from pipeline.quality.motion import motion_quality

        found = [motion_quality(video) for video in videos]
        return np.array([NOT_MEASURED if q is None else getattr(q, self.name) for q in found])


def warn_of_foreign(prompts: Iterable[str], model: OpenClipModel) -> None:
    """Say that a CLIP of the synthetic world judges prompts of another."""
    from pipeline.world.vocabulary import is_far

    if model.warning and any(is_far(prompt) for prompt in prompts):
        warn(f"relevance: {model.warning}")
