"""Start Ray the same way for every job: local and quiet by default, a cluster when RAY_ADDRESS is set."""

from __future__ import annotations

import logging
import os
import site
import sys

from jobs.core.cluster import (
    REPOSITORY,
    check_shared,
    cluster_address,
    join_cluster,
    show_token,
)
from jobs.core.console import silent_stderr
from jobs.core.errors import UserError
from pipeline.store.paths import Location

ATTEMPTS = 3
"""Times a local Ray is started before giving up."""


def start_ray(num_cpus: int | None = None, *, shared: Location | str | None = None) -> None:
    """Connect to RAY_ADDRESS, or start a local Ray with ``num_cpus`` (all cores by default). Idempotent.

    ``shared``: a folder that workers write to; refused when some node of the cluster does not see it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ core prints to our stderr
    if cluster_address():
        show_token()
    import ray

    if not ray.is_initialized():
        if address := cluster_address():
            join_cluster(address)
        else:
            _inherit_import_path()
            start_local(num_cpus or os.cpu_count() or 1)
    _quiet_ray_data()
    if shared is not None:
        check_shared(shared)


def gpu_share(share: float) -> float:
    """What a worker that wants ``share`` of a GPU may ask Ray for: as much where the cluster has GPUs, else 0."""
    import ray

    return share if ray.cluster_resources().get("GPU", 0) >= min(share, 1) else 0


def stop_ray() -> None:
    """Shut down what ``start_ray`` started; nothing happens when Ray was never imported."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


def start_local(num_cpus: int) -> None:
    """Start a Ray of this machine; again when a loaded machine makes it miss its fixed 30 s start-up limit."""
    import ray

    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with silent_stderr():  # the core announces its own log level there
                ray.init(
                    address="local",
                    num_cpus=num_cpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            return
        except Exception as error:  # Ray raises a bare Exception; its text is all there is to go by
            ray.shutdown()
            if "timed out during startup" not in str(error) and "GCS" not in str(error):
                raise
            if attempt == ATTEMPTS:
                raise UserError(
                    f"Ray did not start in {ATTEMPTS} attempts, the machine may be overloaded; "
                    "run the same command again when it is less busy"
                ) from error


def _inherit_import_path() -> None:
    """Local workers inherit this environment, so they find our packages from any working directory.

    An installed wheel is found anyway; site-packages on PYTHONPATH would come before the standard library.
    """
    if str(REPOSITORY) in site.getsitepackages():
        return
    known = os.environ.get("PYTHONPATH", "")
    if str(REPOSITORY) not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), known]))


def _quiet_ray_data() -> None:
    """Progress is printed by our jobs, one line per stage; Ray's own bars and logs are off."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray._private", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it prints what it then raises
