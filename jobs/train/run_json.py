"""``run.json`` of a training folder: which command ran with which settings on which data.

It is what lets ``show-batch`` and ``verify-resume`` make the steps of a run again without its weights.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import location

if TYPE_CHECKING:
    from jobs.train.dit_args import Args
    from jobs.train.vae_args import Args as VaeArgs
    from pipeline.loader.steps import Batches

RUN_NAME = "run.json"


def write_run(out: Path, command: str, settings: object) -> None:
    """Note ``settings``, a dataclass of plain values and paths, in ``out``."""
    import msgspec

    body = {"command": command, "settings": msgspec.to_builtins(settings, enc_hook=str)}
    write_bytes(out / RUN_NAME, (json.dumps(body, indent=2) + "\n").encode())


def read_run(folder: Path, data: str | None = None) -> Args | VaeArgs:
    """Settings of the run in ``folder``; ``data`` says where its shards or latents are now."""
    import msgspec

    from jobs.train.dit_args import Args
    from jobs.train.vae_args import Args as VaeArgs

    path = folder / RUN_NAME
    if not path.is_file():
        raise UserError(f"{folder} has no {RUN_NAME}; give the --out of train-vae or train-dit")
    kinds: dict[str, tuple[Any, str]] = {
        "train-dit": (Args, "latents"),
        "train-vae": (VaeArgs, "shards"),
    }
    try:
        body = json.loads(path.read_text())
        if isinstance(body, dict) and body.get("command") == "reward-dit":
            raise UserError(
                f"{folder} holds a run of reward-dit, whose steps read no data; give a folder of train-vae or train-dit"
            )
        kind, where = kinds[body["command"]]
        run = msgspec.convert(body["settings"], kind, dec_hook=lambda to, value: to(value))
    except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise UserError(f"{path} is not what this filmstock writes: {error}") from None
    run = dataclasses.replace(run, **{where: str(data)} if data else {})
    if not location(getattr(run, where)).exists():
        raise UserError(
            f"the {where} of {folder} are no longer at {getattr(run, where)}; say where with --data"
        )
    return run


def open_steps(run: Args | VaeArgs) -> Batches:
    """The loader of a run as one process sees it; it notes no bad clips in the run's folder."""
    from jobs.train.dit_args import Args
    from jobs.train.dit_setup import open_data

    if isinstance(run, Args):
        return open_data(run, 0, 1, note=False)
    return open_vae_data(run).clips


def open_vae_data(run: VaeArgs) -> Any:
    """``TrainData`` of a VAE run as one process sees it."""
    from jobs.train.vae_start import load_start
    from vae.data import TrainData

    return TrainData(run.shards, load_start(run)[0], run.train)
