"""torchvision and open_clip import in a fresh process, whichever half of torchvision is missing."""

import functools
import re
import subprocess
from pathlib import Path

import pytest

from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.forks import run_in_forks

LOOK = """
from pipeline.openclip.find import clip_repository
print(clip_repository('ViT-B-16/laion2b_s34b_b88k@abc')[:2])
"""
FRESH = """
from pipeline.openclip.torchvision_compat import prepare_torchvision as p
first = p(); second = p()
import torchvision, open_clip
print(second, p(), torchvision.transforms.Resize(4) is not None)
"""
ALONE = ["", FRESH]  # torch comes first here too: it is imported to look at torchvision
AFTER_TRANSFORMERS = [
    "import transformers",
    "try:\n    import torchvision\nexcept Exception:\n    pass",
    "try:\n    import open_clip\nexcept Exception:\n    pass",
    "from captioner.backends.transformers import load_processor; load_processor('embedded')",
]


@functools.cache
def runs() -> dict[str, subprocess.CompletedProcess[str]]:
    """All scripts, in processes that have imported torch, as each does first, and what has no use for torchvision."""
    first = (
        "import sys, torch, torch._dynamo, huggingface_hub.hf_api, jinja2, ftfy, regex, PIL.Image\n"
        "assert not {'torchvision', 'open_clip', 'transformers'} & sys.modules.keys()"
    )
    then = (
        "import sys, transformers, transformers.models.auto.auto_factory\n"
        "assert not {'torchvision', 'open_clip'} & sys.modules.keys()"
    )
    return run_in_forks(
        [
            (first, [before + LOOK for before in ALONE]),
            (then, [before + LOOK for before in AFTER_TRANSFORMERS]),
        ]
    )


def test_open_clip_imports_in_a_fresh_process_after_preparing() -> None:
    done = runs()[FRESH + LOOK]
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split()[:3] == ["False", "False", "True"]


def test_does_nothing_once_torchvision_is_imported() -> None:
    prepare_torchvision()
    import torchvision  # noqa: F401

    assert prepare_torchvision() is False


@pytest.mark.parametrize("first", [*ALONE, *AFTER_TRANSFORMERS])
def test_a_published_model_is_looked_for_whatever_was_imported_before(first: str) -> None:
    done = runs()[first + LOOK]
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.splitlines()[-1] == "('laion/CLIP-ViT-B-16-laion2B-s34B-b88K', 'abc')"


def test_open_clip_is_imported_in_one_place_only() -> None:
    root = Path(__file__).resolve().parents[3]
    direct = re.compile(
        r"^\s*(?:import (?:open_clip|torchvision)|from (?:open_clip|torchvision)\b)", re.M
    )
    found = {
        str(path.relative_to(root))
        for package in ("pipeline", "captioner", "vae", "dit", "jobs")
        for path in (root / package).rglob("*.py")
        if direct.search(path.read_text())
    }
    assert found == {"pipeline/openclip/package.py"}
