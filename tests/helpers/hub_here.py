"""Commands that talk to a hub, in this process: a new one would spend its time on imports."""

from __future__ import annotations

import importlib
import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest


def filmstock_here(
    *words: str, url: str, home: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with the hub at ``url`` and its cache in ``home``; ``more`` are other variables."""
    from huggingface_hub import constants

    from jobs import cli

    told = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **more}
    out, err = io.StringIO(), io.StringIO()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HF_HUB_CACHE", "HF_XET_CACHE", "HF_ASSETS_CACHE", "HF_TOKEN_PATH"):
                patch.delenv(name, raising=False)
            for name, value in told.items():
                patch.setenv(name, value)
            importlib.reload(constants)  # it reads the environment when it is imported
            with redirect_stdout(out), redirect_stderr(err):
                code = cli.main(list(words))
    finally:
        importlib.reload(constants)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
