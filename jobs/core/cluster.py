"""Join a Ray cluster: find its address, ship the code, check that every node sees the folder."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from pathlib import Path

from jobs.core.console import silent_stderr
from jobs.core.errors import UserError
from pipeline.store.paths import Location, ObjectPath, location

REPOSITORY = Path(__file__).resolve().parents[2]
"""Folder that holds our packages: the checkout, or the site-packages that a wheel was installed into."""
PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs", "recipes")
"""What a worker imports from us, and all that is shipped."""
NOT_SHIPPED = ("__pycache__/", "*.pyc")
"""Patterns, as in a .gitignore, of what no worker needs."""
KNOCK_S = 10.0
"""Seconds in which the head of a cluster must take a connection."""
UNPACKED = "_ray_pkg_"
"""In the path of a folder that Ray unpacked a working directory to; it is removed when the job is over."""


def cluster_address() -> str | None:
    """RAY_ADDRESS, or None when Ray is to be started here."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def join_cluster(address: str) -> None:
    """Connect to a cluster and ship it our packages; what the user can mend is a ``UserError`` of one line."""
    import ray

    if address.startswith("ray://"):
        raise UserError(
            f"RAY_ADDRESS={address} is Ray Client's, which Ray Data does not run through; use HOST:6379 from a node "
            "of the cluster, or ray job submit"
        )
    try:
        knock(address)
        with silent_stderr():  # the core writes a line of its own for every try
            ask(address)
            ray.init(
                address=address,
                runtime_env=shipped(),
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, TimeoutError, ray.exceptions.RpcError) as error:
        raise UserError(
            f"no Ray cluster answers at RAY_ADDRESS={address}; check it with `ray status --address {address}`, "
            "or unset it to run on this machine"
        ) from error
    except ray.exceptions.AuthenticationError as error:
        raise UserError(
            f"the cluster at RAY_ADDRESS={address} asks for a token that is not here, or another one: copy the head's "
            "~/.ray/auth_token to the same place here, or set RAY_AUTH_TOKEN"
        ) from error
    except RuntimeError as error:
        text = " ".join(str(error).split())
        if "ersion mismatch" not in text:
            raise
        raise UserError(
            f"the cluster at RAY_ADDRESS={address} runs other versions: {text}"
        ) from error


def show_token() -> None:
    """Have Ray present the token that lies here: without RAY_AUTH_MODE only the head of a cluster thinks of it."""
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if os.environ.get("RAY_AUTH_TOKEN") or file.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    elif os.environ.get("RAY_AUTH_MODE") == "token":
        # Ray's core would end this process without a word
        raise UserError(
            f"RAY_AUTH_MODE is token and there is no token in {file}: copy the head's ~/.ray/auth_token there, "
            "set RAY_AUTH_TOKEN, or make one with `ray get-auth-token --generate`"
        )


def ask(address: str) -> None:
    """AuthenticationError where a cluster at HOST:PORT does not take our token; ``ray.init`` would try 20 s, and then
    say that there is none. RpcError where what listens is no Ray."""
    from ray._raylet import GcsClient  # what `ray start --address` asks

    if ":" in address:
        GcsClient(address=address)


def knock(address: str) -> None:
    """ConnectionError where nothing listens at HOST:PORT; Ray itself would try for a quarter of an hour.

    Another kind of address, such as ``auto``, is left to Ray.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
        except OSError as error:  # an unknown host, too
            raise ConnectionError(f"{address}: {error}") from error


def shipped() -> dict[str, object]:
    """Ray's runtime environment: our packages and nothing beside them, unless ``ray job submit`` sent them already.

    Single packages and no working directory: beside a wheel's packages lies the rest of site-packages.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    return {
        "py_modules": [str(REPOSITORY / name) for name in PACKAGES],
        "excludes": list(NOT_SHIPPED),
    }


def check_shared(folder: Location | str) -> None:
    """Refuse a folder that some node does not see: its workers would write to a disk of their own, and be believed."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = location(folder).absolute()
    if cluster_address() is None or isinstance(place, ObjectPath):
        return
    if any(part.startswith(UNPACKED) for part in place.parts):
        raise UserError(
            f"{folder} lies in the package that Ray unpacked for this job and is removed with it; "
            "give an absolute path on a shared folder, or s3://BUCKET/PREFIX"
        )
    token = place / f".seen-{uuid.uuid4().hex}.tmp"
    token.touch()
    try:
        answers = []
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                task = ray.remote(os.path.exists).options(num_cpus=0, scheduling_strategy=there)
                answers.append((node, task.remote(str(token))))
        for node, seen in answers:
            if not ray.get(seen):
                raise UserError(
                    f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']}) of the cluster does not see "
                    f"{place}; use a folder that all nodes share, or s3://BUCKET/PREFIX"
                )
    finally:
        token.unlink()
