"""Files of weights (safetensors): the header without the tensors, and tensors that are whole and finite.

The header is JSON behind eight bytes of length; reading it needs no torch, so what does not fit is refused at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.store.weights_sum import SUM, file_sum

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

Shape = tuple[int, ...]
M = TypeVar("M", bound="nn.Module")

MOST_HEADER_BYTES = 100_000_000
"""Longest header that the format allows."""
METADATA = "__metadata__"
"""Name of the texts in a header."""
EXPONENTS = {
    "F32": ("<u4", 0x7F80_0000),
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
}
"""Number format in a header -> how its bits are read, and those that are all set where a number is not finite."""
DTYPES = {
    "F64": "torch.float64",
    "F32": "torch.float32",
    "F16": "torch.float16",
    "BF16": "torch.bfloat16",
}
"""Number format in a header -> torch's name of it, for those that weights of ours have."""
DAMAGED = "copy it again, or give another file"


def weights_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: name -> dtype, shape and place of each tensor, ``__metadata__`` -> texts.

    Raises:
        ValueError: the file is none, or is cut short.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            size = path.stat().st_size
            if not 2 <= length <= min(MOST_HEADER_BYTES, size - 8):
                raise ValueError("no header at its beginning")
            header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != METADATA]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error}); {DAMAGED}"
        ) from None
    if (whole := 8 + length + max(ends, default=0)) != size:
        raise ValueError(
            f"{path} is not a readable safetensors file (it has {size} bytes of {whole}); {DAMAGED}"
        )
    return header


def weights_metadata(path: Path, kind: str, made_by: str, what: str) -> dict[str, str]:
    """Metadata of a file of ours.

    Args:
        path: The file.
        kind: What its ``format`` must be.
        made_by: Command that writes such files, for the error.
        what: What it holds, for the error: ``DiT``.

    Raises:
        ValueError: the file is damaged, or not of this kind.
    """
    metadata: dict[str, str] = weights_header(path).get(METADATA) or {}
    if metadata.get("format") != kind:
        found = metadata.get("format")
        told = f"its format is {found!r}" if found else f"no {kind!r} in its metadata"
        raise ValueError(
            f"{path} was not written by filmstock's {what} ({told}); give what `filmstock {made_by}` writes"
        )
    return metadata


def check_sum(path: Path) -> None:
    """ValueError where the tensors in a file are not those that were written; a file without a sum is taken as is."""
    wanted = (weights_header(path).get(METADATA) or {}).get(SUM)
    if wanted and (found := file_sum(path)) != wanted:
        raise ValueError(
            f"{path} is damaged: its weights have the sum {found}, and {wanted} when they were written; {DAMAGED}"
        )


class StoredTensors(Mapping[str, "Tensor"]):
    """The tensors of a file by name, each read when it is asked for: none is kept, but the file stays open.

    ValueError for a file that is damaged, and for numbers that are not finite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shapes = stored_shapes(path)
        """Shape of each."""
        self._handle: Any = None

    def __reduce__(self) -> tuple[type[StoredTensors], tuple[Path]]:
        return StoredTensors, (self.path,)  # another process opens the file for itself

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, name: str) -> Tensor:
        import torch
        from safetensors import safe_open

        if name not in self.shapes:
            raise KeyError(name)
        try:
            if self._handle is None:
                self._handle = safe_open(self.path, "pt")
            tensor: Tensor = self._handle.get_tensor(name)
        except Exception as error:
            raise ValueError(
                f"{self.path} is not a readable safetensors file: {error}; {DAMAGED}"
            ) from error
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{self.path} holds numbers in {name} that are not finite; {DAMAGED}")
        return tensor


def find_weights(path: str | Path, ours: Path, missing: str) -> Path:
    """The file that a path means: itself, the one named as ``ours`` in a folder, or ``ours`` for ``embedded``.

    ValueError where there is none: ``missing``, with the file in place of ``{}``.
    """
    file = ours if str(path) == "embedded" else Path(path)
    if file.is_dir():
        file = file / ours.name
    if not file.is_file():
        raise ValueError(missing.format(file))
    return file


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file; ValueError for one that is damaged, or holds numbers that are not finite."""
    check_sum(path)
    return dict(StoredTensors(path))


def stored_shapes(path: Path) -> dict[str, Shape]:
    """Name -> shape of the tensors in a file, from its header."""
    header = weights_header(path)
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != METADATA}


def check_numbers(path: Path, most_bytes: int = 1 << 30) -> None:
    """ValueError for weights that are damaged or not finite, without torch; files beyond ``most_bytes`` are left to
    their load."""
    if path.stat().st_size > most_bytes:
        return
    check_sum(path)
    for name, entry, data in _stored(path):
        _check_finite(path, name, entry, data)


def stored_id(path: Path, *, but: str = "") -> str:
    """16 hex digits from names, shapes, number formats and bytes of the tensors in a file, in name order; no torch.

    Those whose names begin with ``but`` have no part in it. ValueError for a file that is damaged, for numbers that
    are not finite, and for number formats that no weights of ours have.
    """
    check_sum(path)
    digest = hashlib.blake2b(digest_size=8)
    for name, entry, data in _stored(path):
        if but and name.startswith(but):
            continue
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{path} holds {name} in the format {entry['dtype']}; {DAMAGED}")
        _check_finite(path, name, entry, data)
        shape = tuple(entry["shape"])
        digest.update(f"{name} {shape} {DTYPES[entry['dtype']]}\n".encode())
        digest.update(data if shape else b"")
    return digest.hexdigest()


def digest_tensors(digest: hashlib.blake2b, tensors: Mapping[str, Tensor]) -> None:
    """Give ``digest`` names, shapes, number formats and bytes of the tensors, in name order, as ``stored_id`` does."""
    import torch

    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")


def _stored(path: Path) -> Iterator[tuple[str, dict[str, Any], np.ndarray]]:
    """Name, entry in the header and bytes of each tensor, in name order; bytes are read where they are looked at."""
    import numpy as np

    header = weights_header(path)
    with path.open("rb") as file:
        base = 8 + int.from_bytes(file.read(8), "little")
    for name in sorted(header.keys() - {METADATA}):
        first, stop = header[name]["data_offsets"]
        empty = np.empty(0, np.uint8)
        data = (
            np.memmap(path, np.uint8, "r", base + first, (stop - first,)) if stop > first else empty
        )
        yield name, header[name], data


def _check_finite(path: Path, name: str, entry: dict[str, Any], data: np.ndarray) -> None:
    kind = EXPONENTS.get(entry.get("dtype", ""))
    if kind is None:
        return
    numbers, mask = kind
    bits = data[: len(data) // int(numbers[-1]) * int(numbers[-1])].view(numbers)
    if ((bits & mask) == mask).any():
        raise ValueError(f"{path} holds numbers in {name} that are not finite; {DAMAGED}")


def check_shapes(wanted: Mapping[str, Shape], stored: Mapping[str, Shape], path: Path) -> None:
    """ValueError where the names or shapes of the tensors ``stored`` in ``path`` are not those ``wanted``."""
    for name in sorted(wanted.keys() | stored.keys()):
        if name not in stored or name not in wanted:
            told = "is missing" if name not in stored else "is none of the model's"
        elif wanted[name] != stored[name]:
            told = f"has shape {stored[name]}, not {wanted[name]}"
        else:
            continue
        raise ValueError(f"{path} does not fit its own config: {name} {told}; {DAMAGED}")


def built_with(make: Callable[[], M], tensors: dict[str, Tensor], path: Path) -> M:
    """What ``make`` builds, with the weights read from ``path``; none are drawn only to be replaced by them.

    All of its numbers must be weights: a constant that it computes for itself would be lost.
    """
    import torch

    with torch.device("meta"):
        model = make()
    load_into(model, tensors, path)
    return model


def load_into(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Give ``model`` the weights read from ``path``, as float32; ValueError where names or shapes differ."""
    import torch

    wanted, stored = (
        {name: tuple(tensor.shape) for name, tensor in each.items()}
        for each in (model.state_dict(), tensors)
    )
    check_shapes(wanted, stored, path)
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    model.load_state_dict(copies, assign=True)
