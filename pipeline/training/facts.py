"""What a training state says beside its tensors, read without torch: by these values a run is refused, or goes on.

``torch.save`` writes a zip archive: a pickle that names the tensors' storages, and a file for each. Of the pickle all
that is no tensor is built; code is never run.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

PLAIN = {("collections", "OrderedDict"): OrderedDict}
"""Classes that are built as they are."""
LEFT_OUT = "torch"
"""Package whose objects are left out: tensors, number formats, devices."""


class _LeftOut:
    """What stands in the place of a tensor's maker while a pickle is read; what it makes is None."""

    def __call__(self, *_: object) -> None:
        return None


class _Plain(pickle.Unpickler):
    """Reads plain values, and None for all that is torch's."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in PLAIN:
            return PLAIN[module, name]
        if module.partition(".")[0] == LEFT_OUT:
            return _LeftOut()
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, which no state of ours does")

    def persistent_load(self, _: object) -> None:
        return None


def read_facts(path: Path) -> dict[str, Any]:
    """The plain values of a state of ``pipeline.training.state.save_state``; each of its tensors is None.

    Raises:
        ValueError: the file is damaged, or something else; the message names it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(name) as file:
                found = _Plain(file).load()
        if not isinstance(found, dict):
            raise ValueError("it holds no table of values")
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever damaged bytes lead to
        raise ValueError(
            f"{path} is not a readable training state ({error}); give another --out, or remove it to start anew"
        ) from None
    return found
