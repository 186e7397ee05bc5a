"""Coherence and fluency of any video, from optical flow alone: no model, so no domain that it would not know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = 128
"""Shorter side, pixels, at which videos are looked at: smaller ones are enlarged, larger ones averaged down."""
MOST_FRAMES = 49
"""Consecutive frames looked at, from the middle of the video: thinning them would make smooth motion rough."""


@dataclass(frozen=True, kw_only=True)
class MotionQuality:
    """What the pixels of one video say of how it moves."""

    coherence: float
    """In [0, 1], 1 is best: what is in one frame is found again in the next.

    Each frame is warped onto the one before by optical flow; the mean absolute difference where forward and backward
    flow agree (Sundaram et al. 2010, section 4), over the frame's contrast, is the error, and the share of pixels where
    they agree is its weight: ``(1 - error) * agreement``, averaged over the pairs. The warping error of Lai et al.
    2018, section 4.3, made comparable between bright, dark, flat and busy videos.
    """
    fluency: float
    """In [0, 1], 1 is best: each frame is what its two neighbours foretell.

    A frame is synthesised half way between its neighbours along their optical flow; 1 less its mean absolute
    difference over the contrast, averaged. The frame-interpolation prior of VBench's motion smoothness (Huang et al.
    2023, section 3.2), by flow in place of a network. A still video is perfectly fluent: see ``motion``.
    """
    motion: float
    """Mean length of the flow, frame diagonals a frame. Not part of any score: it tells stillness from smoothness."""


def motion_quality(frames: np.ndarray) -> MotionQuality | None:
    """Coherence and fluency of uint8 RGB ``frames`` (T, H, W, 3); None for fewer than three frames."""
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(f"motion_quality takes RGB frames (T, H, W, 3), got shape {frames.shape}")
    if len(frames) < 3:
        return None
    video = _prepared(frames)
    grey = [_grey(frame) for frame in video]
    contrast = max(4.0, float(np.mean([_contrast(frame) for frame in video])))
    coherence, lengths = [], []
    for t in range(len(video) - 1):
        there, back = _flow(grey[t], grey[t + 1]), _flow(grey[t + 1], grey[t])
        agrees = _agree(there, back)
        error = np.abs(video[t] - _warp(video[t + 1], there)).mean(axis=-1)
        mean = float(error[agrees].mean()) if agrees.any() else contrast
        coherence.append((1 - min(1.0, mean / contrast)) * float(agrees.mean()))
        lengths.append(float(np.hypot(there[..., 0], there[..., 1]).mean()))
    fluency = []
    for t in range(1, len(video) - 1):
        across, back = _flow(grey[t - 1], grey[t + 1]), _flow(grey[t + 1], grey[t - 1])
        middle = 0.5 * (_warp(video[t - 1], back / 2) + _warp(video[t + 1], across / 2))
        fluency.append(1 - min(1.0, float(np.abs(video[t] - middle).mean()) / contrast))
    diagonal = float(np.hypot(*video[0].shape[:2]))
    return MotionQuality(
        coherence=float(np.mean(coherence)),
        fluency=float(np.mean(fluency)),
        motion=float(np.mean(lengths)) / diagonal,
    )


def _prepared(frames: np.ndarray) -> np.ndarray:
    """float32 frames of the shorter side ``SIDE``, lightly blurred so that codec noise is no error."""
    import cv2

    start = max(0, (len(frames) - MOST_FRAMES) // 2)
    frames = frames[start : start + MOST_FRAMES]
    height, width = frames.shape[1:3]
    scale = SIDE / min(height, width)
    size = (max(SIDE, round(width * scale)), max(SIDE, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = [cv2.GaussianBlur(cv2.resize(f, size, interpolation=how), (3, 3), 0) for f in frames]
    return np.stack(out).astype(np.float32)


def _grey(frame: np.ndarray) -> np.ndarray:
    return np.clip(frame.mean(axis=-1) + 0.5, 0, 255).astype(np.uint8)


def _contrast(frame: np.ndarray) -> float:
    """Mean absolute difference that two unrelated pixels of the frame have, about: twice the mean deviation."""
    return 2 * float(np.abs(frame - frame.mean(axis=(0, 1))).mean())


def _flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Dense optical flow (H, W, 2) from grey ``a`` to ``b``, pixels (DIS, Kroeger et al. 2016)."""
    import cv2

    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(a, b, None)


def _warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``frame`` looked up at each pixel's place moved by ``flow``; the border is continued."""
    import cv2

    height, width = flow.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(
        frame,
        xs + flow[..., 0],
        ys + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _agree(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """bool (H, W): where going there and back ends near the start."""
    returned = _warp(back, there)
    gap = ((there + returned) ** 2).sum(axis=-1)
    length = (there**2).sum(axis=-1) + (returned**2).sum(axis=-1)
    return gap <= 0.01 * length + 0.5
