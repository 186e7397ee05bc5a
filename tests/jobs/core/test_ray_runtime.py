"""Starting Ray: quiet, and workers import our packages from any working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.core.cluster import REPOSITORY
from jobs.core.errors import UserError
from jobs.core.ray_runtime import start_ray, stop_ray

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from jobs.core.ray_runtime import start_ray, stop_ray

def schema_file(row):
    import pipeline.schema
    return {{"file": pipeline.schema.__file__}}

start_ray(num_cpus=1)
start_ray()
import ray
print(ray.cluster_resources()["CPU"])
print(ray.data.from_items([1]).map(schema_file).take_all()[0]["file"])
stop_ray()
print(ray.is_initialized())
"""


def test_workers_import_our_packages_from_another_folder_without_noise(tmp_path: Path):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(root=str(REPOSITORY))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**env, "RAY_ADDRESS": "local"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0", str(REPOSITORY / "pipeline" / "schema.py"), "False"]
    assert done.stderr == ""


def test_stopping_without_ray_imports_nothing():
    code = "import sys; from jobs.core.ray_runtime import stop_ray; stop_ray(); print('ray' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=300
    )
    assert done.stdout.strip() == "False", done.stderr
    assert callable(stop_ray)


def test_a_slow_machine_gets_further_attempts(monkeypatch: pytest.MonkeyPatch):
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    calls = []

    def slow_then_fine(**options: object) -> None:
        calls.append(options["num_cpus"])
        if len(calls) < 3:
            raise Exception("The current node timed out during startup. The GCS is overloaded.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", slow_then_fine)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    start_ray(2)
    assert calls == [2, 2, 2]


def test_a_ray_that_never_starts_is_one_line_and_another_failure_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
):
    import ray

    def fail(text: str) -> None:
        def init(**options: object) -> None:
            raise RuntimeError(text)

        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "init", init)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        start_ray(2)

    with pytest.raises(UserError, match="3 attempts"):
        fail("The current node timed out during startup.")
    with pytest.raises(RuntimeError, match="no space left"):
        fail("no space left")
