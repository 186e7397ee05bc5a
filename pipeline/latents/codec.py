"""How numbers lie in the cells of ``latents/``: bfloat16, or float8 with a scale for each text token.

bfloat16 keeps the range of float32 and 8 bits of precision, which is what training computes in on a GPU; NumPy has no
such type, so its bits are made here. float8 (e4m3, Micikevicius et al. 2022, "FP8 formats for deep learning") halves
text features once more: each token is scaled so that its largest number is the largest that the format holds.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

TextStorage = Literal["fp32", "bf16", "fp8"]
"""How text features are stored."""
FP8_MOST = 448.0
"""Largest number of e4m3."""


def to_bf16(numbers: np.ndarray) -> bytes:
    """Bits of ``numbers`` (float, any shape) as bfloat16, rounded to the nearest, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    nan = np.isnan(numbers)
    if nan.any():
        rounded[nan] = 0x7FC0
    return rounded.tobytes()


def from_bf16(data: Any) -> np.ndarray:
    """Float32 numbers of bfloat16 bits, flat."""
    return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)


def text_bytes(tokens: int, width: int, storage: str) -> int:
    """Bytes of a cell of text features of ``tokens`` x ``width``."""
    return tokens * {"fp32": 4 * width, "bf16": 2 * width, "fp8": 4 + width}[storage]


def pack_text(features: np.ndarray, storage: str) -> bytes:
    """Cell of text features (L, D): bfloat16, or L float32 scales and L x D float8."""
    if storage == "fp32":
        return np.ascontiguousarray(features, "<f4").tobytes()
    if storage == "bf16":
        return to_bf16(features)
    import torch

    rows = torch.from_numpy(np.array(features, np.float32))
    scales = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / FP8_MOST
    cells = (rows / scales).to(torch.float8_e4m3fn).view(torch.uint8)
    return scales.numpy().tobytes() + cells.numpy().tobytes()


def unpack_text(data: bytes, tokens: int, width: int, storage: str) -> np.ndarray:
    """Text features (L, D) float32 of a cell."""
    if storage == "fp32":
        return np.frombuffer(data, "<f4").reshape(tokens, width)
    if storage == "bf16":
        return from_bf16(data).reshape(tokens, width)
    import torch

    scales = np.frombuffer(data, np.float32, tokens).reshape(tokens, 1)
    bits = torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 * tokens).copy())
    numbers: np.ndarray = bits.view(torch.float8_e4m3fn).float().numpy().reshape(tokens, width)
    return numbers * scales
