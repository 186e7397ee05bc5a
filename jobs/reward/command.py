"""``filmstock reward-dit --out DIR``: fine-tune the diffusion transformer by reward, on videos that it draws itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.args import parse_args
from jobs.core.console import held_warnings, say
from jobs.core.errors import EXIT_OK, user_errors
from jobs.core.keys import config_key
from jobs.core.stage import Stage
from jobs.reward.args import UNKEYED, Args, check, facts_of, weights_of
from jobs.reward.asks import FilePrompts, Wanted, as_asks
from jobs.train.checkpoints import check_out, going_on
from jobs.train.run_json import write_run

if TYPE_CHECKING:
    from dit.reward.start import Start

STAGE = "reward-dit"


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, STAGE))
    return EXIT_OK


def run(args: Args) -> Path:
    """Fine-tune as asked; returns the path of ``dit.safetensors``."""
    from dit.config import STATE_NAME, WEIGHTS_NAME
    from dit.reward.start import refuse_other
    from pipeline.training.facts import read_facts

    path = check_out(args.out, STATE_NAME, resume=args.resume, stage=STAGE)
    weights = args.out / WEIGHTS_NAME
    with user_errors():
        with held_warnings():
            state = read_facts(path) if path.is_file() else None
            init = args.init or str((state or {}).get("init") or "embedded")
            wanted = check(args, init)
            facts = facts_of(args, wanted)
            start = start_of(init)
            stage = Stage(args.out, STAGE, key_of(args, start, facts))
            if stage.info:
                say(f"{STAGE}: nothing to do, {weights} was trained with these settings")
                return weights
            if state is not None:
                refuse_other(state, start, args.train, facts, path=path)
                say(going_on(STAGE, path, state["step"], args.train.steps))
        _train(args, start, wanted, facts, stage)
    from jobs.reward.results import write_card

    write_card(args, weights)
    stage.finish({"outputs": [WEIGHTS_NAME]})
    say(f"{STAGE}: weights in {weights}")
    return weights


def start_of(init: str) -> Start:
    """The weights that a run begins with."""
    from dit.files import open_dit
    from dit.reward.start import Start

    found = open_dit(init)
    if Path(init).exists():
        init = str(Path(init).resolve())
    return Start(
        model=found.config, weights=found.weights, id=found.id, latents=found.latents, init=init
    )


def key_of(args: Args, start: Start, facts: dict[str, Any]) -> str:
    """Hash of all that determines the weights."""
    kept = {name: value for name, value in vars(args).items() if name not in UNKEYED}
    return config_key(kept, facts, start.id)


def _train(args: Args, start: Start, wanted: Wanted, facts: dict[str, Any], stage: Stage) -> None:
    """Load the models, hold the folder, and train."""
    import torch

    from dit.reward.loop import train
    from jobs.core.models import load_text_for, load_vae_for
    from jobs.reward.results import Reports, make_sheet
    from jobs.reward.rewards import RelevanceReward, open_judges, warn_of_foreign
    from pipeline.training.device import pick_device

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    vae = load_vae_for(start.latents, args.vae, args.device)
    text_encoder = load_text_for(start.latents, args.text, args.device)
    judges = open_judges(weights_of(args), args.clip_model, args.device)
    if isinstance(wanted, FilePrompts):
        for _, reward in judges.parts.values():
            if isinstance(reward, RelevanceReward):
                warn_of_foreign(wanted.prompts, reward.model)
    stage.begin()
    write_run(args.out, STAGE, dataclasses.replace(args, init=start.init))
    config = args.train
    say(
        f"{STAGE}: {config.prompts_per_step} prompts of {config.group} videos a step, {config.steps} steps from "
        f"DiT {start.id}; judged by {', '.join(f'{n} {w:g}' for n, (w, _) in judges.parts.items())}"
    )
    reports = Reports(config)
    train(
        start,
        config,
        lambda step: as_asks(wanted.at(step), vae),
        judges,
        args.out,
        vae=vae,
        text_encoder=text_encoder,
        facts=facts,
        report=reports,
        on_draw=reports.drawn,
        on_sample=make_sheet(args, start.latents, wanted, vae, text_encoder),
        device=device,
    )
    reports.close()
