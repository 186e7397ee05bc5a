"""Rounds of fine-tuning by reward: draw groups of videos, score them, train on what sets the good ones apart.

DiffusionNFT (arXiv 2509.16117) with one addition: the policy that is improved is the guided one, which is what
``sample`` draws with. Its velocity is ``u + w (v - u)`` with the caption's velocity ``v`` trained and the velocity
``u`` without a caption taken from the old policy. With guidance 1 it is the paper's own.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dit.checkpoint import save_dit
from dit.config import STATE_NAME, WEIGHTS_NAME
from dit.guidance import cfg
from dit.model import DiT
from dit.paths import seen, velocity_of
from dit.rectified_flow import token_losses, token_means
from dit.reward.batch import (
    Noised,
    anchor_pack,
    anchor_picks,
    noise_pack,
    packs_of,
    without_captions,
)
from dit.reward.config import RewardConfig
from dit.reward.draw import Asks, Drawn, Judges, draw_step
from dit.reward.objective import centred, contrast, diversity, optimality
from dit.reward.run import RewardRun, run_state, start_run
from dit.reward.start import Start, rate_of
from dit.train.data import generator_for
from dit.train.parallel import clip_gradients
from pipeline.contracts import TextEncoder, Vae
from pipeline.training.device import same_bits
from pipeline.training.interrupt import Interrupts
from pipeline.training.state import add_metrics, keep_metrics, load_state, save_state

log = logging.getLogger(__name__)

Report = Callable[[dict[str, Any]], None]
UPDATE, ANCHOR = -3, -4
"""Keys of the noise of an update and of its anchor, beside those of training and drawing."""


def velocity(model: DiT, pack: Noised) -> Tensor:
    """Velocity (N, token_dim) of a pack as the model sees it, not guided."""
    path = model.config.path
    out = model(seen(path, pack.x_t, pack.t), pack.levels, pack.layout, pack.given)
    return velocity_of(path, out, pack.x_t, pack.t)


def policy_loss(run: RewardRun, config: RewardConfig, pack: Noised) -> tuple[Tensor, Tensor]:
    """Sum over a pack's tokens of the contrast, each times its level; and the old policy's velocity, not guided.

    The level as weight is that of regression on the data, scaled by its error (section 3.3): at low levels what is
    left to predict is noise of the video itself, which says nothing of its reward.
    """
    with torch.no_grad():
        old = conditional = velocity(run.policy.model, pack)
        bare = None
        if config.guidance != 1:
            bare = velocity(
                run.policy.model, without_captions(pack, run.model.config).to(run.device)
            )
            old = cfg(conditional, bare, config.guidance)
    new = velocity(run.model, pack)
    if bare is not None:
        new = cfg(new, bare, config.guidance)
    errors = contrast(new, old, pack.target, pack.good, config.beta)
    return (token_means(errors, pack.real) * pack.t).sum(), conditional


def anchor_loss(run: RewardRun, pack: Noised) -> Tensor:
    """Mean over a pack's generated tokens of the squared distance from the velocity of the beginning."""
    with torch.no_grad():
        before = velocity(run.start, pack)
    free = (~pack.given).float()
    return (token_losses(velocity(run.model, pack), before, pack.real) * free).sum() / free.sum()


def update(
    run: RewardRun, config: RewardConfig, drawn: Drawn, good: Tensor, number: int
) -> dict[str, float]:
    """One optimizer update on a step's videos; returns its numbers.

    Videos of optimality 1/2 pull nowhere and are left out.
    """
    shape, device = run.model.config, run.device
    telling = ((good - 0.5).abs() > 1e-6).nonzero()[:, 0].tolist()
    packs = packs_of(drawn.latents, telling, config.tokens_per_pack, shape.patch)
    generator = generator_for(config.seed, UPDATE, run.step, number)
    noised = [
        noise_pack(
            [drawn.latents[i] for i in pack],
            [drawn.texts[i] for i in pack],
            good[pack],
            shape,
            config,
            generator,
        )
        for pack in packs
    ]
    tokens = max(1, sum(len(pack.x_t) for pack in noised))
    loss, moved = 0.0, 0.0
    for pack in noised:
        there = pack.to(device)
        part, old = policy_loss(run, config, there)
        (part / tokens).backward()
        loss += float(part.detach()) / tokens
        if number == 0:
            with torch.no_grad():
                moved += (
                    float(token_losses(old, velocity(run.start, there), there.real).sum()) / tokens
                )
    numbers = {"loss": loss, "anchor": 0.0, **({"distance": moved} if number == 0 else {})}
    generator = generator_for(config.seed, ANCHOR, run.step, number)
    picks = list(
        anchor_picks(len(drawn.latents), config.anchor_share if config.anchor else 0.0, generator)
    )
    for pick in packs_of(drawn.latents, picks, config.tokens_per_pack, shape.patch):
        held = anchor_pack(
            [drawn.latents[i] for i in pick],
            [drawn.texts[i] for i in pick],
            shape,
            config,
            generator,
        )
        part = anchor_loss(run, held.to(device)) * len(pick) / len(picks)
        (config.anchor * part).backward()
        numbers["anchor"] += float(part.detach())
    norm = float(clip_gradients(run.model, config.grad_clip))
    rate = rate_of(run.step, number, config)
    if math.isfinite(norm) and math.isfinite(loss):
        run.optimizer.step(rate)
    else:
        run.optimizer.zero_grad()
        run.skipped += 1
        log.warning(
            "update %d of step %d skipped: loss %s, gradient norm %s", number, run.step, loss, norm
        )
    return {**numbers, "grad_norm": norm, "lr": rate}


def train_step(run: RewardRun, config: RewardConfig, drawn: Drawn) -> dict[str, Any]:
    """All updates on the videos of a step, then the policy follows; returns the step's numbers."""
    good = optimality(drawn.rewards, drawn.group, drawn.groups)
    rows = [update(run, config, drawn, good, number) for number in range(config.updates)]
    run.policy.update(run.model)
    run.step += 1
    mean = {
        name: sum(row[name] for row in rows) / len(rows) for name in ("loss", "anchor", "grad_norm")
    }
    return {**of_videos(drawn), **mean, "distance": rows[0]["distance"], "lr": rows[-1]["lr"]}


def of_videos(drawn: Drawn) -> dict[str, Any]:
    """What the videos of a step show: ``reward`` and each part of it, ``spread`` within prompts, ``agreed``, the share
    of prompts whose videos are all worth the same, and ``diversity``."""
    gaps = centred(drawn.rewards, drawn.group, drawn.groups)
    groups = [(drawn.group == g).nonzero()[:, 0].tolist() for g in range(drawn.groups)]
    spreads = [float(gaps[mine].square().mean().sqrt()) for mine in groups]
    return {
        "reward": float(drawn.rewards.mean()),
        **{f"reward_{name}": float(values.mean()) for name, values in drawn.parts.items()},
        "spread": sum(spreads) / len(spreads),
        "agreed": sum(spread < 1e-6 for spread in spreads) / len(spreads),
        "diversity": sum(
            diversity(torch.stack([drawn.latents[i] for i in mine])) for mine in groups
        )
        / len(groups),
    }


def train(
    start: Start,
    config: RewardConfig,
    asks: Asks,
    judges: Judges,
    out: str | Path,
    *,
    vae: Vae,
    text_encoder: TextEncoder,
    facts: Mapping[str, Any] | None = None,
    report: Report | None = None,
    on_draw: Callable[[int], object] | None = None,
    on_sample: Callable[[int, DiT], None] | None = None,
    stop_after: int | None = None,
    device: torch.device | None = None,
) -> RewardRun:
    """Fine-tune by reward; writes ``state.pt``, ``metrics.jsonl`` and at the end ``dit.safetensors`` to ``out``.

    A ``state.pt`` that lies there is gone on from, and refused by ValueError where it is of another run (``facts`` say
    what is asked for, and who judges). ``report`` gets the numbers of every logged step, ``on_draw`` the number of
    videos just drawn or scored, ``on_sample(step, policy)`` draws pictures. ``stop_after`` ends the run after so many
    steps of this call, as a kill would. Ctrl-C ends it after the step in hand, with a checkpoint.
    """
    out, facts = Path(out), dict(facts or {})
    path = out / STATE_NAME
    state = load_state(path) if path.is_file() else None
    run = start_run(start, config, facts, state=state, device=device, path=path)
    out.mkdir(parents=True, exist_ok=True)
    keep_metrics(out, run.step)
    began, before, first = time.monotonic(), run.elapsed_s, run.step

    def save() -> None:
        save_state(path, run_state(run, config, facts, start.latents))

    if on_sample and config.sample_every and not run.step:
        on_sample(0, run.policy.model)
    with same_bits(run.device), Interrupts(True) as stop:
        while run.step < config.steps:
            mark = time.monotonic()
            drawn = draw_step(
                run.policy.model, start.latents, asks(run.step), config, run.step,
                vae=vae, text_encoder=text_encoder, judges=judges, on_done=on_draw,
            )  # fmt: skip
            drew = time.monotonic() - mark
            run.last = train_step(run, config, drawn)
            run.elapsed_s = before + time.monotonic() - began
            last = run.step == config.steps
            row = {
                "stage": "reward-dit", "step": run.step, **run.last, "draw_s": round(drew, 3),
                "elapsed_s": round(run.elapsed_s, 3), "skipped": run.skipped,
            }  # fmt: skip
            if run.step % config.log_every == 0 or last:
                add_metrics(out, row)
                if report:
                    report(row)
            if run.step % config.checkpoint_every == 0 or last or stop.asked:
                save()
            if on_sample and config.sample_every and (run.step % config.sample_every == 0 or last):
                on_sample(run.step, run.policy.model)
            if stop.asked and not last:
                stop.end()
            if stop_after is not None and run.step - first >= stop_after:
                return run
    save_dit(run.policy.model, start.latents, out / WEIGHTS_NAME, info=info_of(run, config, facts))
    return run


def info_of(run: RewardRun, config: RewardConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What ``dit.safetensors`` tells of its training."""
    return {
        "steps": run.step,
        "seconds": round(run.elapsed_s, 1),
        "started_from": run.started_from,
        "reward": {"config": dataclasses.asdict(config), **facts},
        "last": dict(run.last),
        "parameters": run.model.n_parameters(),
    }
