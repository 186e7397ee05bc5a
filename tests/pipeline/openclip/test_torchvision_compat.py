"""torchvision and open_clip import in a fresh process, whichever half of torchvision is missing."""

import subprocess
import sys

from pipeline.openclip.torchvision_compat import prepare_torchvision


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=170)


def test_open_clip_imports_in_a_fresh_process_after_preparing() -> None:
    done = _run(
        "from pipeline.openclip.torchvision_compat import prepare_torchvision as p\n"
        "first = p(); second = p()\n"
        "import torchvision, open_clip\n"
        "print(second, p(), torchvision.transforms.Resize(4) is not None)"
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split() == ["False", "False", "True"]


def test_does_nothing_once_torchvision_is_imported() -> None:
    prepare_torchvision()
    import torchvision  # noqa: F401

    assert prepare_torchvision() is False
