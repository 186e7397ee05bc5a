"""What tests of the DiT share: one thread (sums are then the same in every process), and a folder of latents."""

from pathlib import Path

import pytest
import torch

from tests.helpers.latents import write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Latents of some small clips, anew for each file of tests."""
    return write_folder(tmp_path_factory.mktemp("latents"))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
