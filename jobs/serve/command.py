"""``filmstock serve CKPT``: a queue, a gallery and an HTTP API in front of one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from jobs.core.args import parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.lock import check_free, locked
from jobs.core.model_options import DitName, TextName, VaeName, Weights
from jobs.core.writable import check_own_folder
from jobs.generate.marks import open_credentials
from jobs.web.server import WebArgs, access_of, bind, link, serve
from pipeline.bounds import Count, check_bounds

if TYPE_CHECKING:
    import socket

    from dit.video_models import VideoModels
    from jobs.web.guard import Access
    from pipeline.video.provenance import Credentials


@dataclass(frozen=True, kw_only=True)
class Args(WebArgs):
    """Sample from a checkpoint in the browser, or by HTTP. Ctrl-C ends it; what waits is there at the next start."""

    dit: tyro.conf.Positional[DitName] = "embedded"
    out: Path = Path("served")
    """Folder of the queue and of the results; a new start goes on with it."""
    queue: Count = 64
    """Most jobs that wait; a client that comes then is told when to ask again (429, Retry-After)."""
    weights: Weights = "float"
    vae: VaeName = "embedded"
    text: TextName = "embedded"
    c2pa_cert: Path | None = None
    """PEM of your certificate and its issuers: every video gets a signed C2PA manifest."""
    c2pa_key: Path | None = None
    """PEM of the key that goes with it."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu, cuda or cuda:N."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self)


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "serve")
    check_own_folder(args.out)
    if args.dit != "embedded" and not Path(args.dit).exists():
        raise UserError(
            f"no DiT at {args.dit}; give a folder of `filmstock train-dit LATENTS --out DIR`, or embedded"
        )
    from jobs.generate.limits import check_models
    from pipeline.training.device import check_device

    check_models(args.dit, args.vae, args.text)
    check_device(args.device)
    credentials = open_credentials(args.c2pa_cert, args.c2pa_key)
    access = access_of(args, uploads=uploads())
    listener = bind(args.host, args.port)  # a port that is taken is told before a model is loaded
    try:
        check_free(args.out)
        say(f"serve: loading DiT {args.dit}, VAE {args.vae} and text encoder {args.text}")
        models = load_models(args)  # before there is a folder: they may be refused
        with locked(args.out, "serve"):
            run(args, models, access, listener, credentials)
    finally:
        listener.close()
    return EXIT_OK


def run(
    args: Args,
    models: VideoModels,
    access: Access,
    listener: socket.socket,
    credentials: Credentials | None = None,
) -> None:
    """Take up what waits, answer until Ctrl-C."""
    from jobs.serve.app import Api
    from jobs.serve.inputs import Inputs
    from jobs.serve.store import Store
    from jobs.serve.worker import Worker, announce

    store = Store(args.out, args.queue)
    announce(store, args.out)
    worker = Worker(store, models, Inputs(args.out), credentials)
    api = Api(store, worker, access, args.dit)
    say(f"serve: {args.dit} at {link(listener, access)} (Ctrl-C ends it)")
    serve(api.app(), listener)


def uploads() -> dict[str, int]:
    """How large a body may be where something is uploaded."""
    from jobs.serve.inputs import MAX_BYTES

    return {"/api/inputs": MAX_BYTES}


def load_models(args: Args) -> VideoModels:
    """The three models; UserError where one is missing, or is not the one the DiT was trained with."""
    from dit.video_models import VideoModels
    from jobs.core.models import load_dit_at, load_text_for, load_vae_for

    loaded = load_dit_at(args.dit, args.device, args.weights)
    return VideoModels(
        dit=loaded,
        vae=load_vae_for(loaded.latents, args.vae, args.device),
        text_encoder=load_text_for(loaded.latents, args.text, args.device),
    )
