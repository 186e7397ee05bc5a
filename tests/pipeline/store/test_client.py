"""The client of a store is there whole, whichever thread asks for it first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


TWO_THREADS = """
import builtins, sys, threading, time
from pipeline.store.client import asking, client

real, store_is_there = builtins.__import__, threading.Event()

def slow(name, given=None, local=None, fromlist=(), level=0):
    # obstore's own last import: its modules are ready by then, and its functions are not
    if fromlist == ("*",) and (given or {}).get("__name__") == "obstore":
        store_is_there.set()
        time.sleep(1)
    return real(name, given, local, fromlist, level)

builtins.__import__ = slow
first = threading.Thread(target=lambda: client("s3://one"))
first.start()
assert store_is_there.wait(60)
if sys.argv[1] == "client":
    client("s3://two")
else:
    with asking("s3://two/a"):
        pass
assert hasattr(sys.modules["obstore"], "head"), "it is half imported"
first.join()
"""


@pytest.mark.parametrize("way", ["client", "asking"])
def test_threads_that_meet_while_the_library_is_imported_wait_for_all_of_it(way: str) -> None:
    """An ingest from a bucket ended so: "partially initialized module 'obstore' has no attribute 'head'"."""
    words = [sys.executable, "-c", TWO_THREADS, way]
    done = subprocess.run(
        words, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
