"""Training of the VAE: plain PyTorch, one process or DDP, every step a pure function of (config, step).

Posterior noise is derived from (seed, step) and batches from the loader's (epoch, step), so the state to
resume from is weights, optimiser, average and two counters, and a resumed run is bitwise the run that
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

from pipeline.training.compute import bf16_is_faster
from pipeline.training.state import add_metrics, keep_metrics
from vae.config import TrainConfig, VAEConfig
from vae.data import TrainData, sample_clips, to_frames
from vae.losses import vae_loss
from vae.model import VideoVAE
from vae.state import RunState, fresh_state, resume_run, save_run, start_from_pca

log = logging.getLogger(__name__)

PCA_CLIPS = 256
"""Clips whose patches the linear paths start from."""

Report = Callable[[dict[str, Any]], None]


class TrainForward(nn.Module):
    """Encode, draw, decode as one ``forward``, which is what DistributedDataParallel wraps.

    ``extra`` (B,1,1,1,1) is the deviation of the noise added on top of the posterior's own.
    """

    def __init__(self, vae: VideoVAE, *, learn_encoder: bool = True) -> None:
        super().__init__()
        self.vae, self.learn_encoder = vae, learn_encoder

    def forward(self, x: Tensor, noise: Tensor, extra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.set_grad_enabled(self.learn_encoder and torch.is_grad_enabled()):
            posterior = self.vae.encode(x)
        z = posterior.mean + noise * (posterior.logvar.exp() + extra.square()).sqrt()
        return self.vae.decode(z), posterior.mean, posterior.logvar


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, the peak, and a linear fall over the last ``decay_share`` of the steps."""
    rise = (step + 1) / max(1, config.warmup)
    fall = (config.steps - step) / max(1.0, config.decay_share * config.steps)
    return config.lr * min(1.0, rise, fall)


def gan_share(step: int, config: TrainConfig) -> float | None:
    """How much of the adversarial term the decoder hears, rising over ``warmup`` steps; None before it starts."""
    since = step - config.gan_start * config.steps
    return None if since < 0 else min(1.0, (since + 1) / max(1, config.warmup))


def step_noise(shape: tuple[int, ...], config: TrainConfig, step: int) -> tuple[Tensor, Tensor]:
    """Noise of ``shape`` (B, per clip, C,T,H,W) for one global step, and each clip's extra deviation."""
    generator = torch.Generator().manual_seed((config.seed * 1_000_003 + step) % (1 << 62))
    noise = torch.randn(shape, generator=generator)
    draw = torch.rand((*shape[:2], 1, 1, 1, 1), generator=generator)
    return noise, config.latent_noise * (2 * draw - 1).clamp_min(0)


@torch.no_grad()
def update_ema(ema: VideoVAE, vae: VideoVAE, decay: float, step: int) -> None:
    """ema <- d * ema + (1 - d) * vae over what is trained, with d ramping up over the first steps."""
    d = min(decay, (1 + step) / (10 + step))
    pairs = zip(ema.parameters(), vae.parameters(), strict=True)
    averaged, current = zip(*((a, p.detach()) for a, p in pairs if p.requires_grad), strict=True)
    torch._foreach_mul_(averaged, d)
    torch._foreach_add_(averaged, current, alpha=1 - d)


def train_step(
    state: RunState,
    forward: nn.Module,
    frames: Tensor,
    config: TrainConfig,
    *,
    rank: int = 0,
    world: int = 1,
    bf16: bool = False,
) -> dict[str, float]:
    """One optimiser step on uint8 ``frames`` (B,T,H,W,3), this rank's share of the global step.

    A loss or gradient that is not finite changes neither weights nor optimiser nor average; the
    returned dict then has ``skipped`` 1.
    """
    device = state.vae.latent_mean.device
    x = to_frames(frames.to(device))
    cell = state.vae.latent_shape(*x.shape[2:])
    per_clip = len(x) * world // config.batch  # 1, or FRAMES_PER_CLIP on an image step
    draws = step_noise((config.batch, per_clip, *cell), config, state.step)
    noise, extra = (draw[rank::world].flatten(0, 1).to(device) for draw in draws)
    rate = learning_rate(state.step, config)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        recon, mean, logvar = forward(x, noise, extra)
    loss, parts = vae_loss(x, recon, mean, logvar, config.loss)
    heard = gan_share(state.step, config)
    if state.adversary and heard is not None:
        last = state.vae.decoder.head.weight
        term, balance = state.adversary.challenge(recon.float(), loss, last, world)
        loss = loss + config.loss.gan * heard * balance * term
        parts |= {"gan": term.detach(), "gan_balance": torch.tensor(balance)}
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.vae.parameters(), config.clip_norm)
    skipped = not bool(torch.isfinite(norm))
    if skipped:
        state.skipped += 1
        log.warning("step %d: gradient is not finite; step skipped", state.step)
    else:
        state.optimiser.step()
        update_ema(state.ema, state.vae, config.ema, state.step)
        if state.adversary and heard is not None:
            parts["discriminator"] = torch.tensor(state.adversary.learn(x, recon.float(), world))
    state.step += 1
    row = {"loss": float(loss.detach()), **{k: float(v) for k, v in parts.items()}}
    return {**row, "grad_norm": float(norm), "lr": rate, "skipped": float(skipped)}


def train(
    model: VAEConfig,
    config: TrainConfig,
    data: TrainData,
    out: Path,
    *,
    init: VideoVAE | None = None,
    resume: bool = False,
    report: Report | None = None,
    on_sheet: Callable[[RunState], dict[str, Any]] | None = None,
    stop_at: int | None = None,
) -> RunState:
    """Train to ``config.steps`` (or ``stop_at``), leaving ``state.pt`` and ``metrics.jsonl`` in ``out``.

    With ``world`` > 1 a torch.distributed group must be up; rank 0 writes. ``on_sheet`` runs on rank 0
    every ``sheet_every`` steps and its result is logged. Weights start at ``init`` if it is given, else at PCA.
    """
    rank, world = data.rank, data.world
    keep_large_buffers()
    out.mkdir(parents=True, exist_ok=True)
    state = fresh_state(model, config, init)
    if resume and resume_run(state, config, out):
        data.seek(state.data or {})
    else:
        if init is None:
            clips = sample_clips(data.folder, data.view, PCA_CLIPS, seed=config.seed)
            start_from_pca(state.vae, clips)
        state.ema.load_state_dict(state.vae.state_dict())
    if rank == 0:
        keep_metrics(out, state.step)
    forward: nn.Module = TrainForward(state.vae, learn_encoder=not config.decoder_only)
    if world > 1:
        forward = nn.parallel.DistributedDataParallel(forward)
    bf16 = config.bf16 if config.bf16 is not None else bf16_is_faster(str(state.device))
    sums: dict[str, float] = {}
    count, seen, mark = 0, 0, time.perf_counter()
    last = config.steps if stop_at is None else min(stop_at, config.steps)
    steps = iter(data)
    while state.step < last:
        batch = next(steps)
        row = train_step(state, forward, batch.frames, config, rank=rank, world=world, bf16=bf16)
        state.data = batch.data
        if row["skipped"]:
            write_metrics(
                out, rank, {"step": state.step, "skipped": True, "loss": repr(row["loss"])}
            )
        else:
            count += 1
            for key, value in row.items():
                sums[key] = sums.get(key, 0.0) + value
        seen += config.batch
        if state.step % config.log_every == 0 or state.step == last:
            now = time.perf_counter()
            state.seconds += now - mark
            line: dict[str, float] = {
                k: v / max(1, count) for k, v in sums.items() if k != "skipped"
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
            sums, count, seen, mark = {}, 0, 0, now
        if rank == 0 and on_sheet and state.step % config.sheet_every == 0 and state.step < last:
            write_metrics(out, rank, {"step": state.step, **on_sheet(state)})
        # after every line of its step: a state vouches for them
        if rank == 0 and (state.step % config.save_every == 0 or state.step == last):
            save_run(state, config, out)
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
