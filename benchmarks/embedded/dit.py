"""The DiT of the embedded models: trained on latents that are renewed while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.embedded.scenes import Bucket, Stream
from benchmarks.embedded.store import WORDS, Store, Words, parts_of
from dit.checkpoint import save_dit
from dit.conditioning import draw_around, draw_given, spread_masks
from dit.config import DiTConfig, TrainConfig
from dit.files import WEIGHTS_NAME
from dit.fused import Rows
from dit.latents import LatentSpec
from dit.levels import Levels
from dit.model import DiT
from dit.packing import Layout, make_layout, text_rows, token_count
from dit.paths import draw_levels, noised
from dit.rectified_flow import shift_for, weighted_loss
from dit.segments import segments
from dit.train.optim import make_optimizer
from dit.train.parallel import clip_gradients
from dit.train.rates import learning_rate
from pipeline.openclip.model import OpenClipModel
from pipeline.training.ema import Ema
from vae.model import VideoVAE

MASKS = 1024
"""Masks of given tokens that a bucket's clips draw from."""
KINDS = (("dense", 0.65), ("short", 0.25), ("empty", 0.10))
"""Captions that clips are shown with."""
ROWS = 8
"""Most stretches of equal noise level that a clip has, on average over a step."""


class Packs:
    """Steps of a fixed set of sizes: what is drawn of each, and the tensors that the model takes."""

    def __init__(
        self, store: Store, model: DiTConfig, config: TrainConfig, device: str, *, padded: bool
    ) -> None:
        self.store, self.model, self.config, self.device = store, model, config, device
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.shapes = [
            tuple(latents.shape[2:])
            for part, latents in zip(store.parts, store.latents, strict=True)
            for _ in range(part.count)
        ]
        self.clips = len(self.shapes)
        self.fillers = max(1, self.clips // 6) if padded else 0
        self.rows = round(self.clips * 31.5) if padded else 0
        """Text tokens of a padded step; clips without tokens, ``fillers``, take up what captions leave."""
        layout = make_layout(
            self.shapes, [None] * self.clips, patch=model.patch, text_dim=model.text_dim, fps=8.0
        )
        counts = [token_count(shape, model.patch) for shape in self.shapes]
        self.owner = layout.clip.to(device)
        ends = segments(counts + [0] * self.fillers)
        self.layout: Layout = replace(layout, segments=ends).to(device)
        self.shifts = torch.tensor(
            [shift_for(n, config.shift, config.shift_tokens) for n in counts]
        )
        masks = [self._bank(tuple(latents.shape[2:])) for latents in store.latents]
        self.masks = [mask.to(device) for mask in masks]
        self.runs = [1 + (m[:, 1:] != m[:, :-1]).sum(1).numpy() for m in masks]

    def _bank(self, shape: tuple[int, int, int]) -> Tensor:
        """(MASKS, tokens) bool of what clips of latents ``shape`` are given, in the shares of the config."""
        one = make_layout(
            [shape], [None], patch=self.model.patch, text_dim=self.model.text_dim, fps=8.0
        )
        rows = []
        for _ in range(MASKS):
            given = draw_given(shape[0], self.config.condition_share, self.generator)
            if float(torch.rand((), generator=self.generator)) < self.config.around_share:
                given = draw_around(shape, self.generator)
            rows.append(spread_masks([given], one, self.model.patch))
        return torch.stack(rows)

    def draw(self) -> tuple[Tensor, Tensor, Levels, Tensor, Layout]:
        """A step: noisy tokens, targets, levels, given tokens, layout."""
        tokens, given, picks, rows = [], [], [], 0
        pt, ph, pw = self.model.patch
        for number, part in enumerate(self.store.parts):
            have = min(self.store.filled[number], part.kept)
            index = self.rng.integers(have, size=part.count)
            picks.append(index + int(self.store.starts[number]))
            x = self.store.latents[number][torch.from_numpy(index).to(self.device)].float()
            n, c, t, h, w = x.shape
            x = x.view(n, c, t // pt, pt, h // ph, ph, w // pw, pw).permute(0, 2, 4, 6, 1, 3, 5, 7)
            tokens.append(x.reshape(-1, c * pt * ph * pw))
            some = self.rng.integers(MASKS, size=part.count)
            given.append(self.masks[number][torch.from_numpy(some).to(self.device)].flatten())
            rows += int(self.runs[number][some].sum())
        assert rows <= self.clips * ROWS, rows
        x0, known = torch.cat(tokens), torch.cat(given)
        level = draw_levels("flow", self.clips, self.shifts, self.generator).to(self.device)
        levels = self._levels(torch.where(known, 0.0, level[self.owner]))
        x_t, target = noised("flow", x0, torch.randn_like(x0), levels.of_tokens())
        return x_t, target, levels, known, self._with_text(np.concatenate(picks))

    def _levels(self, t: Tensor) -> Levels:
        """As ``levels_of``, on the device and with as many rows in every step; those that none uses are empty."""
        fresh = torch.ones(len(t), dtype=torch.bool, device=t.device)
        fresh[1:] = (t[1:] != t[:-1]) | (self.owner[1:] != self.owner[:-1])
        index = fresh.cumsum(0) - 1
        count = self.clips * ROWS
        return Levels(
            value=t.new_zeros(count).scatter_(0, index, t),
            clip=index.new_zeros(count).scatter_(0, index, self.owner),
            rows=Rows(
                index, None, index.new_zeros(count).scatter_add_(0, index, torch.ones_like(index))
            ),
        )

    def _with_text(self, picks: np.ndarray) -> Layout:
        shares = np.array([share for _, share in KINDS])
        empty = round(shares[2] * self.clips)
        dense = round(shares[0] * self.clips)
        kind = np.ones(self.clips, np.int64)
        kind[:dense], kind[self.clips - empty :] = 0, 2
        kind = self.rng.permutation(kind)
        lengths = np.where(kind < 2, self.store.lengths[picks, np.minimum(kind, 1)], 0)
        firsts = (2 * picks + np.minimum(kind, 1)) * WORDS
        if self.fillers:
            left = self.rows - int(lengths.sum())
            least = left // self.fillers
            more = np.full(self.fillers, least)
            more[: left - least * self.fillers] += 1
            assert 1 <= least < WORDS, (left, least)
            lengths = np.concatenate((lengths, more))
            firsts = np.concatenate((firsts, np.zeros(self.fillers, np.int64)))
        rows = np.repeat(firsts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        text = self.store.text.view(-1, self.store.text.shape[-1])
        features = text.index_select(0, torch.from_numpy(rows).to(self.device)).float()
        where = text_rows(lengths.tolist())
        return replace(
            self.layout,
            text=features,
            captions=where.segments,
            text_rows=where.to(self.device),
        )


def start(
    model: DiTConfig, config: TrainConfig, device: str, compute: torch.dtype
) -> tuple[DiT, Ema, Any]:
    """Random weights, their average, the optimizer."""
    torch.manual_seed(config.seed)
    net = DiT(model).to(device)
    ema = Ema(net, config.ema_decay)
    net.set_compute(compute)
    ema.model.set_compute(compute)
    return net, ema, make_optimizer(net, config)


def train_dit(
    out: Path,
    vae: VideoVAE,
    clip: OpenClipModel,
    stream: Stream,
    *,
    seconds: float,
    until: float,
    device: str,
    step_clips: int = 512,
    kept: int = 40_000,
    depth: int = 8,
    lr: float = 2.5e-3,
    renew_every: int = 4,
    graph: bool = True,
    most_steps: int = 1_000_000,
) -> bool:
    """Train for ``seconds`` in all, this call until the clock ``until``; True when it is done.

    A call that ends early leaves ``state.pt`` in ``out``, from which the next goes on.
    """
    model = DiTConfig.preset(
        "tiny", depth=depth, latent_channels=vae.config.latent_channels, text_dim=clip.text_width
    )
    config = TrainConfig(
        lr=lr,
        condition_share=0.15,
        around_share=0.1,
        decay_share=0.5,
        ema_decay=0.999,
        optimizer="muon",
        warmup_steps=200,
        minutes=seconds / 60,
    ).settled(model)
    compute = torch.bfloat16 if device != "cpu" else torch.float32
    net, ema, optimizer = start(model, config, device, compute)
    step, elapsed = 0, 0.0
    saved = out / "state.pt"
    if saved.is_file():
        state = torch.load(saved, map_location=device, weights_only=True)
        net.load_state_dict(state["model"])
        ema.model.load_state_dict(state["ema"])
        ema.updates, step, elapsed = state["updates"], state["step"], state["elapsed"]
        optimizer.load_state_dict(state["optimizer"])
        config = replace(config, seed=1 + step)
    store = Store(parts_of(step_clips, kept), vae, Words(clip, device), device)
    began = time.monotonic()
    store.fill(stream)
    if device != "cpu":
        torch.cuda.synchronize()
    print(f"dit: {store.added} clips at hand after {time.monotonic() - began:.0f} s", flush=True)
    order = store.order(config.seed + 1)
    numbers: list[int] = []

    def buckets() -> Iterator[Bucket]:
        for number in order:
            numbers.append(number)
            yield store.parts[number].bucket

    fresh = stream.ahead(buckets())
    packs = Packs(store, model, config, device, padded=graph)
    from benchmarks.embedded.graph import Recorded

    recorded = Recorded(net, WORDS) if graph and device != "cpu" else None
    mark, last_step = time.monotonic(), step
    began, before = time.monotonic(), elapsed
    totals: list[Tensor] = []
    while True:
        drawn = packs.draw()
        loss = recorded(*drawn) if recorded else loss_and_gradients(net, *drawn)
        clip_gradients(net, config.grad_clip)
        elapsed = before + time.monotonic() - began
        progress = min(1.0, elapsed / seconds)
        optimizer.step(learning_rate(progress, step, config))
        ema.update(net)
        step += 1
        totals.append(loss.detach().clone())
        if step % renew_every == 0 or not store.is_full:
            scenes = next(fresh)
            store.add(numbers.pop(0), scenes)
        if step % 200 == 0 or step in (1, 10, 50) or progress >= 1:
            value = float(torch.stack(totals).mean())
            now = time.monotonic()
            print(
                f"dit {step} steps {elapsed:.0f} s loss {value:.4f} "
                f"{1e3 * (now - mark) / max(1, step - last_step):.0f} ms/step {store.added} clips seen",
                flush=True,
            )
            totals, mark, last_step = [], now, step
            if not np.isfinite(value):
                raise FloatingPointError(f"loss {value} at step {step}")
        done = progress >= 1 or step >= most_steps
        if done or time.time() >= until:
            break
    out.mkdir(parents=True, exist_ok=True)
    spec = LatentSpec(
        vae_id=vae.id,
        text_encoder_id=clip.id,
        mean=tuple(vae.latent_mean.tolist()),
        std=tuple(vae.latent_std.tolist()),
        vae="embedded",
        text_encoder="embedded",
    )
    info = {"trained": "benchmarks.embedded", "steps": step, "seconds": round(elapsed)}
    save_dit(ema.model, spec, out / WEIGHTS_NAME, info=info)
    if not done:
        torch.save(
            {
                "model": net.state_dict(),
                "ema": ema.model.state_dict(),
                "updates": ema.updates,
                "step": step,
                "elapsed": elapsed,
                "optimizer": optimizer.state_dict(),
            },
            saved,
        )
    print(f"dit: {step} steps, {step * packs.clips} clips drawn of {store.added}", flush=True)
    return done


def loss_and_gradients(
    net: DiT, x_t: Tensor, target: Tensor, levels: Levels, given: Tensor, layout: Layout
) -> Tensor:
    """Mean loss of a step, and its gradients in ``.grad``."""
    net.zero_grad(set_to_none=True)
    weight = (~given).float()
    loss = weighted_loss(net(x_t, levels, layout, given), target, weight) / weight.sum()
    loss.backward()
    return loss
