"""Does a video show what its prompt says? Assertion by assertion, in the space of a CLIP model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Relevance:
    """How the assertions of one prompt stand against one video."""

    score: float
    """Mean of ``shares``, in [0, 1]; about 0.5 for a prompt of something else."""
    shares: np.ndarray
    """(A,) for each assertion the share of the distractors that fit the video worse, in [0, 1]."""


def relevance(assertions: np.ndarray, frames: np.ndarray, distractors: np.ndarray) -> Relevance:
    """Rank each assertion of a prompt among sentences about other videos.

    An assertion's fit is the cosine of its embedding with the mean of the frames'. Cosines of sentences are not on one
    scale, so each is ranked among the distractors: the R-precision of Xu et al. 2018 (AttnGAN, section 4), whose one
    true caption of a hundred becomes each assertion of the prompt, as in TIFA (Hu et al. 2023).

    Args:
        assertions: (A, D) unit embeddings of the prompt's assertions, A >= 1.
        frames: (T, D) unit embeddings of frames of the video.
        distractors: (N, D) unit embeddings of assertions of other prompts, N >= 1.
    """
    if not len(assertions) or not len(frames) or not len(distractors):
        raise ValueError("relevance needs at least one assertion, one frame and one distractor")
    video = frames.mean(axis=0)
    fits, others = assertions @ video, np.sort(distractors @ video)
    below = np.searchsorted(others, fits, side="left")
    upto = np.searchsorted(others, fits, side="right")
    shares = (below + upto) / (2 * len(others))
    return Relevance(score=float(shares.mean()), shares=shares)
