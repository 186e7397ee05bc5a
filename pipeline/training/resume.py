"""Resume a run by the same command; refuse other settings by name, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

OTHER_OUT = "give the same, or another --out"


def read_own(
    path: Path,
    trainer: str,
    read: Callable[[Path], dict[str, Any]],
    *,
    holds: Collection[str] = ("train_config",),
) -> dict[str, Any] | None:
    """The checkpoint at ``path`` as ``read`` gives it, None where there is none.

    ``ValueError`` for one that lacks something of what every checkpoint of ``trainer`` ``holds``.
    """
    if not path.is_file():
        return None
    state = read(path)
    if not set(holds) <= state.keys():
        raise ValueError(f"{path} is no checkpoint of {trainer}; give another --out")
    return state


def refuse_other_settings(
    saved: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    path: Path,
    may_change: Collection[str] = (),
) -> None:
    """ValueError that names every setting in which ``wanted`` differs from the checkpoint at ``path``."""
    saved, wanted = _plain(saved), _plain(wanted)
    names = [n for n in {**wanted, **saved} if n not in may_change]
    differ = [
        f"{name} = {saved.get(name)!r} (now {wanted.get(name)!r})"
        for name in names
        if saved.get(name) != wanted.get(name)
    ]
    if differ:
        raise ValueError(f"{path} was trained with {', '.join(differ)}; {OTHER_OUT}")


def refuse_other_start(saved: str, wanted: str, *, path: Path) -> None:
    """ValueError where the checkpoint at ``path`` began with other weights; both are named as a person reads them."""
    if saved != wanted:
        raise ValueError(f"{path} was started from {saved}, this run from {wanted}; {OTHER_OUT}")


def refuse_other_steps(
    done: int,
    saved: int,
    wanted: int,
    rate: Callable[[int, int], Any],
    *,
    path: Path,
) -> None:
    """ValueError when the ``done`` steps would have gone otherwise in a run of ``wanted`` steps, not ``saved``.

    ``rate(step, steps)`` is what step number ``step`` does in a run of ``steps``, such as its learning rate. While it
    is the same a run may be made longer or shorter, and ends in the bits of a run that was so from the start.
    """
    if wanted == saved:
        return
    if wanted < done:
        raise ValueError(f"{path} has {done} steps done, more than steps = {wanted}; {OTHER_OUT}")
    for step in range(done):
        if rate(step, saved) != rate(step, wanted):
            raise ValueError(
                f"{path} was trained with steps = {saved} (now {wanted}), by which step {step} of {done} that are done "
                f"had another learning rate; {OTHER_OUT}"
            )


def _plain(value: Any) -> Any:
    """Nested mappings made flat, tuples as lists: as a setting reads after a trip through a file."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in _plain(item).items()}
        else:
            flat[name] = _listed(item)
    return flat


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
