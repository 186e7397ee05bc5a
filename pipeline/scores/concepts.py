"""Zero-shot concept scores: how much nearer a clip's CLIP embedding is to a concept's prompts than to neutral ones.

A concept is a few prompts ("a black frame", "a blank screen"); the score is the softmax between the mean of its
prompt embeddings and the mean of the neutral prompts, at the model's own temperature: 0.5 means undecided. Scores
need the stored embedding only, so a new concept is scored over ``embeddings/`` without decoding anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np


class TextEmbedder(Protocol):
    """What concept scores need of a CLIP model."""

    @property
    def logit_scale(self) -> float: ...

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray: ...


class ConceptScorer:
    """Prompt embeddings of a set of concepts, ready to score clip embeddings."""

    def __init__(
        self,
        model: TextEmbedder,
        concepts: Mapping[str, Sequence[str]],
        neutral: Sequence[str],
    ) -> None:
        """``concepts`` maps a name to its prompts, ``neutral`` is what each of them is set against."""
        for name, prompts in concepts.items():
            if isinstance(prompts, str) or not prompts:
                raise ValueError(f"concept {name!r} needs a list of prompts, got {prompts!r}")
        if concepts and (isinstance(neutral, str) or not neutral):
            raise ValueError(f"neutral needs a list of prompts, got {neutral!r}")
        self.names = tuple(concepts)
        self._scale = model.logit_scale
        if not self.names:
            self._directions = np.zeros((0, 0), np.float32)
            return
        neutral_mean = _mean_direction(model.embed_texts(list(neutral)))
        self._directions = np.stack(
            [_mean_direction(model.embed_texts(list(concepts[n]))) for n in self.names]
        ) - neutral_mean  # fmt: skip

    def __call__(self, embeddings: np.ndarray) -> dict[str, np.ndarray]:
        """Scores of unit embeddings (D,) or (N, D): name -> float32 of shape () or (N,), in [0, 1]; NaN stays NaN."""
        if not self.names:
            return {}
        margin = self._scale * (np.asarray(embeddings, np.float32) @ self._directions.T)
        score = (0.5 * (1 + np.tanh(margin / 2))).astype(np.float32)
        return {name: score[..., i] for i, name in enumerate(self.names)}


def _mean_direction(vectors: np.ndarray) -> np.ndarray:
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
