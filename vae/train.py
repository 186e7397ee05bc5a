"""Training of the VAE: plain PyTorch, one process or DDP, every step a pure function of (config, step).

Posterior noise is derived from (seed, step) and batches from the loader's (epoch, step), so the state to
resume from is weights, optimizer, average and two counters, and a resumed run is bitwise the run that
never stopped.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.training.interrupt import Interrupts
from pipeline.training.state import add_metrics, keep_metrics
from vae.config import TrainConfig
from vae.data import TrainData, sample_clips, to_frames
from vae.foreign import AnyConfig, AnyVAE
from vae.losses import vae_loss
from vae.refusals import gan_share, learning_rate
from vae.state import (
    RunState,
    fresh_state,
    read_state,
    resume_run,
    save_run,
    start_from_pca,
)

log = logging.getLogger(__name__)

PCA_CLIPS = 256
"""Clips whose patches the linear paths start from."""

Report = Callable[[dict[str, Any]], None]


class TrainForward(nn.Module):
    """Encode, draw, decode as one ``forward``, which is what DistributedDataParallel wraps.

    ``extra`` (B,1,1,1,1) is the deviation of the noise added on top of the posterior's own.
    """

    def __init__(self, vae: AnyVAE, *, learn_encoder: bool = True) -> None:
        super().__init__()
        self.vae, self.learn_encoder = vae, learn_encoder

    def forward(self, x: Tensor, noise: Tensor, extra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.set_grad_enabled(self.learn_encoder and torch.is_grad_enabled()):
            posterior = self.vae.encode(x)
        z = posterior.mean + noise * (posterior.logvar.exp() + extra.square()).sqrt()
        return self.vae.decode(z), posterior.mean, posterior.logvar


def step_noise(shape: tuple[int, ...], config: TrainConfig, step: int) -> tuple[Tensor, Tensor]:
    """Noise of ``shape`` (B, per clip, C,T,H,W) for one global step, and each clip's extra deviation."""
    generator = torch.Generator().manual_seed((config.seed * 1_000_003 + step) % (1 << 62))
    noise = torch.randn(shape, generator=generator)
    draw = torch.rand((*shape[:2], 1, 1, 1, 1), generator=generator)
    return noise, config.latent_noise * (2 * draw - 1).clamp_min(0)


def train_step(
    state: RunState,
    forward: nn.Module,
    frames: Tensor,
    config: TrainConfig,
    *,
    rank: int = 0,
    world: int = 1,
) -> dict[str, float]:
    """One optimizer step on uint8 ``frames`` (B,T,H,W,3), this rank's share of the global step.

    A loss or gradient that is not finite changes neither weights nor optimizer nor average; the
    returned dict then has ``skipped`` 1.
    """
    device = state.vae.latent_mean.device
    x = to_frames(frames.to(device))
    cell = state.vae.latent_shape(*x.shape[2:])
    per_clip = len(x) * world // config.batch  # 1, or FRAMES_PER_CLIP on an image step
    draws = step_noise((config.batch, per_clip, *cell), config, state.step)
    noise, extra = (draw[rank::world].flatten(0, 1).to(device) for draw in draws)
    rate = learning_rate(state.step, config.steps, config)
    with torch.autocast(device.type, torch.bfloat16, enabled=state.compute is torch.bfloat16):
        recon, mean, logvar = forward(x, noise, extra)
    loss, parts = vae_loss(x, recon, mean, logvar, config.loss)
    heard = gan_share(state.step, config.steps, config)
    if state.adversary and heard is not None:
        last = state.vae.last_weight()
        term, balance = state.adversary.challenge(recon.float(), loss, last, world)
        loss = loss + config.loss.gan * heard * balance * term
        parts |= {"gan": term.detach(), "gan_balance": torch.tensor(balance)}
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.vae.parameters(), config.grad_clip)
    skipped = not bool(torch.isfinite(norm))
    if skipped:
        state.optimizer.zero_grad()
        state.skipped += 1
        log.warning("step %d: gradient is not finite; step skipped", state.step)
    else:
        state.optimizer.step(rate)
        state.ema.update(state.vae)
        if state.adversary and heard is not None:
            parts["discriminator"] = torch.tensor(state.adversary.learn(x, recon.float(), world))
    state.step += 1
    row = {"loss": float(loss.detach()), **{k: float(v) for k, v in parts.items()}}
    return {**row, "grad_norm": float(norm), "lr": rate, "skipped": float(skipped)}


def train(
    model: AnyConfig,
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    init: AnyVAE | None = None,
    resume: bool = False,
    report: Report | None = None,
    on_step: Callable[[int], None] | None = None,
    on_sheet: Callable[[RunState], dict[str, Any]] | None = None,
    stop_at: int | None = None,
    device: str = "auto",
) -> RunState:
    """Train to ``config.steps`` (or ``stop_at``), leaving ``state.pt`` and ``metrics.jsonl`` in ``out``.

    With ``resume`` the run goes on from ``state.pt`` if it is there; one of other settings is refused by ValueError.
    With ``world`` > 1 a torch.distributed group must be up; rank 0 writes. ``on_step`` is told of every step
    that is done; ``on_sheet`` runs on rank 0 every
    ``eval_every`` steps and its result is logged. Weights start at ``init`` if it is given, else at PCA. Ctrl-C ends
    the run after the step in hand, with a checkpoint.
    """
    rank, world = data.rank, data.world
    keep_large_buffers()
    saved = read_state(out, model, config) if resume else None
    state = fresh_state(model, config, init, device)
    if saved is not None:
        resume_run(state, saved)
        data.seek(state.data or {})
    else:
        if init is None:
            clips = sample_clips(data.folder, data.view, PCA_CLIPS, seed=config.seed)
            start_from_pca(state.vae, clips)
        state.ema.model.load_state_dict(state.vae.state_dict())
    out.mkdir(parents=True, exist_ok=True)
    if rank == 0:
        keep_metrics(out, state.step)
    forward: nn.Module = TrainForward(state.vae, learn_encoder=not config.decoder_only)
    if world > 1:
        forward = nn.parallel.DistributedDataParallel(forward)
    seen, mark = 0, time.perf_counter()
    last = config.steps if stop_at is None else min(stop_at, config.steps)
    steps = iter(data)
    with Interrupts(world == 1) as stop:
        while state.step < last:
            batch = next(steps)
            row = train_step(state, forward, batch.frames, config, rank=rank, world=world)
            state.data = batch.data
            if row["skipped"]:
                write_metrics(
                    out, rank, {"step": state.step, "skipped": True, "loss": repr(row["loss"])}
                )
            else:
                state.summed += 1
                for key, value in row.items():
                    state.sums[key] = state.sums.get(key, 0.0) + value
            seen += config.batch
            if on_step and rank == 0:
                on_step(state.step)
            if state.step % config.log_every == 0 or state.step == last:
                now = time.perf_counter()
                state.seconds += now - mark
                line: dict[str, float] = {
                    k: v / state.summed for k, v in state.sums.items() if k != "skipped"
                }
                line = mean_over_ranks(line, world)
                line |= {
                    "step": state.step,
                    "clips_per_s": seen / (now - mark),
                    "seconds": state.seconds,
                }
                write_metrics(out, rank, line)
                if report and rank == 0:
                    report(line)
                state.sums, state.summed, seen, mark = {}, 0, 0, now
            if rank == 0 and on_sheet and state.step % config.eval_every == 0 and state.step < last:
                write_metrics(out, rank, {"step": state.step, **on_sheet(state)})
            # after every line of its step: a state vouches for them
            due = state.step % config.checkpoint_every == 0 or state.step == last
            if rank == 0 and (due or stop.asked):
                save_run(state, config, out)
            if stop.asked and state.step < last:
                stop.end()
    return state


def mean_over_ranks(row: dict[str, float], world: int) -> dict[str, float]:
    """Each rank's figures are of its own clips; the mean of them is that of the global steps."""
    if world == 1 or not row:
        return row
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    values = torch.tensor([row[key] for key in sorted(row)], dtype=torch.float64, device=device)
    torch.distributed.all_reduce(values)
    return dict(zip(sorted(row), (values / world).tolist(), strict=True))


def write_metrics(out: Path, rank: int, row: dict[str, Any]) -> None:
    """Append one line to ``metrics.jsonl`` (rank 0 only)."""
    if rank == 0:
        add_metrics(out, row)


def keep_large_buffers() -> None:
    """Ask glibc to reuse large buffers rather than return them to the kernel after every operation.

    Frame-sized tensors are above malloc's default mmap threshold, so each one is otherwise mapped, faulted
    in and unmapped again. Does nothing where there is no glibc.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        log.debug("no glibc mallopt here")
