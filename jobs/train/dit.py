"""``filmstock train-dit LATENTS --out DIR``: train the diffusion transformer from encoded clips.

One process is plain PyTorch; ``--workers N`` runs the same loop in N processes of Ray Train, which see the same global
steps and so train the same model.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.core.args import parse_args
from jobs.core.console import held_warnings, say, warn
from jobs.core.errors import EXIT_OK, user_errors
from jobs.core.keys import config_key
from jobs.core.models import load_vae_for
from jobs.core.named import check_pair, check_vae
from jobs.core.run import run_of
from jobs.core.stage import Stage
from jobs.core.uses import note_use
from jobs.edits.fresh import check_latents
from jobs.train.checkpoints import check_out, going_on
from jobs.train.dit_args import UNKEYED, Args, settled, train_config, with_mix
from jobs.train.dit_setup import mix_line, open_data, start_of, train_here
from jobs.train.run_json import write_run
from jobs.train.seen import latents_line
from pipeline.store.paths import absolute
from pipeline.training.device import check_device

if TYPE_CHECKING:
    from dit.train.training_packs import TrainingPacks

STAGE = "train-dit"


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    if args.dry_run:
        look(args)
    else:
        run(args)
    return EXIT_OK


def look(args: Args) -> None:
    """``--dry-run``: report on data and settings."""
    from jobs.train import dit_doctor as dry_run

    with user_errors():
        check_latents(args.latents)
        dry_run.run(with_mix(args))


def check_run(args: Args, data: TrainingPacks, path: Path) -> None:
    """Raise ValueError where data, weights to start from, or the checkpoint at ``path`` do not fit; writes nothing.

    Headers and plain values say all of it, so torch is not imported; a VAE that is not ours is loaded.
    """
    from dit.train.refusals import refuse_other
    from dit.train.saved import state_facts
    from pipeline.autoencoder.names import is_foreign
    from pipeline.extensions import is_extension

    spec = data.spec()
    held = int(data.held.sum())
    say(
        f"train-dit: {data.n_clips} clips, {held} held out, {data.steps.steps_in(0)} steps an epoch"
    )
    say(f"train-dit: {latents_line(data.store)}")
    say(f"train-dit: {mix_line(data)}")
    config = train_config(args)
    if args.vae != "embedded":
        check_vae(args.vae)
        check_pair(spec, args.vae, "the latents are")
    start = start_of(args, data)
    if path.exists():
        state = state_facts(path)
        refuse_other(state, start.model, config, data, started_from=start.id, path=path)
        data.seek(state["cursor"])
        steps = None if config.minutes else config.steps
        say(going_on(STAGE, path, state["step"], steps))
    if config.reference_share:
        some = int((data.mates.counts > 0).sum())
        say(
            f"train-dit: {some} of {len(data.clip_ids)} clips have another of their source to be shown"
        )
        if not some:
            raise ValueError(
                "no clip has another of its source, so there is nothing to show as a reference; leave --references "
                "out, or train on sources with several clips"
            )
    if is_foreign(args.vae) or is_extension(args.vae):  # what it is, only itself can say
        load_vae_for(spec, args.vae)
    if not held:
        warn(
            f"0 of {len(data.clip_ids)} clips are held out, so no held-out loss is measured; raise --held-out-share "
            f"({args.train.held_out_share:g})"
        )


def run(args: Args) -> Path:
    """Train as asked; returns the path of ``dit.safetensors``."""
    from dit.config import STATE_NAME, WEIGHTS_NAME
    from dit.train.saved import latest_state

    weights = args.out / WEIGHTS_NAME
    path = check_out(args.out, STATE_NAME, resume=args.resume, stage=STAGE, find=latest_state)
    args = settled(args)
    with user_errors():
        with held_warnings():
            check_device(args.device)
            check_latents(args.latents)
            args = with_mix(args)
            data = open_data(args, 0, 1)
            key = config_key(
                {name: value for name, value in vars(args).items() if name not in UNKEYED},
                data.store.hash,
            )
            stage = Stage(args.out, STAGE, key)
            if stage.info:
                say(
                    f"train-dit: nothing to do, {weights} was trained with these settings on these latents"
                )
                return weights
            check_run(args, data, path)
        stage.begin()
        note_use(run_of(args.latents).path, STAGE, args.out)
        write_run(args.out, STAGE, dataclasses.replace(args, latents=absolute(args.latents)))
        if args.workers > 1:
            from jobs.train.dit_ray import fit

            fit(args)
        else:
            train_here(args, data)
    from jobs.train.dit_results import write_card

    write_card(args, weights)
    stage.finish({"outputs": [WEIGHTS_NAME]})
    say(f"train-dit: weights in {weights}")
    return weights
