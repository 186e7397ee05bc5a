"""Training, held-out losses, sampling, VAE and CLIP on a fake GPU: no mixed devices, the host waits for no number.

In a process of its own: torch takes the fake GPU for an accelerator from then on, if no backward pass came before.
"""

import functools
import subprocess

import pytest

from benchmarks import gpu_fake
from tests.helpers.warm_python import python

NAMES = [name for name, _ in gpu_fake.parts()]


@functools.cache
def lines() -> dict[str, str]:
    """What ``python -m benchmarks.gpu --fake`` says of every part."""
    words = [python(), "-m", "benchmarks.gpu", "--fake"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=800, check=False)
    rows = [line.split(None, 1) for line in done.stdout.splitlines()]
    return {rest.partition(" (")[0].partition(": ")[0]: word for word, rest in rows}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_on_a_fake_gpu(name: str) -> None:
    assert lines().get(name.partition(": ")[0]) == "ok", lines()
