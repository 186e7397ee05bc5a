"""Few heaps: threads that come and go leave no memory behind, and Arrow's is the C library's."""

import platform
import subprocess
import sys

import pytest

CODE = """
import pathlib, threading
import numpy as np
from jobs.web.memory import keep_little

print(keep_little())
import pyarrow as pa
print(pa.default_memory_pool().backend_name)
gate = threading.Barrier(24)

def hold():
    gate.wait()
    small = [bytes(1000) for _ in range(100)]  # each thread needs a heap
    gate.wait()

threads = [threading.Thread(target=hold) for _ in range(24)]
[t.start() for t in threads]; [t.join() for t in threads]
ranges = [line.split()[0].split("-") for line in pathlib.Path("/proc/self/maps").read_text().splitlines()]
print(sum(int(a, 16) % (64 << 20) == 0 for a, b in ranges))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="heaps of glibc are bounded",
)
def test_threads_share_two_heaps():
    said = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    taken, pool, heaps = said.stdout.split()
    assert taken == "True"
    assert pool == "system"
    assert int(heaps) <= 3  # one made by sbrk, and one of 64 MB; 24 and more without the bound
