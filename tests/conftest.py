"""What all tests share: one thread per process, one Ray per process, and the order in which files are handed out."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers import parsed_once, rewritten, unsynced, warm_python

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(
        _name, "1"
    )  # the cores belong to the workers; also for processes that tests start
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # a test waits for its workers, as for itself

# the same examples every time, and no verdict by the clock: a busy machine is no fault
settings.register_profile(
    "filmstock", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("filmstock")

WARM = pytest.StashKey[warm_python.WarmPython]()
AHEAD = pytest.StashKey[int | None]()
LONGEST = (
    "jobs/ingest/test_command", "jobs/train/test_dit", "jobs/shards/test_encode", "dit/test_on_gpu",
    "jobs/caption/test_command", "vae/test_train", "jobs/ingest/test_store", "jobs/trace/test_imported",
    "pipeline/openclip/test_torchvision_compat", "captioner/train/test_finetune", "pipeline/world/test_strict",
    "pipeline/loader/test_mix", "pipeline/loader/test_workers", "jobs/models/test_fetch",
    "dit/parallel/test_context", "jobs/test_by_command_line", "dit/train/sharded/test_runs",
    "jobs/train/test_clip", "jobs/export/test_command", "dit/train/test_kill", "jobs/caption/test_worker",
    "pipeline/world/test_judge", "jobs/trace/test_forget", "jobs/edits/test_moves",
    "pipeline/video/test_isolate", "jobs/imports/test_command", "jobs/publish/test_push", "dit/train/test_loop",
    "jobs/report/test_page", "dit/test_rectified_flow", "jobs/serve/test_app", "test_imports",
    "jobs/train/test_show_batch", "jobs/core/test_ray_runtime", "captioner/train/test_pretrain",
    "vae/test_adversary", "dit/train/test_lora", "jobs/trace/test_forget_store", "dit/reward/test_loop",
    "jobs/models/test_recipes", "benchmarks/test_bad_inputs", "jobs/shards/test_foreign_vae",
    "pipeline/store/test_paths", "pipeline/select/test_select", "jobs/test_curation", "jobs/train/test_vae",
    "jobs/train/test_dit_doctor", "pipeline/shards/test_read_store", "jobs/reward/test_command",
    "jobs/world/test_film", "captioner/backends/test_openai", "captioner/backends/test_transformers",
    "jobs/view/test_box", "jobs/export/test_targets", "jobs/generate/test_verbs", "jobs/generate/test_judge",
)  # fmt: skip
"""Files that take longest, first: a long one that begins last keeps one worker busy while the others wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; ``--dist loadfile`` hands them out whole, so that what a file makes is made once."""
    rank = {f"{name}.py": place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        return rank.get(item.nodeid.partition("::")[0].removeprefix("tests/"), len(rank))

    items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest's workers and Ray's processes forked from one process that has all imports done."""
    from jobs.core import ray_runtime

    parsed_once.keep()
    unsynced.wait_for_no_disk()
    if sys.platform != "linux":
        return
    told = hasattr(config, "workerinput") or warm_python.VARIABLE in os.environ
    if not told and not config.option.collectonly:
        config.stash[WARM] = warm_python.WarmPython()
        config.stash[AHEAD] = rewritten.write_ahead(config)
        workers = getattr(config.option, "tx", None)  # -n: they are forks, too
        if workers and not getattr(config.option, "cov_source", None):  # that counts imports
            config.option.tx = [f"{each}//python={warm_python.python()}" for each in workers]
    plain = ray_runtime.start_local

    def start(num_cpus: int) -> None:
        warm_python.ray_starts(warm_python.python())
        plain(num_cpus)

    ray_runtime.start_local = start


def pytest_collection_finish() -> None:
    """Leave out of garbage collections what the imports and the list of tests have made: it stays to the end."""
    gc.collect()
    gc.freeze()
    # a test leaves little garbage, and to look for it cost 3 % of all tests
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what ``pytest_configure`` started."""
    if warm := config.stash.get(WARM, None):
        warm.close()
        if ahead := config.stash[AHEAD]:
            os.waitpid(ahead, 0)


def pytest_sessionfinish() -> None:
    """Stop the Ray that tests started; nothing happens when none did."""
    from jobs.core.ray_runtime import stop_ray

    stop_ray()
    gc.unfreeze()  # or libraries tell of objects that nobody took apart


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draws that a test does not seed are the same in every run, whichever tests the process ran before."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    """No Ray before and after the module: its workers are to inherit an environment that others must not have."""
    from jobs.core.ray_runtime import stop_ray

    stop_ray()
    yield
    stop_ray()


@pytest.fixture(scope="module")
def one_block() -> Iterator[None]:
    """The usual size of a DiT (``tiny``) with one block in place of six, where what it learns does not matter."""
    from dit.config import PRESETS

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "tiny", {**PRESETS["tiny"], "depth": 1})
        yield


@pytest.fixture
def thin_vae(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--preset tiny`` of the VAE is what ``tiny_models.tiny_vae`` saves: the same compression, little to compute."""
    from tests.helpers.tiny_models import thin_preset
    from vae.config import PRESETS

    monkeypatch.setitem(PRESETS, "tiny", thin_preset())
