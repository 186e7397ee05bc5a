"""Joining a cluster: what the user can mend is one line that says how."""

from __future__ import annotations

import os
import socket
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.core import cluster
from jobs.core.errors import UserError


@pytest.mark.parametrize(
    ("address", "raised", "says"),
    [
        ("ray://head:10001", None, "Ray Client.*ray job submit"),
        (
            "10.0.0.1:6379",
            ConnectionError("Could not find any running Ray instance"),
            "answers at RAY_ADDRESS=10.0.0.1:6379",
        ),
        (
            "head:6379",
            RuntimeError("Version mismatch: The cluster was started with:\n  Ray: 2.50\n"),
            "other versions: Version mismatch.*2.50$",
        ),
    ],
)
def test_a_cluster_that_cannot_be_joined_is_one_line(
    monkeypatch: pytest.MonkeyPatch, address: str, raised: Exception | None, says: str
) -> None:
    import ray

    def init(**_: object) -> None:
        assert raised is not None, "nothing to try"
        raise raised

    monkeypatch.setattr(cluster, "knock", lambda address: None)
    monkeypatch.setattr(cluster, "ask", lambda address: None)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match=says) as caught:
        cluster.join_cluster(address)
    assert "\n" not in str(caught.value)


def test_where_nobody_listens_ray_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray tries for a quarter of an hour before it says so."""
    import ray

    def init(**_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(ray, "init", init)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(UserError, match=f"answers at RAY_ADDRESS={address}"):
            cluster.join_cluster(address)
    with socket.create_server(("127.0.0.1", 0)) as open_one:
        cluster.knock(f"127.0.0.1:{open_one.getsockname()[1]}")
    cluster.knock("auto")


def test_a_token_that_is_not_taken_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's own connection tries for 20 seconds, writes a line for each, and says that there is no cluster."""
    import ray
    from ray.exceptions import AuthenticationError

    def refuse(address: str) -> None:
        raise AuthenticationError("InvalidAuthToken")

    def init(**_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(cluster, "knock", lambda address: None)
    monkeypatch.setattr(cluster, "ask", refuse)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match=r"asks for a token.*copy the head's ~/.ray/auth_token"):
        cluster.join_cluster("head:6379")


def test_what_listens_and_is_no_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.exceptions import RpcError

    def time_out(address: str) -> None:
        raise RpcError("Timed out while waiting for GCS to become available.")

    monkeypatch.setattr(cluster, "knock", lambda address: None)
    monkeypatch.setattr(cluster, "ask", time_out)
    with pytest.raises(UserError, match="no Ray cluster answers at RAY_ADDRESS=head:80"):
        cluster.join_cluster("head:80")


def test_a_token_that_lies_here_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    cluster.show_token()
    assert "RAY_AUTH_MODE" not in os.environ
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(UserError, match=r"no token in .*auth_token: copy the head's"):
        cluster.show_token()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cluster.show_token()
    assert os.environ["RAY_AUTH_MODE"] == "disabled", "what the user says counts"
    monkeypatch.delenv("RAY_AUTH_MODE")
    cluster.show_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.delenv("RAY_AUTH_MODE")  # as it was set here, nothing else would take it away


def test_another_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(**_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cluster, "knock", lambda address: None)
    monkeypatch.setattr(cluster, "ask", lambda address: None)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(RuntimeError, match="a bug"):
        cluster.join_cluster("head:6379")


def nodes(monkeypatch: pytest.MonkeyPatch, seen: dict[str, bool]) -> None:
    """A cluster of these nodes, each with its answer to whether it sees the token."""
    import ray

    class Task:
        def options(self, **options: Any) -> Task:
            self.node = options["scheduling_strategy"].node_id
            return self

        def remote(self, token: str) -> bool:
            return seen[self.node] and Path(token).exists()

    found = [
        {
            "NodeID": name,
            "Alive": True,
            "Resources": {"CPU": 1.0},
            "NodeManagerHostname": f"host-{name}",
            "NodeManagerAddress": "10.0.0.2",
        }
        for name in seen
    ]
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setattr(ray, "nodes", lambda: found)
    monkeypatch.setattr(ray, "remote", lambda _: Task())
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    monkeypatch.setattr(
        "ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy",
        lambda node, soft: SimpleNamespace(node_id=node),
    )


def test_a_node_that_does_not_see_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes(monkeypatch, {"a": True, "b": True})
    cluster.check_shared(tmp_path)
    nodes(monkeypatch, {"a": True, "b": False})
    with pytest.raises(UserError, match=r"node host-b \(10.0.0.2\).*does not see.*s3://"):
        cluster.check_shared(tmp_path)
    assert not list(tmp_path.iterdir())
    cluster.check_shared("s3://bucket/run")
    monkeypatch.delenv("RAY_ADDRESS")
    cluster.check_shared(tmp_path)


def test_output_in_the_unpacked_package_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes(monkeypatch, {"a": True})
    with pytest.raises(UserError, match="removed with it; give an absolute path"):
        cluster.check_shared(tmp_path / "_ray_pkg_0123" / "set")


def test_only_our_packages_are_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    shipped = cluster.shipped()
    folders = [Path(path) for path in shipped["py_modules"]]
    assert [folder.name for folder in folders] == list(cluster.PACKAGES)
    assert "working_dir" not in shipped, "beside a wheel's packages lies all of site-packages"
    project = tomllib.loads((cluster.REPOSITORY / "pyproject.toml").read_text())
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(cluster.PACKAGES) == sorted(pattern.rstrip("*") for pattern in found)


def test_shipped_packages_carry_their_data_and_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private.runtime_env.packaging import create_package

    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    shipped = cluster.shipped()
    names: list[str] = []
    size = 0
    for folder in shipped["py_modules"]:
        package = tmp_path / f"{Path(folder).name}.zip"
        create_package(
            folder,
            package,
            include_gitignore=True,
            include_parent_dir=True,
            excludes=shipped["excludes"],
        )
        size += package.stat().st_size
        names += zipfile.ZipFile(package).namelist()
    for needed in ("recipes/demo.toml", "jobs/report/page.html.j2", "vae/weights/vae.safetensors"):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert size < 100 << 20, "Ray refuses packages of more than 100 MiB unless told otherwise"


def test_a_job_that_ray_job_submit_sent_ships_nothing_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert cluster.shipped() == {}


def test_a_submitted_checkout_leaves_out_what_no_worker_needs() -> None:
    from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

    root = cluster.REPOSITORY
    excluded = get_excludes_from_ignore_files(root, include_gitignore=True)
    size = 0
    for name in ("tests/test_imports.py", ".venv/pyvenv.cfg", "runs/demo/set/clips/part-1.parquet"):
        assert any(rule(root / name) for rule in excluded), name
    for folder in ("pipeline", "captioner", "vae", "dit", "jobs", "recipes"):
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert not any(rule(path) for rule in excluded), path
                size += path.stat().st_size
    assert size < 100 << 20, "Ray refuses packages of more than 100 MiB unless told otherwise"
