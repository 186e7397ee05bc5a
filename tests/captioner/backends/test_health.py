"""A server that has answered nothing is given up soon, one that is busy or was well before is waited for."""

import pytest

from captioner.backends import health
from captioner.backends.health import BUSY_S, HARD_S, TRIES, Health


@pytest.mark.parametrize(
    ("statuses", "before", "patience"),
    [([500] * TRIES, False, HARD_S), ([None] * TRIES, False, HARD_S),
     ([500] * 5 + [503], False, BUSY_S), ([500] * TRIES, True, BUSY_S)],
)  # fmt: skip
def test_patience(
    statuses: list[int | None], before: bool, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: now[0])
    seen = Health()
    if before:
        seen.answered()
    for status in statuses:
        assert not seen.hopeless
        seen.missed(status)
    now[0] += patience - 0.1
    assert not seen.hopeless
    now[0] += 0.2
    assert seen.hopeless
    seen.answered()
    assert not seen.hopeless
