"""``pipeline.world.render`` for many scenes at once, on any device; equal to it but for the last level of rounding."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmarks.embedded.scenes import SLOTS, WAVES, Scenes
from pipeline.world.scene import LIGHTS, SHAPES, TEXTURES


def _distance(shape: str, x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """As ``pipeline.world.render.signed_distance``."""
    ax, ay = x.abs(), y.abs()
    if shape == "circle":
        return torch.hypot(x, y) - r
    if shape == "square":
        return torch.maximum(ax, ay) - 0.86 * r
    if shape == "triangle":
        inner = 0.6 * r
        return torch.maximum(y - inner, (math.sqrt(3) * ax - y) / 2 - inner)
    if shape == "diamond":
        return (ax + ay - 1.15 * r) / math.sqrt(2)
    if shape == "cross":
        return torch.minimum(
            torch.maximum(ax - r, ay - 0.34 * r), torch.maximum(ax - 0.34 * r, ay - r)
        )
    if shape == "ring":
        return (torch.hypot(x, y) - 0.76 * r).abs() - 0.24 * r
    raise ValueError(f"shape {shape!r} is unknown to the renderer")


def _marks(texture: str, u: Tensor, v: Tensor, soft: Tensor, waves: Tensor) -> Tensor:
    """Texture at coordinates in its periods; soft (B,1,1,1) a pixel in periods, waves (B, WAVES, 3) of clouds."""
    if texture == "plain":
        return torch.zeros_like(u)
    if texture == "clouds":
        total = torch.zeros_like(u)
        for wave in range(WAVES):
            du, dv, phase = (waves[:, wave, i, None, None, None] for i in range(3))
            total += (2 * math.pi * (u * du + v * dv) + phase).sin()
        return total / 2.6
    fu, fv = u - u.floor(), v - v.floor()
    if texture == "dots":
        return (0.5 - (torch.hypot(fu - 0.5, fv - 0.5) - 0.24) / soft).clamp(0, 1)
    if texture == "grid":
        distance = torch.minimum((fu - 0.5).abs(), (fv - 0.5).abs()) - 0.08
        return (0.5 - distance / soft).clamp(0, 1)
    if texture == "checks":
        du, dv = ((w.remainder(2) - 1).abs() - 0.5 for w in (u, v))
        return (du / soft).clamp(-0.5, 0.5) * (dv / soft).clamp(-0.5, 0.5) * 2 + 0.5
    raise ValueError(f"texture {texture!r} is unknown to the renderer")


def render_all(scenes: Scenes, device: torch.device | str) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) of every scene."""

    def there(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    bucket = scenes.bucket
    width, height = bucket.width, bucket.height
    side = min(width, height)
    count, frames = len(scenes), bucket.frames
    px = (torch.arange(width, device=device) + 0.5).view(1, 1, 1, -1)
    py = (torch.arange(height, device=device) + 0.5).view(1, 1, -1, 1)
    cam_x, cam_y, scale = (there(scenes.camera)[:, i, :, None, None] for i in range(3))
    period = there(scenes.period).view(-1, 1, 1, 1)
    u = ((px - width / 2) / side / scale + cam_x) / period
    v = ((py - height / 2) / side / scale + cam_y) / period
    full = (count, frames, height, width)
    u, v = u.expand(full), v.expand(full)
    soft = (1 / (side * period)).clamp(min=1e-3)
    waves = there(scenes.clouds)
    marks = torch.zeros(full, device=device)
    for number, name in enumerate(TEXTURES):
        some = there(np.nonzero(scenes.texture == number)[0])
        if len(some) and name != "plain":
            marks[some] = _marks(name, u[some], v[some], soft[some], waves[some])
    image = there(scenes.ground).view(-1, 1, 1, 1, 3) + (
        there(scenes.step).view(-1, 1, 1, 1) * marks
    ).unsqueeze(-1)

    xs, ys, radii, colours = (there(a) for a in (scenes.x, scenes.y, scenes.radius, scenes.colour))
    for slot in reversed(range(SLOTS)):  # the first object lies in front
        for number, name in enumerate(SHAPES):
            some = there(np.nonzero(scenes.shape[:, slot] == number)[0])
            if not len(some):
                continue
            dx = px - xs[some, slot, :, None, None]
            dy = py - ys[some, slot, :, None, None]
            shape = (len(some), frames, height, width)
            r = radii[some, slot, :, None, None]
            cover = (0.5 - _distance(name, dx.expand(shape), dy.expand(shape), r)).clamp(0, 1)
            part = image[some]
            image[some] = part + cover.unsqueeze(-1) * (
                colours[some, slot].view(-1, 1, 1, 1, 3) - part
            )

    ramp = torch.linspace(1.08, 0.72, width, device=device)
    ramps = torch.stack(
        [{"even": torch.ones_like(ramp), "left": ramp}.get(n, ramp.flip(0)) for n in LIGHTS]
    )
    image = image * ramps[there(scenes.light)].view(-1, 1, 1, width, 1)
    return (image + 0.5).clamp(0, 255).to(torch.uint8)
