"""References: clean latents of pictures and videos that a clip is shown beside its caption.

Their tokens stand behind those of the clip and take part in its self-attention, at noise level 0. They carry a learned
tag, and their frames lie before the clip's on the time axis of the rotary position, so that none is taken for a frame
of the clip. They are of any size, for they have a grid of their own. What comes out at their places is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dit.packing import Layout, Patch, References, grid_coords, grid_of, patchify
from dit.segments import segments

GAP = 4
"""Frames of latents that lie between a clip and its reference, and between two references, in rotary position."""


def with_references(layout: Layout, references: Sequence[Sequence[Tensor]], patch: Patch) -> Layout:
    """The layout, on the CPU, with ``references[i]`` shown to clip i: normalised latents (C, T, H, W) each.

    Without any the layout is as it was. Raises ``ValueError`` for another number of clips, or latents that differ in
    their channels.
    """
    if len(references) != layout.n_clips:
        raise ValueError(f"references of {len(references)} clips for a pack of {layout.n_clips}")
    tokens, coords, index, grids, clips = [], [], [], [], []
    for clip, shown in enumerate(references):
        before = -GAP
        for latent in shown:
            if latent.ndim != 4 or 0 in latent.shape:
                raise ValueError(
                    f"a reference must be latents (C, T, H, W), got {tuple(latent.shape)}"
                )
            grid = grid_of(latent.shape[1:], patch)
            place = grid_coords(grid)
            before -= grid[0]
            tokens.append(patchify(latent.float(), patch))
            coords.append(place + torch.tensor([before, 0, 0]))
            index.append(place)
            grids.append(torch.tensor([grid]).expand(len(place), 3))
            clips.append(torch.full((len(place),), clip))
            before -= GAP
    if not tokens:
        return layout
    if len({part.shape[1] for part in tokens}) > 1:
        raise ValueError("references have latents of different channels: they are of several VAEs")
    clip = torch.cat(clips)
    order = torch.cat((layout.clip, clip)).argsort(stable=True)
    counts = torch.bincount(clip, minlength=layout.n_clips).tolist()
    lengths = [n + more for n, more in zip(layout.segments.lengths, counts, strict=True)]
    return replace(
        layout,
        references=References(
            tokens=torch.cat(tokens),
            coords=torch.cat(coords),
            index=torch.cat(index),
            grids=torch.cat(grids),
            fps=layout.fps[clip],
            clip=clip,
            segments=segments(lengths),
            order=order,
            places=order.argsort(),
        ),
    )
