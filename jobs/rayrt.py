"""Starting Ray, the same way for every job: local and quiet by default, a cluster when RAY_ADDRESS says so."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from jobs.errors import UserError

ATTEMPTS = 3
"""Times a local Ray is started before giving up."""
REPOSITORY = Path(__file__).resolve().parent.parent
"""Folder that holds ``pipeline``, ``jobs`` and the others; workers must be able to import from it."""


def start_ray(num_cpus: int | None = None) -> None:
    """Connect to RAY_ADDRESS, or start a local Ray with ``num_cpus`` (all cores by default). Idempotent."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ core prints to our stderr
    import ray

    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        if address and address != "local":
            ray.init(
                address=address,
                runtime_env=_cluster_env(),
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            _inherit_import_path()
            _start_local(num_cpus or os.cpu_count() or 1)
    _quiet_ray_data()


def check_shared(folder: Path | str) -> None:
    """Refuse a folder that some node of the cluster does not see: its workers would write to a disk of their own."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if "://" in str(folder) or len(nodes) < 2 and not _is_remote():
        return
    token = Path(folder).absolute() / f".seen-{uuid.uuid4().hex}.tmp"
    token.touch()
    try:
        answers = []
        for node in nodes:
            where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = ray.remote(os.path.exists).options(num_cpus=0, scheduling_strategy=where)
            answers.append((node["NodeManagerAddress"], task.remote(str(token))))
        for name, answer in answers:
            if not ray.get(answer):
                raise UserError(
                    f"node {name} of the cluster does not see {folder}; "
                    "use a shared folder or s3://BUCKET/PREFIX"
                )
    finally:
        token.unlink()


def _is_remote() -> bool:
    return os.environ.get("RAY_ADDRESS", "local") != "local"


def stop_ray() -> None:
    """Shut down what ``start_ray`` started; nothing happens when Ray was never imported."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


def _start_local(num_cpus: int) -> None:
    """Start a local Ray; again when a loaded machine makes it miss its fixed 30 s start-up limit."""
    import ray

    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _silent_stderr():  # the core announces its own log level there
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


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 nowhere: what native code prints passes by ``sys.stderr``. Errors are raised anyway."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _inherit_import_path() -> None:
    """Local workers inherit this environment, so they find our packages from any working directory."""
    known = os.environ.get("PYTHONPATH", "")
    if str(REPOSITORY) not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY), known]))


def _cluster_env() -> dict[str, object]:
    """Ship the checkout, unless ``ray job submit --working-dir`` already did."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    heavy = [".git", ".venv*", "runs", "demo", "**/__pycache__", "tests"]
    return {"working_dir": str(REPOSITORY), "excludes": heavy}


def _quiet_ray_data() -> None:
    """Progress is printed by our jobs, one line per stage; Ray's own bars and logs are off."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray._private", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it prints what it then raises
