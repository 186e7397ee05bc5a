"""The loader, from one import: endless global steps whose whole state is (epoch, step).

    loader = LatentPacks("runs/x/latents", token_budget=4096, packs_per_step=4, rank=r, world=w)
    loader.seek(checkpoint["data"])           # to resume, at any step, with any world size
    for step in loader:                       # step.units: this rank's packs
        ...
        checkpoint["data"] = step.state.to_dict()

``order.py`` and ``mix.py`` hold the pure functions, ``steps.py`` the stepping, ``videos.py`` and
``latent_packs.py`` the two kinds of data, ``workers.py`` processes that read ahead.
"""

from pipeline.loader.latent_packs import LatentPacks
from pipeline.loader.order import LoaderState, epoch_order
from pipeline.loader.packs import packing_waste, plan_packs
from pipeline.loader.quarantine import DataError
from pipeline.loader.steps import Step, StepLoader
from pipeline.loader.videos import VideoBatches
from pipeline.loader.view import ClipView
from pipeline.loader.workers import WorkerSteps, with_workers
from pipeline.shards.ranges import ClipError

__all__ = [
    "ClipError",
    "ClipView",
    "DataError",
    "LatentPacks",
    "LoaderState",
    "Step",
    "StepLoader",
    "VideoBatches",
    "WorkerSteps",
    "epoch_order",
    "packing_waste",
    "plan_packs",
    "with_workers",
]
