"""Layers of the causal video VAE, all on (B, T, H, W, C) tensors.

Time is handled by causal convolutions only, and each keeps the few past frames it needs in a
``StreamState``. With a state, a video given in pieces passes through exactly the arithmetic it would
meet whole. Convolutions are factorised: 3x3 over space, then a matrix product over the last few
frames; on CPUs both are several times faster than a 3D convolution of the same reach.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae.shapes import SPREAD_KERNEL, STRIDE_KERNEL


class StreamState:
    """What the causal layers remember between two pieces of one video."""

    def __init__(self) -> None:
        self.past: dict[nn.Module, Tensor] = {}

    def bytes(self) -> int:
        """Size of the memory in bytes; it does not grow with the video."""
        return sum(t.numel() * t.element_size() for t in self.past.values())


class RMSNorm(nn.Module):
    """Root-mean-square norm over the channels of one cell: no statistics over time or space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), 1e-6)


class SpaceConv(nn.Module):
    """3x3 convolution within each frame, zero padded. (B,T,H,W,C) -> (B,T,H,W,C')."""

    def __init__(self, channels_in: int, channels_out: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation)
        self.conv.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.flatten(0, 1).permute(0, 3, 1, 2)
        return self.conv(frames).permute(0, 2, 3, 1).unflatten(0, x.shape[:2])


class CausalTimeConv(nn.Module):
    """Convolution over this frame and ``kernel - 1`` before it, with an optional time stride.

    Before the first frame lie copies of it, so one image is a video that has stood still so far.
    T frames give ceil(T / stride) when T = 1 + k * stride.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.mix = nn.Linear(kernel * channels_in, channels_out)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        past = state.past.get(self) if state is not None else None
        if past is None:
            past = x[:, :1].expand(-1, self.kernel - 1, -1, -1, -1)
        x = torch.cat([past, x], dim=1)
        n_out = (x.shape[1] - self.kernel) // self.stride + 1
        if state is not None:
            state.past[self] = x[:, n_out * self.stride :].clone()
        last = self.stride * (n_out - 1) + 1
        windows = [x[:, i : i + last : self.stride] for i in range(self.kernel)]
        return self.mix(torch.cat(windows, dim=-1))


class ResBlock(nn.Module):
    """x + time(silu(norm(space(silu(norm(x)))))); the last layer starts at zero."""

    def __init__(self, channels: int, time_kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm_space, self.norm_time = RMSNorm(channels), RMSNorm(channels)
        self.space = SpaceConv(channels, channels, dilation)
        self.time = CausalTimeConv(channels, channels, time_kernel)
        nn.init.zeros_(self.time.mix.weight)
        nn.init.zeros_(self.time.mix.bias)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        h = self.space(F.silu(self.norm_space(x)))
        return x + self.time(F.silu(self.norm_time(h)), state)


def fold_space(x: Tensor, s: int) -> Tensor:
    """(B,T,H,W,C) -> (B,T,H/s,W/s,s*s*C)."""
    if s == 1:
        return x
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h // s, s, w // s, s, c).permute(0, 1, 2, 4, 3, 5, 6)
    return x.reshape(b, t, h // s, w // s, s * s * c)


def unfold_space(x: Tensor, s: int) -> Tensor:
    """Inverse of ``fold_space``."""
    if s == 1:
        return x
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h, w, s, s, c // (s * s)).permute(0, 1, 2, 4, 3, 5, 6)
    return x.reshape(b, t, h * s, w * s, c // (s * s))


class FrameGroups(nn.Module):
    """Moves between groups of ``n`` frames and channels; with groups of one frame there is nothing to do."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        return x if self.n == 1 else self.regroup(x, state)

    def regroup(self, x: Tensor, state: StreamState | None) -> Tensor:
        """What ``forward`` does where groups have several frames."""
        raise NotImplementedError


class FoldTime(FrameGroups):
    """Groups of ``n`` frames into channels; the first frame is a group of n copies of itself.

    (B, 1+k*n, H, W, C) -> (B, 1+k, H, W, n*C); later pieces of a stream have k*n frames.
    """

    def regroup(self, x: Tensor, state: StreamState | None) -> Tensor:
        if state is None or self not in state.past:
            x = torch.cat([x[:, :1].expand(-1, self.n - 1, -1, -1, -1), x], dim=1)
        if state is not None:
            state.past[self] = x.new_empty(0)
        b, t, h, w, c = x.shape
        x = x.reshape(b, t // self.n, self.n, h, w, c).permute(0, 1, 3, 4, 2, 5)
        return x.reshape(b, t // self.n, h, w, self.n * c)


class UnfoldTime(FrameGroups):
    """Inverse of ``FoldTime``: of the first group only the last frame is kept."""

    def regroup(self, x: Tensor, state: StreamState | None) -> Tensor:
        b, t, h, w, c = x.shape
        x = x.reshape(b, t, h, w, self.n, c // self.n).permute(0, 1, 4, 2, 3, 5)
        x = x.reshape(b, t * self.n, h, w, c // self.n)
        first = state is None or self not in state.past
        if state is not None:
            state.past[self] = x.new_empty(0)
        return x[:, self.n - 1 :] if first else x


class PatchLinear(nn.Module):
    """A linear map of whole causal patches: pixels of (time, space, space) to a latent cell."""

    def __init__(self, channels_out: int, time: int, space: int) -> None:
        super().__init__()
        self.s = space
        self.fold_time = FoldTime(time)
        self.project = nn.Linear(3 * time * space * space, channels_out)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        return self.project(fold_space(self.fold_time(x, state), self.s))


class UnpatchLinear(nn.Module):
    """A linear map from a latent cell to the pixels of its causal patch."""

    def __init__(self, channels_in: int, time: int, space: int) -> None:
        super().__init__()
        self.s = space
        self.project = nn.Linear(channels_in, 3 * time * space * space)
        self.unfold_time = UnfoldTime(time)

    def forward(self, z: Tensor, state: StreamState | None = None) -> Tensor:
        return self.unfold_time(unfold_space(self.project(z), self.s), state)


class Down(nn.Module):
    """From one stage of the encoder to the next: fold space, then stride over time."""

    def __init__(self, channels_in: int, channels_out: int, time: int, space: int) -> None:
        super().__init__()
        self.s = space
        self.project = nn.Linear(space * space * channels_in, channels_out)
        self.time = (
            CausalTimeConv(channels_out, channels_out, STRIDE_KERNEL, time) if time > 1 else None
        )

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        x = self.project(fold_space(x, self.s))
        return x if self.time is None else self.time(x, state)


class Up(nn.Module):
    """From one stage of the decoder to the next: more frames, then more pixels."""

    def __init__(self, channels_in: int, channels_out: int, time: int, space: int) -> None:
        super().__init__()
        self.s = space
        self.time = (
            CausalTimeConv(channels_in, time * channels_in, SPREAD_KERNEL) if time > 1 else None
        )
        self.unfold_time = UnfoldTime(time)
        self.project = nn.Linear(channels_in, space * space * channels_out)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        if self.time is not None:
            x = self.unfold_time(self.time(x, state), state)
        return unfold_space(self.project(x), self.s)
