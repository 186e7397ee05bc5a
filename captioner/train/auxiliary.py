"""Auxiliary heads for training only: they make the vision tower predict each frame's attributes.

A caption gives one word of supervision on colour; a scene's exact truth gives it for every object in every frame. The
heads read the connector's visual tokens, are trained beside the tower, and are thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from captioner.backends.embedded import GRID, VISUAL_TOKENS
from captioner.train.world_data import Example
from pipeline.world.scene import (
    BACKGROUNDS,
    CAMERAS,
    COLOURS,
    LIGHTS,
    MOTIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    position,
)

if TYPE_CHECKING:
    from torch import Tensor

SPEEDS = ("", "slowly", "quickly")
HARD = {"shape": 3.0, "cell_shape": 3.0, "camera": 2.0}
"""Weights of what is learned last; everything else weighs 1."""
SLOTS = tuple(SIZES)
"""Objects of a scene differ in size class, so a size class names an object: slot 0 small, 1 medium, 2 large."""


def targets(examples: list[Example]) -> dict[str, Tensor]:
    """Truth of a batch as index tensors; -100 where a slot is empty.

    Shapes: present, colour, shape, motion, speed (B, 3); xy (B, T, 3, 2); the others (B,).
    """
    count, frames = len(examples), len(examples[0].times_s)
    slots = {
        name: np.full((count, len(SLOTS)), -100) for name in ("colour", "shape", "motion", "speed")
    }
    xy = np.zeros((count, frames, len(SLOTS), 2), np.float32)
    scene_wide = {
        name: np.zeros(count, int) for name in ("background", "texture", "light", "camera")
    }
    for b, example in enumerate(examples):
        scene = example.scene
        times = example.times_s
        for obj in scene.objects:
            slot = SLOTS.index(obj.size)
            slots["colour"][b, slot] = list(COLOURS).index(obj.colour)
            slots["shape"][b, slot] = SHAPES.index(obj.shape)
            slots["motion"][b, slot] = MOTIONS.index(obj.motion)
            slots["speed"][b, slot] = SPEEDS.index(obj.speed)
            x, y = position(obj, times)
            xy[b, :, slot] = np.stack([x, y], -1)
        scene_wide["background"][b] = list(BACKGROUNDS).index(scene.background)
        scene_wide["texture"][b] = TEXTURES.index(scene.texture)
        scene_wide["light"][b] = LIGHTS.index(scene.light)
        scene_wide["camera"][b] = CAMERAS.index(scene.camera)
    out = {name: torch.from_numpy(value) for name, value in (slots | scene_wide).items()}
    out["present"] = (out["colour"] >= 0).float()
    out["xy"] = torch.from_numpy(xy)
    return out | cell_targets(examples, out)


def cell_targets(examples: list[Example], true: dict[str, Tensor]) -> dict[str, Tensor]:
    """What each visual token (a cell of a 4x4 grid) should know of the object nearest to it, if one is near.

    cell_colour, cell_shape, cell_size (B, T, 16), -100 where no object is within half its diameter and half a cell;
    cell_offset (B, T, 16, 2): from the cell's centre to the object's, in cells; cell_xy: its place in the frame.
    """
    centre = (torch.arange(GRID) + 0.5) / GRID
    cells = torch.stack(torch.meshgrid(centre, centre, indexing="xy"), -1).view(-1, 1, 2)
    radius = torch.zeros(true["present"].shape)
    for b, example in enumerate(examples):
        for obj in example.scene.objects:
            radius[b, SLOTS.index(obj.size)] = obj.radius
    offset = true["xy"][:, :, None] - cells  # B T 16 3 2
    distance = offset.abs().amax(-1)
    near = (distance < radius[:, None, None] + 0.5 / GRID) & (true["present"] > 0)[:, None, None]
    slot = distance.masked_fill(~near, 9.0).argmin(-1)
    hit = near.any(-1)

    def of_slot(values: Tensor) -> Tensor:
        picked = values[:, None, None].expand(*slot.shape, -1).gather(-1, slot[..., None])
        return picked[..., 0].masked_fill(~hit, -100)

    index = slot[..., None, None].expand(*slot.shape, 1, 2)
    return {
        "cell_hit": hit.float(),
        "cell_colour": of_slot(true["colour"]),
        "cell_shape": of_slot(true["shape"]),
        "cell_size": slot.masked_fill(~hit, -100),
        "cell_offset": offset.gather(-2, index)[..., 0, :] * GRID,
        "cell_xy": true["xy"][:, :, None].expand_as(offset).gather(-2, index)[..., 0, :],
    }


class AuxiliaryHeads(nn.Module):
    """Object slots, cells and ground read from visual tokens (B, T, 16, D); object motion when T is all frames."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(SLOTS), width) * 0.02)
        self.place = nn.Parameter(torch.randn(VISUAL_TOKENS, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.cell = nn.Linear(width, 1 + len(COLOURS) + len(SHAPES) + len(SLOTS) + 4)
        self.told = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 256),
            nn.GELU(),
            nn.Linear(256, len(SLOTS) * (4 + len(MOTIONS)) + len(CAMERAS)),
        )
        self.look = nn.Linear(width, 1 + len(COLOURS) + len(SHAPES) + 2)
        self.ground = nn.Linear(width, len(BACKGROUNDS) + len(TEXTURES) + len(LIGHTS))
        self.frames = frames
        self.narrow = nn.Linear(width, 48)
        self.motion = nn.Sequential(
            nn.Linear(48 * frames, 256), nn.GELU(), nn.Linear(256, len(MOTIONS) + len(SPEEDS))
        )
        self.step = nn.Sequential(nn.Linear(2 * width, 256), nn.GELU(), nn.Linear(256, 128))
        self.camera = nn.Sequential(nn.GELU(), nn.Linear(128, len(CAMERAS)))

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Logits and positions; see ``targets`` for shapes."""
        batch, frames, count, width = tokens.shape
        tokens = self.norm(tokens)
        flat = (tokens + self.place).reshape(batch * frames, count, width)
        cell = self.cell(tokens).float()
        hit, cell_colour, cell_shape, cell_size, offset, cell_xy = cell.split(
            [1, len(COLOURS), len(SHAPES), len(SLOTS), 2, 2], -1
        )
        queries = self.queries.expand(batch * frames, -1, -1)
        slots, _ = self.attention(queries, flat, flat, need_weights=False)
        look = self.look(slots).view(batch, frames, len(SLOTS), -1).float()
        present, colour, shape, xy = look.split([1, len(COLOURS), len(SHAPES), 2], -1)
        ground = self.ground(flat.mean(1)).view(batch, frames, -1).float()
        background, texture, light = ground.split(
            [len(BACKGROUNDS), len(TEXTURES), len(LIGHTS)], -1
        )
        over_time: dict[str, Tensor] = {}
        if frames == self.frames:
            path = self.narrow(slots).view(batch, frames, len(SLOTS), -1).transpose(1, 2).flatten(2)
            motion, speed = self.motion(path).float().split([len(MOTIONS), len(SPEEDS)], -1)
            over_time = {"motion": motion, "speed": speed}
        pairs = torch.cat([tokens[:, :-1], tokens[:, 1:]], -1)
        camera = self.camera(self.step(pairs).mean((1, 2))).float()
        return over_time | {
            "present": present[..., 0],
            "colour": colour,
            "shape": shape,
            "xy": xy,
            "background": background,
            "texture": texture,
            "light": light,
            "camera": camera,
            "cell_hit": hit[..., 0],
            "cell_colour": cell_colour,
            "cell_shape": cell_shape,
            "cell_size": cell_size,
            "cell_offset": offset,
            "cell_xy": cell_xy,
        }

    def told_loss(
        self, states: Tensor, true: dict[str, Tensor], whole: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """What the decoder should know once it has read frame t: each object's place, step and motion, and the camera.

        ``states`` (B, T, D) are its states at the ends of the frames, ``whole`` (B,) marks examples with all frames.
        Motion and camera count from the fourth frame on. A caption alone says this once, at its end.
        """
        states = states[whole].float()
        true = {name: value[whole] for name, value in true.items()}
        batch, frames, _ = states.shape
        slots, camera = self.told(states).split([len(SLOTS) * (4 + len(MOTIONS)), len(CAMERAS)], -1)
        xy, step, motion = slots.view(batch, frames, len(SLOTS), -1).split([2, 2, len(MOTIONS)], -1)
        present = true["present"][:, None, :, None]
        steps = torch.cat([true["xy"][:, :1] * 0, true["xy"][:, 1:] - true["xy"][:, :-1]], 1)
        place_error = F.smooth_l1_loss(xy, true["xy"], reduction="none", beta=0.05)
        step_error = F.smooth_l1_loss(step, steps, reduction="none", beta=0.02)
        share = present.sum() * frames
        late = slice(3, None)
        motion, camera = motion[:, late], camera[:, late]
        motions = true["motion"][:, None].expand(-1, motion.shape[1], -1)
        cameras = true["camera"][:, None].expand(-1, camera.shape[1])
        loss = (
            ((4 * place_error + 8 * step_error) * present).sum() / share
            + F.cross_entropy(motion.flatten(0, 2), motions.flatten(), ignore_index=-100)
            + F.cross_entropy(camera.flatten(0, 1), cameras.flatten())
        )
        known = motions >= 0
        return loss, {
            "told_motion": (motion.argmax(-1) == motions)[known].float().mean().item(),
            "told_camera": (camera.argmax(-1) == cameras).float().mean().item(),
        }


def auxiliary_loss(
    out: dict[str, Tensor], true: dict[str, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Sum of the heads' losses, and the accuracy of each head."""
    frames = out["present"].shape[1]
    losses: list[Tensor] = []
    right: dict[str, float] = {}

    def classify(name: str, logits: Tensor, index: Tensor) -> None:
        logits, index = logits.flatten(0, -2), index.flatten()
        weight = HARD.get(name, 1.0)
        losses.append(weight * F.cross_entropy(logits, index, ignore_index=-100))
        known = index >= 0
        right[name] = (logits.argmax(-1) == index)[known].float().mean().item()

    present = true["present"][:, None].expand(-1, frames, -1)
    losses.append(F.binary_cross_entropy_with_logits(out["present"], present))
    for name in ("colour", "shape"):
        classify(name, out[name], true[name][:, None].expand(-1, frames, -1))
    for name in ("background", "texture", "light"):
        classify(name, out[name], true[name][:, None].expand(-1, frames))
    for name in ("motion", "speed", "camera", "cell_colour", "cell_shape", "cell_size"):
        if name in out:
            classify(name, out[name], true[name])
    distance = F.smooth_l1_loss(out["xy"], true["xy"], reduction="none", beta=0.05).sum(-1)
    hit = true["cell_hit"]
    losses.append(2 * F.binary_cross_entropy_with_logits(out["cell_hit"], hit))
    error = F.smooth_l1_loss(
        out["cell_offset"], true["cell_offset"], reduction="none", beta=0.2
    ).sum(-1)
    losses.append((error * hit).sum() / hit.sum())
    placed = F.smooth_l1_loss(out["cell_xy"], true["cell_xy"], reduction="none", beta=0.05).sum(-1)
    losses.append(4 * (placed * hit).sum() / hit.sum())
    right["cell_error"] = (
        ((out["cell_offset"] - true["cell_offset"]).abs().mean(-1) * hit).sum() / hit.sum()
    ).item()
    losses.append(4 * (distance * present).sum() / present.sum())
    right["xy_error"] = ((out["xy"] - true["xy"]).abs().sum(-1) * present).sum().item() / (
        2 * present.sum().item()
    )
    return torch.stack(losses).sum(), right
